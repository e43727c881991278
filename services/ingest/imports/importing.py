"""An import from start to end: read rows, make events, hand them on, keep what was refused, note how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import orjson

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.events import Retraction
from schemas.privacy import redact
from services.ingest.imports.chunks import (
    CHUNK_EVENTS,
    SHOWN,
    Chunk,
    Maker,
    Outgoing,
    RejectedRow,
    Sent,
    Summary,
    chunks,
)
from services.ingest.imports.mapping import Mapping
from services.ingest.imports.reading import Row
from services.ingest.imports.rejects import Rejects
from services.ingest.imports.rows import BadRow, Group, Target, row_maker

NOTE_EVERY_ROWS = 5000
"""An import that is cut off does so many rows again, and what was under way."""


class Sink(Protocol):
    """Where events go: ingest, the broker, or a file."""

    @property
    def batch_events(self) -> int:
        """How many at once are worth it."""

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Take the batch in; returns when it is safe there. Called on a thread of its own, once at a time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far an import is: the last row of which everything is safe, and the counts up to there."""

    row: int = 0
    rows: int = 0
    events: int = 0
    rejected: int = 0


class Book(Protocol):
    """Remembers how far an import is, so that one that is cut off goes on from there."""

    @property
    def mark(self) -> Mark:
        """How far it was when this run began."""

    def note(self, mark: Mark) -> None:
        """It is so far now."""

    def done(self, mark: Mark) -> None:
        """It has come to its end."""


class NoBook:
    """For runs that begin anew each time."""

    mark = Mark()

    def note(self, mark: Mark) -> None:
        """Nothing is kept."""

    def done(self, mark: Mark) -> None:
        """Nothing is kept."""


class JsonLines:
    """Writes events as JSON lines."""

    batch_events = CHUNK_EVENTS

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Write one line for each event."""
        self._write(b"".join(event.body + b"\n" for event in batch))
        return Sent(accepted=len(batch))


class FirstFew:
    """A dry run: keeps the first SHOWN events, and counts the others."""

    batch_events = CHUNK_EVENTS

    def __init__(self) -> None:
        self.first: list[bytes] = []

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Send nothing."""
        self.first += [event.body for event in batch[: SHOWN - len(self.first)]]
        return Sent(accepted=len(batch))


def by_mapping(mapping: Mapping, header: Sequence[str], target: Target, titles: Sequence[str] | None = None) -> Maker:
    """Events as the mapping says. Of what is refused columns are told as the file calls them, by its `titles`."""
    make_row = row_maker(mapping, header, target)

    def make(row: Row) -> list[Outgoing]:
        if row.problem is not None:
            raise BadRow("", row.problem)
        cells = Group([part.cells for part in row.together]) if mapping.group_by else row.cells
        try:
            return [Outgoing(row.number, made.body, made.event) for made in make_row(cells)]
        except BadRow as bad:
            raise bad.as_titled(header, titles or header) from None

    return make


def from_json_line(history: bool) -> Maker:
    """The event that stands on the line, as another import or `bellwether sample` wrote it."""

    def make(row: Row) -> list[Outgoing]:
        line = row.cells[0].encode("utf-8", "surrogateescape")
        try:
            if len(line) > codec.MAX_EVENT_BYTES:
                codec.decode(line)
            document = codec.loads(line)
            if history and isinstance(document, dict):
                document["history"] = True
            event = codec.parse(document)
        except InvalidEvent as problem:
            raise BadRow("", problem.message) from None
        # As it was written, or, where it has fields that nobody knows, as its model writes it.
        plain = not isinstance(event, Retraction) and not codec.unknown_fields(document, event)
        body = orjson.dumps({"specversion": "1.0", **document}) if plain else codec.encode(event)
        return [Outgoing(row.number, body, event)]

    return make


class RowSource(Protocol):
    """A file that is read row by row."""

    @property
    def bytes_read(self) -> int:
        """Position in the file."""

    def rows(self) -> Iterator[Row]:
        """Its rows in order."""


class Import:
    """One run over one file."""

    def __init__(self, file: RowSource, make: Maker, sink: Sink, rejects: Rejects, book: Book | None = None) -> None:
        self._file = file
        self._make = make
        self._sink = sink
        self._rejects = rejects
        self._book: Book = book or NoBook()
        begun = self._book.mark
        self._noted = self._mark = begun
        self.summary = Summary(begun.rows, begun.events, begun.rejected, resumed_after=begun.row)

    def run(self, progress: Callable[[int, Summary], None]) -> Summary:
        """Import every row. `progress` gets the bytes read so far. Raises what the sink raises."""
        # One chunk is on its way while the next is made; never two, so that a customer's events keep their order.
        under_way: tuple[Chunk, Future[Sent]] | None = None
        with ThreadPoolExecutor(1, "import-sender") as sender:
            for chunk in chunks(self._rows(), self._make, self._sink.batch_events):
                if under_way is not None:
                    self._settle(*under_way)
                    progress(self._file.bytes_read, self.summary)
                under_way = chunk, sender.submit(self._send, chunk)
            if under_way is not None:
                self._settle(*under_way)
        progress(self._file.bytes_read, self.summary)
        self._rejects.flush()
        # Before the draft gets its name: cut off between the two, the next run finds nothing left to do, and not half.
        self._book.note(self._mark)
        self._rejects.finish()
        self._book.done(self._mark)
        return self.summary

    def _rows(self) -> Iterator[Row]:
        after = self._mark.row
        return (row for row in self._file.rows() if row.together[-1].number > after)

    def _send(self, chunk: Chunk) -> Sent:
        return self._sink.send(chunk.events) if chunk.events else Sent()

    def _settle(self, chunk: Chunk, answer: Future[Sent]) -> None:
        sent = answer.result()
        for rejected, cells in chunk.all_refused(sent):
            self._reject(RejectedRow(rejected.number, rejected.column, redact(rejected.reason)), cells)
        self.summary.rows += chunk.rows
        self.summary.events += sent.accepted
        counts = self.summary
        self._mark = Mark(chunk.last_row, counts.rows, counts.events, counts.rejected_rows)
        if self._mark.rows - self._noted.rows >= NOTE_EVERY_ROWS:
            # First what was refused, then that it is done: the other way round a row could be lost in between.
            self._rejects.flush()
            self._book.note(self._mark)
            self._noted = self._mark

    def _reject(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        self.summary.rejected_rows += 1
        if len(self.summary.rejected) < SHOWN:
            self.summary.rejected.append(rejected)
        self._rejects.add(rejected, cells)
