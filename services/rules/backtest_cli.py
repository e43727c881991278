"""`bellwether backtest` and `bellwether rules check`: the rules over files, without Kafka."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas.codec import InvalidEvent, decode
from schemas.events import Event
from schemas.fields import parse_instant
from services.common.collector import settle_collector
from services.common.errors import UserError
from services.common.settings import read_settings
from services.rules.backtest import Backtest, Found, summary
from services.rules.books import SHIPPED, assemble, parse_overrides, read_files, read_rules
from services.rules.calendar import Calendar, Micros, micros
from services.rules.checking import check_files, report
from services.rules.compiling import Rule
from services.rules.definition import BadRule

MAX_COMPLAINTS = 10
"""Refused events told one by one; the rest are counted."""


@click.command()
@click.option("--events", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--until", help="The day (its end) or instant to look at. Default: the end of the last event's day.")
@click.option("--rules", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Rule files.")
@click.option("--set", "settings", multiple=True, metavar="RULE.PARAM=VALUE", help="Another value for a parameter.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def backtest(file: Path, until: str | None, folder: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Replay past events (JSON lines) through the rules and report the episodes that they find.

    The order of the lines and repeated lines make no difference. Events later than --until are left out.
    """
    zone = read_settings(os.environ).zone
    calendar = Calendar(zone)
    rules = _rules(folder or SHIPPED, settings)
    stop = None if until is None else _until(until, calendar)
    run = Backtest(assemble(rules, zone, None))
    settle_collector()
    bad_lines = _feed(run, file, stop)
    if bad_lines and not run.offset:
        raise UserError(f"none of {len(bad_lines)} lines of {file} is an event of a customer; {bad_lines[0]}")
    run.advance(_end_of_day(run.clock, calendar) if stop is None else stop)
    episodes = run.episodes()
    if as_json:
        click.echo(_document(rules, run, episodes, bad_lines))
    else:
        _print_table(rules, episodes)
    _complain(run, bad_lines)


def _rules(folder: Path, settings: tuple[str, ...]) -> list[Rule]:
    try:
        return read_rules(folder, parse_overrides(list(settings)))
    except BadRule as error:
        raise UserError("\n".join(error.problems)) from error
    except ValueError as error:
        raise UserError(str(error)) from error


def _until(text: str, calendar: Calendar) -> Micros:
    try:
        if len(text) == 10:
            return calendar.start_of_day(date.fromisoformat(text).toordinal() + 1) - 1
        return micros(parse_instant(text))
    except ValueError as error:
        raise UserError(f"--until: {error}") from error


def _end_of_day(at: Micros, calendar: Calendar) -> Micros:
    return calendar.start_of_day(calendar.day_of(at) + 1) - 1 if at > 0 else at


def _feed(run: Backtest, file: Path, stop: Micros | None) -> list[str]:
    bad = []
    for number, event in _read(file):
        if isinstance(event, InvalidEvent):
            bad.append(f"{file.name}:{number}: {event.message}")
        elif stop is None or micros(event.time) <= stop:
            run.feed(event)
    return bad


def _read(file: Path) -> Iterator[tuple[int, Event | InvalidEvent]]:
    """Each line's event, or what is wrong with it, with a progress bar by bytes when somebody watches."""
    console = Console(stderr=True)
    with file.open("rb") as lines, Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("replaying", total=file.stat().st_size)
        for number, line in enumerate(lines, start=1):
            progress.advance(task, len(line))
            if not line.strip():
                continue
            try:
                yield number, decode(line)
            except InvalidEvent as error:
                yield number, error


def _document(rules: list[Rule], run: Backtest, episodes: list[Found], bad_lines: list[str]) -> str:
    found = [
        {
            "rule": one.rule,
            "customer_id": one.customer_id,
            "subject": one.subject,
            "start": one.start,
            "end": one.end,
            "severity": one.severity,
            "run": one.run,
            "evidence": list(one.evidence),
        }
        for one in episodes
    ]
    document = {
        "rules": summary(_announcing(rules), episodes),
        "episodes": found,
        "until": datetime.fromtimestamp(run.clock / 1_000_000, UTC).isoformat() if run.offset else None,
        "events": run.offset,
        "refused": len(run.refused) + len(bad_lines),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _announcing(rules: list[Rule]) -> list[tuple[str, str]]:
    """The rules that find episodes, by id and name: classes and scores find none."""
    return [(rule.id, rule.definition.name.en) for rule in rules if not rule.definition.judges]


def _print_table(rules: list[Rule], episodes: list[Found]) -> None:
    table = Table("rule", "name", "customers", "episodes")
    counts = summary(_announcing(rules), episodes)
    for rule, found in counts.items():
        table.add_row(rule, str(found["name"]), str(found["customers"]), str(found["episodes"]))
    Console().print(table)


def _complain(run: Backtest, bad_lines: list[str]) -> None:
    complaints = bad_lines + [f"{error.source} {error.event_id}: {error.message}" for error in run.refused]
    for complaint in complaints[:MAX_COMPLAINTS]:
        click.echo(f"refused: {complaint}", err=True)
    if len(complaints) > MAX_COMPLAINTS:
        click.echo(f"refused: {len(complaints) - MAX_COMPLAINTS} more", err=True)


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(folder: Path | None, strict: bool, as_json: bool) -> None:
    """Check the rule files of FOLDER (default: the shipped rulebook) and run their examples.

    Each problem is told as file:line: what is wrong: what to write instead. Warnings fail only with --strict.
    """
    files, unread = read_files(folder or SHIPPED)
    checked = check_files(files, {}, unread, read_settings(os.environ).horizon_months, bounds=True)
    failed = bool(checked.problems or (strict and checked.warnings))
    if as_json:
        click.echo(orjson.dumps(report(checked, len(files)), option=orjson.OPT_INDENT_2).decode())
    else:
        for problem in checked.problems:
            click.echo(problem, err=True)
        for warning in checked.warnings:
            click.echo(f"warning: {warning}", err=True)
        if not checked.problems:
            click.echo(f"{len(files)} rules and {checked.examples} examples are right")
    if failed:
        sys.exit(1)
