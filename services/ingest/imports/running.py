"""Wires an import together: the file, the mapping, where the events go, and what is remembered of it."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from schemas.topics import Topics
from services.common.clock import Now
from services.common.database import Database
from services.common.kafka_connection import Address
from services.ingest.imports.chunks import Maker, Summary
from services.ingest.imports.comparing import Difference
from services.ingest.imports.grouping import grouped
from services.ingest.imports.importing import (
    Book,
    Import,
    JsonLines,
    NoBook,
    RowSource,
    Sink,
    by_mapping,
    from_json_line,
)
from services.ingest.imports.mapping import Mapping
from services.ingest.imports.reading import BadFile, Row, open_csv, open_lines
from services.ingest.imports.rejects import RejectFile, Rejects
from services.ingest.imports.rows import BadRow, Target, template
from services.ingest.imports.sending import Sender
from services.ingest.imports.snapshots import Kept, SnapshotImport, Wanted, list_name
from services.ingest.imports_store import ImportBook, KeptList
from services.ingest.sealing_keeping import Keeper
from services.ingest.treating import Treatment

WORKBOOKS = (".xlsx", ".xlsm")
EVENT_LINES = ".jsonl"

Tell = Callable[[str], object]
Report = Callable[[int, Summary], None]


@dataclass(frozen=True)
class Job:
    """One file as it was asked to be taken in. Without a `mapping` it holds one event a line."""

    file: Path
    mapping: Mapping | None
    history: bool
    source: str | None
    encoding: str | None
    zone: ZoneInfo

    @property
    def target(self) -> Target:
        """What holds for every event. Only of a job with a mapping."""
        assert self.mapping is not None, "lines of events say their source themselves"
        return Target(self.zone, self.source or self.mapping.source, self.history)

    @property
    def way(self) -> str:
        """Names how the file is read, at most 64 characters: another mapping, or a changed one, is another import."""
        parts = [self.mapping.model_dump_json() if self.mapping else "", self.source, self.history, self.encoding]
        digest = hashlib.sha256(repr([*parts, str(self.zone)]).encode()).hexdigest()[:12]
        return f"{self.mapping.name if self.mapping else 'events'}:{digest}"


def take_in(
    job: Job, sink: Sink, rejects: Callable[[Sequence[str], Book], Rejects], book: Book, show: Report
) -> Summary:
    """Import the file. Raises BadFile, NotSent."""
    with ExitStack() as stack:
        rows, make, titles = _opened(job, stack)
        return Import(rows, make, sink, rejects(titles, book), book).run(show)


def beside(file: Path) -> Callable[[Sequence[str], Book], RejectFile]:
    """Refused rows go to FILE.rejected.csv."""
    path = file.with_name(f"{file.name}.rejected.csv")
    return lambda titles, book: RejectFile(path, titles, book.mark.row, book.mark.rejected)


def digest_of(file: Path) -> str:
    """SHA-256 of the content, in hexadecimal digits. Raises BadFile."""
    try:
        with file.open("rb") as binary:
            return hashlib.file_digest(binary, "sha256").hexdigest()
    except OSError as error:
        raise BadFile(f"{file} cannot be read: {error.strerror}") from None


def book_of(job: Job, database: Database, now: Now) -> ImportBook:
    """Where it is noted how far this file is."""
    return ImportBook(database, digest_of(job.file), job.way, job.file.name, now)


def no_book() -> Book:
    """Of imports that begin anew each time."""
    return NoBook()


def take_in_snapshot(
    job: Job,
    day: date,
    force: bool,
    sink: Sink,
    rejects: Callable[[Sequence[str], Book], Rejects],
    kept: Kept,
    show: Report,
) -> tuple[Summary, Difference]:
    """Compare the file with the list before, and send what changed. Raises BadFile, NotSent, SnapshotRefused."""
    assert job.mapping is not None, "the mapping says what names an item"
    wanted = Wanted(job.mapping, job.target, day, force)
    with ExitStack() as stack:
        table = _table(job, job.mapping, stack)
        run = SnapshotImport(table, wanted, sink, rejects(table.titles, NoBook()), kept)
        return run.run(show)


def kept_list(job: Job, database: Database) -> Kept:
    """Where the list before is kept. Raises BadMapping for a mapping that is not for lists."""
    assert job.mapping is not None, "the mapping names the list"
    return KeptList(database, list_name(job.mapping, job.target), digest_of(job.file))


def _opened(job: Job, stack: ExitStack) -> tuple[RowSource, Maker, Sequence[str]]:
    if job.mapping is None:
        lines = stack.enter_context(open_lines(job.file))
        return lines, from_json_line(job.history), lines.titles
    table = _table(job, job.mapping, stack)
    source = Grouped(table, job.mapping.group_by) if job.mapping.group_by is not None else table
    return source, by_mapping(job.mapping, table.header, job.target, table.titles), table.titles


def _table(job: Job, mapping: Mapping, stack: ExitStack) -> Table:
    if job.file.suffix.lower() in WORKBOOKS:
        # Only here: openpyxl is slow to import.
        from services.ingest.imports.workbook import open_workbook

        return stack.enter_context(open_workbook(job.file, mapping))
    return stack.enter_context(open_csv(job.file, mapping, job.encoding))


class Table(RowSource, Protocol):
    """A file with titles, and its header in the mapping's names."""

    @property
    def titles(self) -> Sequence[str]:
        """As they stand in the file."""

    @property
    def header(self) -> Sequence[str]:
        """The mapping's names for them."""


class Grouped:
    """A table whose rows belong together where a template gives the same."""

    def __init__(self, table: Table, group_by: str) -> None:
        self._table = table
        self._template = template(group_by, table.header)

    @property
    def bytes_read(self) -> int:
        """Position in the file."""
        return self._table.bytes_read

    def rows(self) -> Iterator[Row]:
        """The groups."""
        return grouped(self._table.rows(), self._key)

    def _key(self, cells: Sequence[str]) -> str:
        try:
            return self._template(cells)
        except BadRow as bad:
            raise bad.as_titled(self._table.header, self._table.titles) from None


@dataclass(frozen=True)
class Way:
    """Where events go: through ingest's door at `url`, or, without one, straight to the broker. `keeper` keeps the
    keys by which the treatments seal."""

    url: str | None
    kafka: Address
    topics: Topics
    treatments: Sequence[Treatment] = ()
    key: str | None = None
    keeper: Keeper | None = None


@contextmanager
def sink_of(way: Way, tell: Tell) -> Iterator[Sink]:
    """A sink for one file. Raises NotSent where it cannot be had."""
    if way.url is None:
        from services.ingest.imports.direct import broker_sink

        with broker_sink(way.kafka, way.topics, way.treatments, way.keeper) as sink:
            yield sink
        return
    # A proxy that the environment names is for what is elsewhere.
    headers = {"Authorization": f"Bearer {way.key}"} if way.key else {}
    with httpx.Client(trust_env=not is_loopback(way.url), headers=headers) as client:
        yield Sender(client, way.url, tell=tell)


@contextmanager
def lines_sink(to: Path) -> Iterator[Sink]:
    """A file of JSON lines. Raises BadFile."""
    # Renamed when it is whole: a file of that name is never half an import.
    draft = to.with_name(to.name + ".part")
    try:
        file = draft.open("wb")
    except OSError as error:
        raise BadFile(f"{to} cannot be written: {error.strerror}") from error
    with file:
        yield JsonLines(file.write)
    draft.replace(to)


def is_loopback(url: str) -> bool:
    """Whether the address is one of this machine's own."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
