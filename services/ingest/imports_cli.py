"""`bellwether import`: a file to events."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.common.clock import clock_from
from services.common.collector import settle_collector
from services.common.settings import Settings, read_settings

if TYPE_CHECKING:
    from services.common.database import Database
    from services.ingest.imports.chunks import Summary
    from services.ingest.imports.running import Job, Way

API_KEY = "BELLWETHER_API_KEY"


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    to: Path | None
    url: str | None
    direct: bool
    dry_run: bool
    snapshot: bool
    force: bool
    as_of: date | None


def _list_mappings(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from services.ingest.imports.finding import find_mapping, shipped_names

    for name in shipped_names():
        click.echo(f"{name:<22} {find_mapping(name).description}")
    context.exit()


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mapping", "mapping_name", help="A mapping that ships (see --list), or the path of a .yaml file.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_mappings,
    help="List the mappings that ship, and exit.",
)
@click.option("--dry-run", is_flag=True, help="Send nothing: print the first 20 events, and every error by row.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON lines here instead of sending.")
@click.option(
    "--direct", is_flag=True, help="Write to BELLWETHER_KAFKA from here instead of sending to ingest: faster."
)
@click.option("--snapshot", is_flag=True, help="FILE is a list of what is open now: send what changed since the last.")
@click.option("--force", is_flag=True, help="With --snapshot: also if most of the last list is missing.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="With --snapshot: the list's day.  [default: today]")
@click.option("--history", is_flag=True, help="Mark the events as the past: warnings from them are filed, not paged.")
@click.option("--url", help="Where ingest listens.  [default: http://127.0.0.1:BELLWETHER_INGEST_PORT]")
@click.option("--source", help="The events' source, instead of the mapping's.")
@click.option(
    "--encoding", type=click.Choice(["utf-8", "gb18030"]), help="The file's encoding, instead of the mapping's."
)
def import_command(
    file: Path,
    mapping_name: str | None,
    history: bool,
    source: str | None,
    encoding: str | None,
    to: Path | None,
    url: str | None,
    direct: bool,
    dry_run: bool,
    snapshot: bool,
    force: bool,
    as_of: datetime | None,
) -> None:
    """Turn a CSV or XLSX export into events and send them through ingest; or send a .jsonl file of events.

    Rejected rows go to FILE.rejected.csv beside FILE and give exit code 1; all others are imported. An import that was
    cut off goes on where it stopped. Importing a file again does no harm: its events have the same ids.
    """
    from services.ingest.imports.finding import find_mapping
    from services.ingest.imports.mapping import BadMapping
    from services.ingest.imports.reading import BadFile
    from services.ingest.imports.running import EVENT_LINES, Job

    wish = Wish(to, url, direct, dry_run, snapshot, force, as_of.date() if as_of else None)
    _check(wish, mapping_name is not None or file.suffix == EVENT_LINES, mapping_name is not None)
    settings = read_settings(os.environ)
    # Rows and events hold no rings: looking for some was a quarter of what a row cost.
    settle_collector()
    try:
        mapping = find_mapping(mapping_name) if mapping_name else None
        summary = _run(Job(file, mapping, history, source, encoding, settings.zone), wish, settings)
    except (BadMapping, BadFile) as error:
        raise click.UsageError(str(error)) from error
    if summary.rejected_rows:
        raise SystemExit(1)


def _check(wish: Wish, readable: bool, mapped: bool) -> None:
    if not readable:
        raise click.UsageError("an export needs --mapping; only a .jsonl file of events goes without")
    if sum(map(bool, (wish.to, wish.direct, wish.dry_run, wish.url))) > 1:
        raise click.UsageError("give at most one of --to, --url, --direct and --dry-run")
    if wish.snapshot and (not mapped or wish.to):
        raise click.UsageError("--snapshot needs --mapping and goes without --to")
    if (wish.force or wish.as_of) and not wish.snapshot:
        raise click.UsageError("--force and --as-of belong to --snapshot")


def _run(job: Job, wish: Wish, settings: Settings) -> Summary:
    from services.ingest.imports.progress import print_summary, reporting
    from services.ingest.imports.running import beside, book_of, lines_sink, no_book, sink_of, take_in
    from services.ingest.tables import open_database

    if wish.dry_run and not wish.snapshot:
        return _dry_run(job)
    with ExitStack() as stack:
        show = stack.enter_context(reporting(job.file.stat().st_size))
        if wish.to is not None:
            summary = take_in(job, stack.enter_context(lines_sink(wish.to)), beside(job.file), no_book(), show)
        else:
            database = open_database(settings.ingest_database_url)
            stack.callback(database.close)
            database.migrate()
            if wish.snapshot:
                return _snapshot(job, wish, settings, database)
            book = book_of(job, database, clock_from(settings.clock))
            sink = stack.enter_context(sink_of(_way(wish, settings, database), _tell))
            summary = take_in(job, sink, beside(job.file), book, show)
    print_summary(summary, f"{job.file}.rejected.csv", "written" if wish.to else "accepted")
    return summary


def _dry_run(job: Job) -> Summary:
    from services.ingest.imports.importing import FirstFew
    from services.ingest.imports.progress import ShownRejects, print_dry_run
    from services.ingest.imports.running import no_book, take_in

    few = FirstFew()
    summary = take_in(job, few, lambda _titles, _book: ShownRejects(), no_book(), _silent)
    print_dry_run(summary, few.first)
    return summary


def _snapshot(job: Job, wish: Wish, settings: Settings, database: Database) -> Summary:
    from services.ingest.imports.importing import FirstFew
    from services.ingest.imports.progress import ShownRejects, print_difference, print_dry_run, print_summary
    from services.ingest.imports.running import beside, kept_list, sink_of, take_in_snapshot
    from services.ingest.imports.snapshots import KeptAsItWas

    day = wish.as_of or clock_from(settings.clock)().astimezone(settings.zone).date()
    kept = kept_list(job, database)
    if wish.dry_run:
        few, as_it_was = FirstFew(), KeptAsItWas(kept)
        summary, difference = take_in_snapshot(
            job, day, wish.force, few, lambda _titles, _book: ShownRejects(), as_it_was, _silent
        )
        print_dry_run(summary, few.first)
    else:
        with sink_of(_way(wish, settings, database), _tell) as sink:
            summary, difference = take_in_snapshot(job, day, wish.force, sink, beside(job.file), kept, _silent)
        print_summary(summary, f"{job.file}.rejected.csv", "accepted")
    print_difference(difference)
    return summary


def _silent(_done_bytes: int, _so_far: Summary) -> None:
    """Nothing is said meanwhile."""


def _way(wish: Wish, settings: Settings, database: Database) -> Way:
    from services.ingest.direct_setup import direct_way
    from services.ingest.imports.running import Way

    if wish.direct:
        return direct_way(settings, database)
    url = wish.url or f"http://127.0.0.1:{settings.ingest_port}"
    return Way(url, settings.kafka, settings.topics, key=os.environ.get(API_KEY))


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)
