"""`bellwether notifier`: the entry point. The only place here that reads the environment."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from services.common.clock import wall_now
from services.common.errors import UserError
from services.common.settings import read_settings

if TYPE_CHECKING:
    from services.common.database import Database


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


@notifier.group()
def keys() -> None:
    """Keys for the API: `Authorization: Bearer <key>`."""


@keys.command("add")
@click.option("--scope", "scopes", multiple=True, required=True, help="directory, or directory:read; may be repeated.")
@click.option("--person", help="Whose key it is, where it is somebody's own.")
@click.option("--days", type=click.IntRange(1, 3660), help="Works for so many days.  [default: for ever]")
@click.option("--note", default="", help="What it is for, at most 200 characters.")
def add_key(scopes: tuple[str, ...], person: str | None, days: int | None, note: str) -> None:
    """Make a key and show it, this once: it is not kept."""
    from services.notifier import api_keys

    now = wall_now()
    with _database() as database, database.writing() as tx:
        until = now + timedelta(days=days) if days else None
        key, shown = api_keys.add(tx, scopes, note, now, person, until)
    # The key alone on standard output, for scripts.
    click.echo(shown)
    click.echo(f"This is the key {key.id}; it is shown only now.", err=True)


@keys.command("list")
def list_keys() -> None:
    """List all keys, the oldest first. Nothing secret is shown, for nothing secret is kept."""
    from services.notifier import api_keys

    now = wall_now()
    with _database() as database, database.reading() as tx:
        for key in api_keys.every(tx):
            state = "works" if key.works(now) else "revoked" if key.revoked_at else "expired"
            click.echo(f"{key.id}  {state}  {', '.join(key.scopes)}  {key.person or '-'}  {key.note}".rstrip())


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """Shut a key out, at once and for ever."""
    from services.notifier import api_keys

    with _database() as database, database.writing() as tx:
        api_keys.revoke(tx, key_id, wall_now())
    click.echo(f"the key {key_id} works no more")


@contextmanager
def _database() -> Iterator[Database]:
    from services.notifier.tables import open_database

    database = open_database(read_settings(os.environ).database_url)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The workers say once when the broker goes and comes; the library says it several times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
