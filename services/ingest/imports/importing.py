"""An import from start to end: read rows, make events, hand them on, keep what was refused."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.privacy import redact
from services.ingest.imports.mapping import Mapping
from services.ingest.imports.reading import Row
from services.ingest.imports.rows import BadRow, Target, row_events
from services.ingest.imports.sending import Outgoing, Sent, batches

SHOWN = 20
"""Refused rows that the summary lists; all of them are in the file."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that did not become events, or whose events ingest refused."""

    number: int
    column: str
    reason: str


@dataclass(slots=True)
class Summary:
    """What an import came to. `rejected` holds the first SHOWN of `rejected_rows`."""

    rows: int = 0
    events: int = 0
    rejected_rows: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)


class Sink(Protocol):
    """Where events go: ingest, or a file."""

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Take the batch in; returns when it is safe there."""


class JsonLines:
    """Writes events as JSON lines."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Write one line for each event."""
        self._write(b"".join(event.body + b"\n" for event in batch))
        return Sent(accepted=len(batch))


class RejectFile:
    """FILE.rejected.csv: row, column, reason and the cells as they were, but without resident-ID numbers.

    It is made with the first refused row. It has the export's columns too, so it can be mended and imported as it is.
    Until `finish` it is a draft beside: somebody may be mending the one of an earlier run, and this run may not come to
    its end.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self._draft = path.with_name(path.name + ".part")
        self._header = header
        self._draft.unlink(missing_ok=True)

    def finish(self) -> None:
        """The run is done: what it refused takes the place of what an earlier one did, also when it is nothing."""
        if self._draft.exists():
            self._draft.replace(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def add(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        """Keep a row. The draft is complete after every call, whatever happens next."""
        new = not self._draft.exists()
        # surrogateescape writes bytes that were no text back as they were.
        with self._draft.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["rejected_row", "rejected_column", "rejected_reason", *map(redact, self._header)])
            writer.writerow([rejected.number, rejected.column, rejected.reason, *map(redact, cells)])


Maker = Callable[[Row], list[bytes]]
"""A row to the JSON of its events; raises BadRow."""


def by_mapping(mapping: Mapping, header: Sequence[str], target: Target) -> Maker:
    """Events as the mapping says."""

    def make(row: Row) -> list[bytes]:
        if row.problem is not None:
            raise BadRow("", row.problem)
        cells = dict(zip(header, row.cells, strict=True))
        return [orjson.dumps(document) for document in row_events(mapping, cells, target)]

    return make


def from_json_line(history: bool) -> Maker:
    """The event that stands on the line, as another import or `bellwether sample` wrote it."""

    def make(row: Row) -> list[bytes]:
        body = row.cells[0].encode("utf-8", "surrogateescape")
        try:
            codec.decode(body)
        except InvalidEvent as problem:
            raise BadRow("", problem.message) from None
        return [orjson.dumps({**orjson.loads(body), "history": True}) if history else body]

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

    def __init__(self, file: RowSource, make: Maker, sink: Sink, rejects: RejectFile) -> None:
        self._file = file
        self._make = make
        self._sink = sink
        self._rejects = rejects
        self._held: dict[int, Sequence[str]] = {}
        self.summary = Summary()

    def run(self, progress: Callable[[int, Summary], None]) -> Summary:
        """Import every row. `progress` gets the bytes read so far. Raises what the sink raises."""
        for batch in batches(self._events()):
            self._hand_on(batch)
            progress(self._file.bytes_read, self.summary)
        progress(self._file.bytes_read, self.summary)
        self._rejects.finish()
        return self.summary

    def _events(self) -> Iterator[Outgoing]:
        for row in self._file.rows():
            self.summary.rows += 1
            try:
                bodies = self._make(row)
            except BadRow as bad:
                self._reject(RejectedRow(row.number, bad.column, bad.reason), row.cells)
                continue
            if bodies:
                # Kept until ingest has answered, in case it refuses one.
                self._held[row.number] = row.cells
            for body in bodies:
                yield Outgoing(row.number, body)

    def _hand_on(self, batch: Sequence[Outgoing]) -> None:
        sent = self._sink.send(batch)
        self.summary.events += sent.accepted
        reasons: dict[int, list[str]] = {}
        for refused in sent.rejected:
            reasons.setdefault(refused.row, []).append(refused.reason)
        for number, why in reasons.items():
            self._reject(RejectedRow(number, "", "; ".join(why)), self._held[number])
        # A row's events are never in two batches; what is held beyond belongs to the next one.
        self._held = {number: cells for number, cells in self._held.items() if number > batch[-1].row}

    def _reject(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        rejected = RejectedRow(rejected.number, rejected.column, redact(rejected.reason))
        self.summary.rejected_rows += 1
        if len(self.summary.rejected) < SHOWN:
            self.summary.rejected.append(rejected)
        self._rejects.add(rejected, cells)
