"""`bellwether ids`: whose the ids of sources are, what waits for an id, and customers that are being merged."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from services.common.clock import wall_now
from services.common.database import Database
from services.common.errors import UserError
from services.common.settings import read_settings

if TYPE_CHECKING:
    from services.ingest.ids_changing import Applied

AT_ONCE = 5_000
"""Rows of a file in one transaction; a file that is broken off may be loaded again from its beginning."""

SHOWN_ROWS = 20


@click.group()
def ids() -> None:
    """Whose the ids are that sources have of their own.

    A source that was mapped sends its own ids as `subject`; its events go on under the customer's id. What bears an id
    that nobody has named waits, and is sent once it is named.
    """


@contextmanager
def _database() -> Iterator[tuple[Database, datetime]]:
    from services.ingest.tables import open_database

    settings = read_settings(os.environ)
    database = open_database(settings.ingest_database_url)
    try:
        database.migrate()
        yield database, wall_now()
    finally:
        database.close()


def _who() -> str:
    return getpass.getuser()[:200]


@ids.command("map-source")
@click.argument("source")
def map_source(source: str) -> None:
    """From now on SOURCE's subjects are its own ids. Loading ids of it says the same."""
    from services.ingest import ids_store

    with _database() as (database, now), database.writing() as tx:
        new = ids_store.map_source(tx, source, now)
    click.echo(f"{source}: {'its events wait for their ids from now on' if new else 'was mapped already'}")


@ids.command("unmap-source")
@click.argument("source")
def unmap_source(source: str) -> None:
    """SOURCE sends customers' ids after all. What waits is sent under the ids that it bears."""
    from services.ingest import ids_store

    with _database() as (database, _), database.writing() as tx:
        if not ids_store.unmap_source(tx, source):
            raise UserError(f"{source} is not mapped; `bellwether ids sources` lists those that are")
    click.echo(f"{source}: its subjects are customers' ids from now on")


@ids.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="The source of all rows, where the file has no such column.")
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@click.option("--force", is_flag=True, help="Also give ids that are a customer's already to another.")
@click.option("--encoding", default="utf-8-sig", show_default=True, type=click.Choice(["utf-8-sig", "gb18030"]))
def load(file: Path, source: str | None, dry_run: bool, force: bool, encoding: str) -> None:
    """Load a CSV file with the columns source, external_id, customer_id.

    Good rows are kept, all others are listed by line (exit code 1). Loading a file again does no harm.
    """
    with _database() as (database, now), file.open(encoding=encoding, newline="") as lines:
        size = file.stat().st_size
        with click.progressbar(length=max(size, 1), label="reading", file=click.get_text_stream("stderr")) as bar:
            try:
                applied = _load(database, lines, bar.update, source, now, force=force, dry_run=dry_run)
            except UnicodeDecodeError:
                raise UserError(f"{file.name} is not in {encoding}; name another with --encoding") from None
    verb = "would be" if dry_run else "are"
    taken = f", {applied.changed} {verb} taken from another customer" if applied.changed else ""
    click.echo(
        f"{applied.new} ids {verb} new, {applied.same} were so already{taken}, {len(applied.refused)} rows are refused"
    )
    for one in applied.refused[:SHOWN_ROWS]:
        click.echo(f"  line {one.place}: {one.problem}", err=True)
    if len(applied.refused) > SHOWN_ROWS:
        click.echo(f"  ... and {len(applied.refused) - SHOWN_ROWS} more", err=True)
    if applied.changed and not dry_run:
        click.echo("what was sent under these ids before stays with the customers that had them", err=True)
    if applied.refused:
        raise SystemExit(1)


def _load(
    database: Database,
    lines: TextIO,
    advance: Callable[[int], None],
    source: str | None,
    now: datetime,
    *,
    force: bool,
    dry_run: bool,
) -> Applied:
    from services.ingest.ids_changing import Applied, apply, read_ids

    applied, rows, who = Applied(), read_ids(_counted(lines, advance), source), _who()
    while some := list(islice(rows, AT_ONCE)):
        with database.writing() as tx:
            applied.add(apply(tx, some, now, who, force=force, dry_run=dry_run))
    return applied


def _counted(lines: TextIO, advance: Callable[[int], None]) -> Iterator[str]:
    for line in lines:
        advance(len(line.encode(errors="replace")))
        yield line


@ids.command("set")
@click.argument("source")
@click.argument("external_id")
@click.argument("customer_id")
@click.option("--force", is_flag=True, help="Also when it is another customer's.")
def set_id(source: str, external_id: str, customer_id: str, force: bool) -> None:
    """EXTERNAL_ID of SOURCE is CUSTOMER_ID's."""
    from services.ingest.ids_changing import apply, given

    one = given(1, {"source": source, "external_id": external_id, "customer_id": customer_id})
    with _database() as (database, now), database.writing() as tx:
        applied = apply(tx, [one], now, _who(), force=force, dry_run=False)
    for refused in applied.refused:
        raise UserError(f"{refused.problem}{' (--force)' if refused.row else ''}")
    click.echo(f"{external_id} of {source} is {customer_id}'s")
    if applied.changed:
        click.echo("what was sent under it before stays with the customer that had it", err=True)


@ids.command()
@click.argument("source")
@click.argument("external_id")
def remove(source: str, external_id: str) -> None:
    """EXTERNAL_ID of SOURCE is nobody's: its later events wait."""
    from services.ingest import ids_store

    with _database() as (database, _), database.writing() as tx:
        owner = ids_store.delete_id(tx, source, external_id)
    if owner is None:
        raise UserError(f"{external_id} of {source} is nobody's id")
    click.echo(f"{external_id} of {source} was {owner}'s; its later events wait")


@ids.command("list")
@click.option("--source")
@click.option("--customer")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True)
def list_ids(source: str | None, customer: str | None, limit: int) -> None:
    """List ids and whose they are."""
    from services.ingest import ids_store

    with _database() as (database, _), database.reading() as tx:
        rows = ids_store.list_ids(tx, source, customer, None, limit)
        merges = ids_store.all_merges(tx)
    for row in rows:
        merged = merges.get(row["customer_id"])
        into = f"  (merged into {merged.surviving})" if merged else ""
        click.echo(f"{row['source']}  {row['external_id']}  {row['customer_id']}{into}")
    if len(rows) == limit:
        click.echo(f"these are the first {limit}; --source, --customer and --limit ask for others", err=True)


@ids.command()
def sources() -> None:
    """List the sources that have ids of their own, and how many are known."""
    from services.ingest import ids_store

    with _database() as (database, _), database.reading() as tx:
        for source, number in ids_store.count_ids(tx).items():
            click.echo(f"{source}  {number} ids")


@ids.command()
@click.option("--source")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True)
def waiting(source: str | None, limit: int) -> None:
    """List the ids for which events wait."""
    from services.ingest import ids_waiting

    with _database() as (database, now), database.reading() as tx:
        rows = ids_waiting.list_waiting(tx, source, None, limit)
        number, _ = ids_waiting.total(tx)
    for row in rows:
        hours = (now - row["oldest"]).total_seconds() / 3600
        click.echo(f"{row['source']}  {row['external_id']}  {row['events']} events, the oldest for {hours:.1f} h")
    click.echo(f"{number} events wait", err=True)


@ids.command()
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
def merges(limit: int) -> None:
    """List customers that turned out to be others, the newest first, and how far their events are."""
    from services.ingest import merging_store

    with _database() as (database, _), database.reading() as tx:
        rows = merging_store.list_merges(tx, limit)
    for row in rows:
        state = f"done at {row['done_at']:%Y-%m-%d %H:%M} UTC" if row["done_at"] else "at work"
        click.echo(f"{row['merged_id']} -> {row['surviving_id']}  {row['resent']} events sent again, {state}")
