"""`bellwether feeds`: what ingest and the rules service know of the sources, in one list.

The rules service knows from the reference topic how far a feed is complete, whoever put its heartbeats there; ingest
knows when it passed a source's last event on, and what somebody expects.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click
import orjson

from services.common.clock import ClockUnreadable, clock_from
from services.common.database import Database
from services.common.errors import UserError
from services.common.settings import Settings, read_settings

_UNITS = {"m": 1, "h": 60, "d": 24 * 60}
MAX_MINUTES = 366 * 24 * 60


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def feeds(context: click.Context, *, as_json: bool) -> None:
    """List the sources that were heard: when, how far they are complete, and which are late or silent.

    Late: nothing came for longer than is expected of it. Silent: it used to send heartbeats, and the last one is older
    than BELLWETHER_FEED_SILENT_MINUTES.
    """
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


@feeds.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(*, as_json: bool) -> None:
    """The same as `bellwether feeds`."""
    _list(as_json=as_json)


@feeds.command()
@click.argument("source")
@click.argument("period")
@click.option("--working-days", is_flag=True, help="Only the time of working days counts.")
def expect(source: str, period: str, *, working_days: bool) -> None:
    """Say that SOURCE is to be heard at least every PERIOD, such as 90m, 24h or 7d; `never` ends it.

    An event and a heartbeat count alike. It is a metric, and an alert to ops, when it is late.
    """
    from services.ingest import feeds_store
    from services.ingest.feeds import Expected

    minutes = _minutes(period)
    with _opened() as (database, _, now), database.writing() as tx:
        expected = None if minutes is None else Expected(timedelta(minutes=minutes), now, working_days)
        feeds_store.expect(tx, source[:200], expected, getpass.getuser()[:200])
    click.echo(f"{source}: {'nothing is expected any longer' if minutes is None else f'expected every {period}'}")


@feeds.command()
@click.argument("source")
def remove(source: str) -> None:
    """Forget a SOURCE that is gone. If it sends again it is back."""
    from services.ingest import feeds_store

    with _opened() as (database, _, _now), database.writing() as tx:
        if not feeds_store.remove(tx, source):
            raise UserError(f"{source} was never heard, and nothing is expected of it")
    click.echo(f"{source} is forgotten")


@contextmanager
def _opened() -> Iterator[tuple[Database, Settings, datetime]]:
    from services.ingest.tables import open_database

    settings = read_settings(os.environ)
    try:
        now = clock_from(settings.clock)()
    except ClockUnreadable as error:
        raise UserError(str(error)) from error
    database = open_database(settings.ingest_database_url)
    try:
        database.migrate()
        yield database, settings, now
    finally:
        database.close()


def _list(*, as_json: bool) -> None:
    from services.common.workdays import is_working_date
    from services.ingest import feeds_store
    from services.ingest.feeds import Calendar, Feed, Heard
    from services.ingest.letters_showing import feed_row
    from services.rules.guarded import guarded

    with _opened() as (database, settings, now):
        beats = {one.name: one for one in guarded(settings)}
        with database.reading() as tx:
            known = {feed.source: feed for feed in feeds_store.every(tx)}
    calendar, silent_after = Calendar(settings.zone, is_working_date), timedelta(minutes=settings.feed_silent_minutes)
    rows = []
    for source in sorted(beats.keys() | known.keys()):
        feed = known.get(source, Feed(source, Heard()))
        if source in beats:
            heard = Heard(None, beats[source].heartbeat_at, beats[source].complete_until)
            feed = Feed(source, feed.heard.and_(heard), feed.expected)
        rows.append(_local(feed_row(feed, now, calendar, silent_after), settings))
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    else:
        _print(rows)


def _local(row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    times = ("last_heartbeat", "complete_until", "last_event")
    local = {name: _in_zone(row[name], settings) for name in times}
    return {"feed": row["source"], **{name: value for name, value in row.items() if name != "source"}, **local}


def _in_zone(text: str | None, settings: Settings) -> str | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(settings.zone).isoformat()


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no feed has ever sent a heartbeat, and nothing is expected of any")
        return
    head = ("feed", "last heartbeat", "complete until", "last event", "expected", "")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(head))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    heartbeat, until, event = (
        _minute(row["last_heartbeat"]),
        _minute(row["complete_until"]),
        _minute(row["last_event"]),
    )
    period = row["expected_minutes"]
    expected = "" if period is None else f"{_period(period)}{', working days' if row['working_days'] else ''}"
    late = "" if row["late_minutes"] is None else f"late by {_period(row['late_minutes'])}"
    troubles = ", ".join(one for one in (late, "silent" if row["silent"] else "") if one)
    return row["feed"], heartbeat, until, event, expected, troubles


def _minute(text: str | None) -> str:
    return "" if text is None else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def _period(minutes: int) -> str:
    units = ("d", "h", "m") if minutes >= 2 * _UNITS["d"] else ("h", "m")
    unit = next(name for name in units if minutes % _UNITS[name] == 0)
    return f"{minutes // _UNITS[unit]}{unit}"


def _minutes(period: str) -> int | None:
    if period == "never":
        return None
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", period)
    minutes = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < minutes <= MAX_MINUTES:
        raise UserError(f'"{period[:40]}" is no period: write 90m, 24h, 7d (a year at most), or never')
    return minutes
