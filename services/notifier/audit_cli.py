"""`bellwether audit`: whether the database still says what happened, and the proof of one case."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import click
from sqlalchemy.exc import DatabaseError

from services.common.clock import clock_from
from services.common.database import Database
from services.common.errors import UserError
from services.common.settings import Settings, read_settings
from services.notifier.auditing import Audit, Tell
from services.notifier.exported import Line

FOUND = 3
"""The exit code when something is wrong with the ledger; 1 is for what kept it from being looked at."""

SHOWN = 50

LATE = timedelta(minutes=3)
"""The notifier anchors what is a minute old, and the topic has it seconds later."""

WHO_ANCHORS = "does a notifier run, and does Kafka take what it sends?"


class NoLedger(UserError):
    """The database cannot be read, or is older than the ledger."""


class NotExported(UserError):
    """A file that is no export of a case."""


@click.group()
def audit() -> None:
    """What was decided and delivered: verify that nobody rewrote it, and export one case with its proof."""


@audit.command()
@click.option("--kafka", is_flag=True, help="Hold it against the topic of cases too: finds a chain that was made anew.")
def verify(kafka: bool) -> None:
    """Verify the whole ledger, and the tables beside it. Exit code 0: nothing was rewritten; 3: something was."""
    from services.notifier.audit_reading import case_events
    from services.notifier.auditing import verify as look

    settings = read_settings(os.environ)
    database = _database(settings)
    read = (lambda: case_events(settings.kafka, settings.topics.cases)) if kafka else None
    with _progress() as tell:
        found = look(database, tell, read)
    for line in report(found, clock_from(settings.clock)()):
        click.echo(line)
    if found.findings:
        sys.exit(FOUND)


def report(found: Audit, now: datetime) -> Iterator[str]:
    """In lines for people."""
    for finding in found.findings[:SHOWN]:
        yield str(finding)
    if len(found.findings) > SHOWN:
        yield f"and {len(found.findings) - SHOWN} more"
    yield f"{found.rows} rows, the last one {found.head.sequence} with hash {found.head.hash}"
    if found.erased:
        yield f"{found.erased} sealed fields were erased, each with a row that says why"
    if found.records is None:
        yield "not held against the topic: a chain that somebody made anew would fit itself (--kafka)"
    else:
        yield f"{found.records} records of the topic confirm it up to row {found.anchored}"
        yield from _behind(found, now)
    yield f"{len(found.findings)} things are wrong" if found.findings else "nothing was rewritten"


def _behind(found: Audit, now: datetime) -> Iterator[str]:
    """Rows that could still be cut off unnoticed."""
    if found.unanchored_since is None:
        return
    waited = now - found.unanchored_since
    says = (
        f"{found.head.sequence - found.anchored} rows of the last {waited.total_seconds():.0f} s are not anchored yet"
    )
    yield says + (f": {WHO_ANCHORS}" if waited > LATE else "")


@audit.command()
@click.argument("case_id")
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="A file.  [default: standard output]")
@click.option("--text", is_flag=True, help="For people to read, instead of JSON Lines with the proofs.")
@click.option(
    "--without-private", is_flag=True, help="Leave out what seals stand for: notes, addresses, providers' words."
)
def export(case_id: str, to: Path | None, text: bool, without_private: bool) -> None:
    """Write the rows of one case, each with the proof that it stands where it stood."""
    from services.notifier.audit_export import export as rows_of
    from services.notifier.exported import to_json, to_text

    settings = read_settings(os.environ)
    database = _database(settings)
    with database.snapshot() as tx:
        lines = [
            to_text(line, settings.zone) if text else to_json(line)
            for line in rows_of(tx, case_id, private=not without_private)
        ]
    if to is None:
        click.echo("\n".join(lines))
        return
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")
    click.echo(f"{len(lines)} rows of case {case_id} in {to}")


@audit.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--kafka", is_flag=True, help="Look the anchors up on the topic of cases.")
def check(file: Path, kafka: bool) -> None:
    """Check an exported case without the database. Exit code 0: every line proves itself; 3: one does not."""
    from services.notifier.exported import from_json, problems, together

    lines: list[Line] = []
    wrong: list[str] = []
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = from_json(text)
            wrong += [f"line {number}, row {line.row.sequence}: {problem}" for problem in problems(line)]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotExported(f"{file}, line {number}: not a line of `bellwether audit export`") from None
        lines.append(line)
    wrong += together(lines)
    if kafka:
        wrong += _unanchored(read_settings(os.environ), lines)
    for problem in wrong:
        click.echo(problem)
    unproved = sum(line.path is None for line in lines)
    click.echo(f"{len(lines)} rows" + (f", of {unproved} the way to an anchor is left out" if unproved else ""))
    if wrong:
        sys.exit(FOUND)


def _unanchored(settings: Settings, lines: list[Line]) -> list[str]:
    """Anchors of which the topic does not know, or knows otherwise."""
    from services.notifier.audit_reading import case_events

    events = case_events(settings.kafka, settings.topics.cases)
    known = {event.ledger.sequence: event.ledger.hash for event in events if event.ledger}
    anchors = sorted({(line.anchor.sequence, line.anchor.hash) for line in lines})
    return [f"the topic has not row {number} with that hash" for number, its in anchors if known.get(number) != its]


def _database(settings: Settings) -> Database:
    """As it is: looking must not change it, so it is not migrated."""
    from services.notifier import ledger
    from services.notifier.tables import open_database

    database = open_database(settings.database_url)
    try:
        with database.reading() as tx:
            ledger.head(tx)
    except DatabaseError as error:
        why = type(error).__name__
        raise NoLedger(f"the database has no ledger ({why}): `bellwether notifier migrate` makes it") from None
    return database


@contextmanager
def _progress() -> Iterator[Tell | None]:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=0, label="rows", file=sys.stderr) as bar:

        def tell(done: int, of: int) -> None:
            bar.length = max(of, done)
            bar.update(done - bar.pos)

        yield tell
