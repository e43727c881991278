"""How far an import is, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.ingest.imports.chunks import SHOWN, RejectedRow, Summary
from services.ingest.imports.comparing import Difference

LINE_EVERY_S = 5.0

Report = Callable[[int, Summary], None]


@contextmanager
def reporting(total_bytes: int, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """Yields what to call with the bytes read and the summary so far."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(total_bytes, monotonic)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("reading", total=max(total_bytes, 1))

        def report(done_bytes: int, summary: Summary) -> None:
            bar.update(task, completed=done_bytes, description=_counts(summary))

        yield report


def print_summary(summary: Summary, rejects: str, verb: str) -> None:
    """The outcome in words, with the first refused rows."""
    if summary.resumed_after:
        click.echo(f"went on after row {summary.resumed_after}, where an earlier run was cut off", err=True)
    click.echo(
        f"{summary.rows} rows read, {summary.events} events {verb}, {summary.rejected_rows} rows rejected", err=True
    )
    for row in summary.rejected:
        click.echo(_sentence(row), err=True)
    if summary.rejected_rows > len(summary.rejected):
        click.echo(f"  ... and {summary.rejected_rows - len(summary.rejected)} more", err=True)
    if summary.rejected_rows:
        click.echo(f"the rejected rows are in {rejects}; mend them there and import that file", err=True)


class ShownRejects:
    """A dry run keeps nothing: every refused row is said at once."""

    def add(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        """Say it."""
        click.echo(_sentence(rejected), err=True)

    def flush(self) -> None:
        """Nothing is kept."""

    def finish(self) -> None:
        """Nothing is kept."""


def print_dry_run(summary: Summary, events: Sequence[bytes]) -> None:
    """The first events on stdout, a line each, and the counts on stderr."""
    for event in events:
        click.echo(event.decode())
    made = f"{summary.events} events made of them, nothing sent"
    click.echo(f"{summary.rows} rows read, {made}, {summary.rejected_rows} rows rejected", err=True)


def print_difference(difference: Difference) -> None:
    """What a list came to against the one before, with the first items that are missing."""
    counts = f"{difference.new} new, {difference.changed} changed, {difference.settled} settled, {difference.back} back"
    click.echo(f"{counts}, {len(difference.missing)} missing of which nothing is said", err=True)
    for item in difference.missing[:SHOWN]:
        click.echo(f"  missing: {item}", err=True)
    if len(difference.missing) > SHOWN:
        click.echo(f"  ... and {len(difference.missing) - SHOWN} more", err=True)


def _sentence(row: RejectedRow) -> str:
    column = f", column {row.column}" if row.column else ""
    return f"  row {row.number}{column}: {row.reason}"


def _lines(total_bytes: int, monotonic: Callable[[], float]) -> Report:
    started = last = monotonic()

    def report(done_bytes: int, summary: Summary) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            share = 100 * done_bytes // max(total_bytes, 1)
            click.echo(f"{_counts(summary)}, {share} % of the file in {now - started:.0f} s", err=True)

    return report


def _counts(summary: Summary) -> str:
    return f"{summary.rows} rows, {summary.events} events, {summary.rejected_rows} rejected"
