"""`bellwether ingest keys`: who may send. Works on the database of BELLWETHER_INGEST_DATABASE_URL."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.common.clock import wall_now
from services.common.errors import UserError
from services.common.settings import read_settings

if TYPE_CHECKING:
    from services.common.database import Database
    from services.ingest.keys import Key
    from services.ingest.keys_store import Made

SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
SPAN_MAX = timedelta(days=3660)


class BadCustomers(UserError):
    """The file of customers holds none."""


class Span(click.ParamType):
    """A time such as 12h or 90d."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Of hours or days, up to ten years."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([hd])", str(value))
        span = int(found[1]) * SPANS[found[2]] if found else None
        if span is None or span > SPAN_MAX:
            self.fail(f'"{value}" is no time: write 12h or 90d (at most {SPAN_MAX.days}d)', param, ctx)
        return span


@click.group()
def keys() -> None:
    """Keys of those who send: `Authorization: Bearer <key>`."""


@keys.command()
@click.option("--source", required=True, help="The source that it sends for; * for all.")
@click.option("--types", help="Event types that it may send, such as invoice.*,payment.*  [default: all]")
@click.option(
    "--customers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the customers that it may name, an id (as the source knows them) a line.  [default: all]",
)
@click.option("--expires", type=Span(), help="Works for so long, such as 90d.  [default: for ever]")
@click.option("--per-second", type=click.IntRange(1, 10_000_000), help="Events that it may send in a second.")
@click.option("--admin", is_flag=True, help="May also see and change dead letters, ids and feeds.")
@click.option("--note", default="", help="What it is for, at most 200 characters.")
def add(
    source: str,
    types: str | None,
    customers: Path | None,
    expires: timedelta | None,
    per_second: int | None,
    admin: bool,
    note: str,
) -> None:
    """Make a key and show it, this once: it is not kept."""
    from services.ingest import keys_store
    from services.ingest.keys import Bounds

    patterns = None if types is None else tuple(part.strip() for part in types.split(",") if part.strip())
    bounds = Bounds(source, patterns, _customers(customers), admin, per_second)
    now = wall_now()
    with _database() as database, database.writing() as tx:
        made = keys_store.add(tx, bounds, note[:200], now, now + expires if expires else None)
    _show(made)


@keys.command("list")
def list_keys() -> None:
    """List all keys, the oldest first. Nothing secret is shown, for nothing secret is kept."""
    from services.ingest import keys_store

    with _database() as database, database.reading() as tx:
        found = keys_store.every(tx)
    now = wall_now()
    for key in found:
        click.echo("  ".join(_told(key, now)))
    click.echo(f"{sum(key.works(now) for key in found)} of {len(found)} keys work", err=True)


@keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Shut a key out for ever. Every replica knows it within 10 seconds."""
    from services.ingest import keys_store

    with _database() as database, database.writing() as tx:
        keys_store.revoke(tx, key_id, wall_now())
    click.echo(f"the key {key_id} works no more")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap", type=Span(), default="7d", show_default=True, help="For so long the old one works beside the new one."
)
def rotate(key_id: str, overlap: timedelta) -> None:
    """Make a new key with the bounds of an old one, and show it, this once."""
    from services.ingest import keys_store

    now = wall_now()
    with _database() as database, database.writing() as tx:
        made = keys_store.rotate(tx, key_id, overlap, now)
        (old,) = keys_store.load(tx, [key_id])
    _show(made)
    click.echo(f"the key {key_id} works until {old.expires_at:%Y-%m-%d %H:%M} UTC", err=True)


@contextmanager
def _database() -> Iterator[Database]:
    from services.ingest.tables import open_database

    database = open_database(read_settings(os.environ).ingest_database_url)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def _customers(file: Path | None) -> frozenset[str] | None:
    if file is None:
        return None
    found = frozenset(line.strip() for line in file.read_text("utf-8-sig").splitlines() if line.strip())
    if not found:
        raise BadCustomers(f"{file} names no customer: the key could send nothing")
    return found


def _show(made: Made) -> None:
    # The key alone on standard output, for scripts.
    click.echo(made.token)
    click.echo(f"This is the key {made.key.id}; it is shown only now. Running replicas know it in seconds.", err=True)


def _told(key: Key, now: datetime) -> Iterator[str]:
    bounds = key.bounds
    yield key.id
    if key.revoked_at is not None:
        yield "revoked"
    elif not key.works(now):
        yield "expired"
    else:
        yield f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "works"
    yield f"source {bounds.source}"
    if bounds.types is not None:
        yield f"types {','.join(bounds.types)}"
    if bounds.customers is not None:
        yield f"{len(bounds.customers)} customers"
    if bounds.per_second is not None:
        yield f"{bounds.per_second} events a second"
    if bounds.admin:
        yield "admin"
    if key.note:
        yield key.note
