"""`bellwether notifier`: the entry point. The only place here that reads the environment."""

from __future__ import annotations

import logging
import os
import sys

import click

from services.common.clock import wall_now
from services.common.errors import UserError
from services.common.settings import read_settings


class NoPassword(UserError):
    """No password came on standard input."""


class AccountRefused(UserError):
    """The account cannot be made; the message says why."""


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


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The workers say once when the broker goes and comes; the library says it several times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
