"""Wires an import together: the file, the mapping, where the events go, and what is shown meanwhile."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click
import httpx

from services.ingest.imports.importing import (
    Import,
    JsonLines,
    Maker,
    RejectFile,
    RowSource,
    Sink,
    Summary,
    by_mapping,
    from_json_line,
)
from services.ingest.imports.mapping import Mapping
from services.ingest.imports.progress import print_summary, reporting
from services.ingest.imports.reading import BadFile, open_csv, open_lines
from services.ingest.imports.rows import Target
from services.ingest.imports.sending import Sender


@dataclass(frozen=True)
class Job:
    """One import as it was asked for. Without a `mapping` the file holds one event a line."""

    file: Path
    mapping: Mapping | None
    to: Path | None
    history: bool
    url: str
    source: str | None
    encoding: str | None
    zone: ZoneInfo


def run_import(job: Job) -> Summary:
    """Import the file, showing progress and the summary. Raises BadFile, NotSent."""
    with ExitStack() as stack:
        rows, make, header = _opened(job, stack)
        rejects = RejectFile(job.file.with_name(f"{job.file.name}.rejected.csv"), header)
        sink = stack.enter_context(_sink(job))
        report = stack.enter_context(reporting(job.file.stat().st_size))
        summary = Import(rows, make, sink, rejects).run(report)
    print_summary(summary, str(rejects.path), "written" if job.to else "accepted")
    return summary


def _opened(job: Job, stack: ExitStack) -> tuple[RowSource, Maker, list[str]]:
    if job.mapping is None:
        lines = stack.enter_context(open_lines(job.file))
        return lines, from_json_line(job.history), list(lines.header)
    table = stack.enter_context(open_csv(job.file, job.mapping, job.encoding))
    target = Target(job.zone, job.source or job.mapping.source, job.history)
    return table, by_mapping(job.mapping, table.header, target), table.header


@contextmanager
def _sink(job: Job) -> Iterator[Sink]:
    if job.to is None:
        # A proxy that the environment names is for what is elsewhere.
        with httpx.Client(trust_env=not is_loopback(job.url)) as client:
            yield Sender(client, job.url, tell=lambda sentence: click.echo(sentence, err=True))
        return
    # Renamed when it is whole: a file of that name is never half an import.
    draft = job.to.with_name(job.to.name + ".part")
    try:
        file = draft.open("wb")
    except OSError as error:
        raise BadFile(f"{job.to} cannot be written: {error.strerror}") from error
    with file:
        yield JsonLines(file.write)
    draft.replace(job.to)


def is_loopback(url: str) -> bool:
    """Whether the address is one of this machine's own."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
