"""`bellwether report` and `bellwether ranks`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click
from rich.console import Console
from rich.table import Table as PrintedTable

from schemas.fields import parse_instant
from services.common.clock import ClockUnreadable, clock_from
from services.common.errors import UserError
from services.common.settings import Settings, read_settings
from services.rules.calendar import Calendar, Day
from services.rules.reports.catalogue import CATALOGUE, TWELVE_MONTHS, Listed, usual_start
from services.rules.reports.model import Report, Table
from services.rules.reports.query import GroupBy, Query
from services.rules.reports.rendering import as_csv, as_json, as_text, reasons, say

if TYPE_CHECKING:
    from services.rules.reports.people import People
    from services.rules.reports.reading import Customers

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name", required=False)
@click.option("--list", "lists", is_flag=True, help="Name all reports.")
@click.option("--from", "since", metavar="DAY", help="The first day, such as 2026-03-01.")
@click.option("--until", metavar="DAY", help="The last day.  [default: today]")
@click.option("--by", type=click.Choice(get_args(GroupBy)), help="Compare these with each other.")
@click.option("--owner", metavar="PERSON", help="Only what is this person's.")
@click.option("--table", "only", metavar="NAME", help="Only one of the report's tables.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--snapshots", "file", type=_FILE, help="Read records and reference events from FILE, not from Kafka.")
def report(
    name: str | None,
    lists: bool,
    since: str | None,
    until: str | None,
    by: str | None,
    owner: str | None,
    only: str | None,
    form: str,
    language: str,
    file: Path | None,
) -> None:
    """Work out the report NAME from what is known of all customers; `--list` names the reports.

    A figure behind which there are no data is left open, with the reason beside it. Without --from the period begins
    with the month, quarter or year in which it ends, as suits the report.
    """
    if lists:
        _print_catalogue()
        return
    entry = _find(name)
    settings = read_settings(os.environ)
    query = _query(entry, settings, since, until, cast("GroupBy | None", by), owner)
    built, count = _run(entry, query, settings, file)
    tables = _chosen(built.tables(), only)
    title = f"{name} {say(entry.name, language)}"
    if form == "json":
        header = {"report": name, "name": entry.name._asdict(), **_asked(query), "customers": count}
        click.echo(as_json(header, tables))
    elif form == "csv":
        click.echo(as_csv(tables, language), nl=False)
    else:
        _print(title, query, tables, language)


def _find(name: str | None) -> Listed:
    if name is None:
        raise click.UsageError("name a report; `bellwether report --list` shows them")
    if name not in CATALOGUE:
        raise UserError(f'there is no report "{name}"; there are {", ".join(CATALOGUE)}: `bellwether report --list`')
    return CATALOGUE[name]


def _query(
    entry: Listed, settings: Settings, since: str | None, until: str | None, by: GroupBy | None, owner: str | None
) -> Query:
    calendar = Calendar(settings.zone)
    today = now_of(settings).astimezone(settings.zone).toordinal()
    last = today if until is None else _day("--until", until)
    if since is not None and entry.span == TWELVE_MONTHS:
        click.echo(f"this report is of the 12 months that end with --until; --from {since} is left out", err=True)
        since = None
    first = usual_start(entry.span, last) if since is None else _day("--from", since)
    if last > today:
        raise UserError(f"--until {until} lies in the future: today is {date.fromordinal(today)}")
    if first > last:
        raise UserError(f"--from {date.fromordinal(first)} comes after --until {date.fromordinal(last)}")
    return Query(first, last, calendar, today, by, owner)


def _day(option: str, text: str) -> Day:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UserError(f'{option} "{text}" is no day such as 2026-03-01') from None
    return day.toordinal()


def now_of(settings: Settings) -> datetime:
    """The present instant by the configured clock. Raises UserError."""
    try:
        return clock_from(settings.clock)()
    except ClockUnreadable as error:
        raise UserError(str(error)) from error


def _run(entry: Listed, query: Query, settings: Settings, file: Path | None) -> tuple[Report, int]:
    from services.rules.reference import Reference
    from services.rules.reports import reading

    reference = Reference()
    if entry.needs_reference:
        reference = (
            reading.reference_of_file(file) if file else reading.reference_of_topic(settings.kafka, settings.topics)
        )
    built = entry.build(query, reference)
    source = reading.file_source(file) if file else reading.topic_source(settings.kafka, settings.topics.customers)
    customers = reading.Customers(source, built.days(), _people(settings))
    people: set[str] = set()
    for customer in customers:
        built.add(customer)
        people |= customer.people() if query.owner is not None else set()
    complain(customers)
    if not customers.count:
        # A report full of zeros would say that nothing happened.
        raise UserError(_nobody(file))
    if query.owner is not None and query.owner not in people:
        close = get_close_matches(query.owner, people, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        click.echo(f'nobody called "{query.owner}" owns a customer or did anything in these days{meant}', err=True)
    return built, customers.count


def _people(settings: Settings) -> People:
    from services.rules.reports.people import ASKED, read_people

    ask: Callable[[Settings], People] | None = click.get_current_context().meta.get(ASKED)
    return ask(settings) if ask is not None else read_people(settings.directory)


def _nobody(file: Path | None) -> str:
    if file is not None:
        return f"there is no customer in {file}: it must hold records of the customers topic, one JSON a line"
    return "no customer is known yet: start `bellwether rules run` and send events first"


def complain(customers: Customers) -> None:
    """Says on stderr which records were left out."""
    for problem in customers.problems:
        click.echo(f"left out: {problem}", err=True)
    if customers.problem_count:
        click.echo(
            f"{customers.problem_count} records could not be read, so figures are too small; "
            "they may come from another version of the rules service",
            err=True,
        )


def _chosen(tables: list[Table], only: str | None) -> list[Table]:
    if only is None:
        return tables
    found = [table for table in tables if table.name == only]
    if not found:
        raise UserError(f'there is no table "{only}"; there are {", ".join(table.name for table in tables)}')
    return found


def _asked(query: Query) -> dict[str, str | None]:
    return {
        "from": date.fromordinal(query.since).isoformat(),
        "until": date.fromordinal(query.until).isoformat(),
        "by": query.by,
        "owner": query.owner,
    }


def _print_catalogue() -> None:
    for name, entry in CATALOGUE.items():
        click.echo(f"{name:<4} {entry.name.zh} · {entry.name.en}")
        click.echo(f"     {entry.sentence.zh}")
        click.echo(f"     {entry.sentence.en}")


def _print(title: str, query: Query, tables: list[Table], language: str) -> None:
    # Into a pipe lines may be as long as they must: nothing is cut off.
    width = shutil.get_terminal_size().columns if click.get_text_stream("stdout").isatty() else 400
    # Names come from outside: brackets in them are brackets.
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    console.print(f"{title}  {date.fromordinal(query.since)} – {date.fromordinal(query.until)}")
    for table in tables:
        printed = PrintedTable(title=say(table.title, language), title_justify="left")
        for column in table.columns:
            printed.add_column(say(column.title, language), overflow="fold")
        why: dict[tuple[str, str], None] = {}
        for row in table.rows:
            printed.add_row(*(as_text(row[column.name]) for column in table.columns))
            why |= dict.fromkeys(reasons(row, language))
        console.print(printed)
        if not table.rows:
            console.print(f"– {say(table.nothing, language)}")
        titles = {column.name: say(column.title, language) for column in table.columns}
        for name, reason in why:
            console.print(f"– {titles[name]}: {reason}")


@click.group()
def ranks() -> None:
    """Rank all customers by what they buy."""


@ranks.command()
@click.option("--as-of", metavar="INSTANT", help="Such as 2026-03-01T00:00:00+08:00.  [default: now]")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON lines here, do not publish.")
@click.option("--snapshots", "file", type=_FILE, help="Read records and reference events from FILE, not from Kafka.")
def publish(as_of: str | None, to: Path | None, file: Path | None) -> None:
    """Publish the rankings that rules read: order amount, margin, recency, frequency, money spent, cross-selling.

    They count the days that had begun before INSTANT. Run it once a day.
    """
    from services.rules.reports import publishing, ranking, reading
    from services.rules.reports.people import People

    settings = read_settings(os.environ)
    now = now_of(settings)
    at = now if as_of is None else _instant(as_of)
    if at > now:
        raise UserError(f"--as-of {as_of} lies in the future: now it is {now.isoformat()}")
    reference = reading.reference_of_file(file) if file else reading.reference_of_topic(settings.kafka, settings.topics)
    rankings = ranking.Rankings(at, Calendar(settings.zone), reference)
    source = reading.file_source(file) if file else reading.topic_source(settings.kafka, settings.topics.customers)
    customers = reading.Customers(source, rankings.days(), People())
    for customer in customers:
        rankings.add(customer)
    complain(customers)
    if not customers.count:
        raise UserError("there is nobody to rank: start `bellwether rules run` and send events first")
    events = publishing.events_of(ranking.published(rankings.results(), at.astimezone(UTC), now))
    count = publishing.to_file(events, to) if to else publishing.to_topic(events, settings.kafka, settings.topics)
    click.echo(f"{count} events rank {customers.count} customers as of {at.isoformat()}")
    for measure, left_out in sorted(rankings.left_out.items()):
        click.echo(f"  {measure}: {left_out} customers have no known figure (no exchange rate, or no cost)", err=True)


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UserError(f"--as-of: {error}") from None
