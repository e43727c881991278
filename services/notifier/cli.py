"""`bellwether notifier`: the entry point. The only place here that reads the environment."""

from __future__ import annotations

import logging
import os
import sys
from datetime import timedelta

import click

from services.common.clock import wall_now
from services.common.errors import UserError
from services.common.settings import read_settings


class NoPassword(UserError):
    """No password came on standard input."""


class AccountRefused(UserError):
    """The account cannot be made; the message says why."""


class SecretElsewhere(UserError):
    """The secrets of links come from the environment."""


@click.group()
def notifier() -> None:
    """The service that pages people, keeps cases, has the console."""


@notifier.command()
def serve() -> None:
    """Take warnings from Kafka, page people, and answer on BELLWETHER_NOTIFIER_PORT until a signal ends it."""
    from services.notifier.config import read_notifier_settings
    from services.notifier.service import serve as run

    settings = read_settings(os.environ)
    own = read_notifier_settings(os.environ, settings)
    # Before anything runs: a secret that is missing is said at once.
    own.open_channels(wall_now)
    _log_to_stderr()
    if not run(settings, own):
        sys.exit(1)


@notifier.command()
@click.option("--to", "revision", default="head", show_default=True, help="A schema revision; base is none at all.")
@click.option("--down", is_flag=True, help="Go back to it. What the older schema cannot hold is lost.")
def migrate(revision: str, down: bool) -> None:
    """Bring the database up to a schema revision. `serve` does it by itself."""
    from services.notifier.tables import open_database

    database = open_database(read_settings(os.environ).database_url)
    database.migrate(revision, down=down)
    click.echo(f"the database is at {revision}")


@notifier.group()
def user() -> None:
    """Console accounts."""


@user.command()
@click.argument("name")
@click.option("--person", help="Who the account acts as: an id of the directory.  [default: the directory's fallback]")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
def add(name: str, person: str | None, password_stdin: bool) -> None:  # noqa: ARG001 - click passes by name
    """Make an account; nobody acts in the console without one."""
    from services.notifier.desk import AccountInvalid, Desk
    from services.notifier.service import open_clerk

    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise NoPassword("no password came on standard input")
    desk = Desk(open_clerk(read_settings(os.environ)))
    try:
        account = desk.create_user(name, person or desk.directory.fallback, password)
    except AccountInvalid as error:
        raise AccountRefused(str(error)) from None
    click.echo(f"account {account.name} acts as {account.person}")


@notifier.command()
@click.argument("name")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 3650), help="For so long it counts.")
def token(name: str, days: int) -> None:
    """Make a token for a program that acts in the name of an account, and print it. It is not kept, only its hash."""
    from services.notifier.desk import AccountInvalid, Desk
    from services.notifier.service import open_clerk

    desk = Desk(open_clerk(read_settings(os.environ)))
    try:
        session = desk.make_token(name, timedelta(days=days))
    except AccountInvalid as error:
        raise AccountRefused(str(error)) from None
    click.echo(session.token)
    click.echo(f"acts as {session.account.person} until {session.expires_at:%Y-%m-%d}", err=True)


@notifier.command("link-secret")
def link_secret() -> None:
    """Make a new secret for the links in pages; the one before it still counts. Restart the notifiers afterwards."""
    from services.notifier.link_secrets import CURRENT, FILE, from_environment, renew

    if from_environment(os.environ):
        raise SecretElsewhere(f"{CURRENT} is set: put a new secret there, and the present one into {CURRENT}_PREVIOUS")
    settings = read_settings(os.environ)
    renew(settings.data_dir)
    click.echo(f"{settings.data_dir / FILE} has a new secret; links signed by the one before it still count")


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The workers say once when the broker goes and comes; the library says it several times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
