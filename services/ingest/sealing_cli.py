"""The commands about the keys that seal personal fields."""

from __future__ import annotations

import os

import click

from services.common.database import Database
from services.common.errors import UserError
from services.common.master_file import add_master, keep_first_master, master_keys
from services.common.sealing import NotSealed
from services.common.settings import Settings, read_settings
from services.ingest.sealing_store import SealingStore, has_keys
from services.ingest.tables import open_database


class KeysUnreadable(UserError):
    """A customer's key cannot be unwrapped with the master keys at hand."""


def store_in(database: Database, settings: Settings) -> SealingStore:
    """The keys in ingest's database. Raises BadMasterFile, KeysUnreadable: a command or a service that could not unwrap
    them must not begin."""
    file = settings.sealing_key_file
    # One that is made now opens nothing that is there.
    may_be_made = settings.sealing_key_may_be_made and not has_keys(database)
    store = SealingStore(database, master_keys(file, may_be_made=may_be_made))
    unknown = store.unknown_masters()
    if unknown:
        raise KeysUnreadable(
            f"keys in ingest's database are wrapped by the master key {unknown[0]}, which is not in {file}: "
            "put the file there that belongs to this database (BELLWETHER_SEALING_KEY_FILE names it)"
        )
    return store


def _open_store(settings: Settings) -> SealingStore:
    database = open_database(settings.ingest_database_url)
    database.migrate()
    return store_in(database, settings)


@click.group()
def sealing() -> None:
    """The master keys that wrap what personal fields are sealed with."""


@sealing.command("add-master")
def add_master_command() -> None:
    """Put a new master key first in BELLWETHER_SEALING_KEY_FILE. Give the file to all, then `rewrap`."""
    file = read_settings(os.environ).sealing_key_file
    add_master(file)
    click.echo(f"{file} begins with a new master key; those behind it still open what they wrapped")


@sealing.command()
@click.option("--keep-old", is_flag=True, help="Leave the older master keys in the file.")
def rewrap(keep_old: bool) -> None:
    """Wrap every customer's key by the newest master key, and drop the older ones from the file."""
    settings = read_settings(os.environ)
    try:
        count = _open_store(settings).rewrap()
    except NotSealed:
        raise KeysUnreadable("nothing was changed: a customer's key is damaged") from None
    if not keep_old:
        keep_first_master(settings.sealing_key_file)
    click.echo(f"{count} keys were wrapped anew")
