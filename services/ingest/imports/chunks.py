"""PURE the rows of a file in chunks: what one of them is sent as, and what was refused of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from schemas.events import Event
from services.ingest.imports.reading import Row
from services.ingest.imports.rows import BadRow

CHUNK_EVENTS = 500
CHUNK_BYTES = 2 * 1024 * 1024
CHUNK_ROWS = 5000
"""Also where nothing is to be sent: so often it is noted how far an import is."""


SHOWN = 20
"""Refused rows that the summary lists, and events that a dry run shows; all refused rows are in the file."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One valid event, with the row that it comes from and its JSON."""

    row: int
    body: bytes
    event: Event


@dataclass(frozen=True, slots=True)
class Rejected:
    """What ingest refused of a row."""

    row: int
    reason: str


@dataclass(slots=True)
class Sent:
    """What became of one chunk's events."""

    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that did not become events, or whose events ingest refused."""

    number: int
    column: str
    reason: str


@dataclass(slots=True)
class Summary:
    """What an import came to. `rejected` holds the first SHOWN of `rejected_rows`. `resumed_after`: rows up to there
    were done by a run before; the counts are of all runs together."""

    rows: int = 0
    events: int = 0
    rejected_rows: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)
    resumed_after: int = 0


Maker = Callable[[Row], list[Outgoing]]
"""A row to its events; raises BadRow."""


@dataclass(slots=True)
class Chunk:
    """Some rows on end. `kept` are rows with events: kept until ingest has answered, in case it refuses one."""

    rows: int = 0
    last_row: int = 0
    size: int = 0
    events: list[Outgoing] = field(default_factory=list)
    kept: dict[int, Row] = field(default_factory=dict)
    refused: list[tuple[RejectedRow, Sequence[str]]] = field(default_factory=list)

    def add(self, row: Row, events: list[Outgoing], size: int) -> None:
        """A row that became events, or none."""
        self._count(row)
        self.events += events
        self.size += size
        if events:
            self.kept[row.number] = row

    def refuse(self, row: Row, bad: BadRow) -> None:
        """A row that became nothing."""
        self._count(row)
        self.refused += _refused(row, bad.column, bad.reason)

    def all_refused(self, sent: Sent) -> list[tuple[RejectedRow, Sequence[str]]]:
        """The rows refused here, and those of which ingest refused something, in order."""
        reasons: dict[int, list[str]] = {}
        for rejected in sent.rejected:
            reasons.setdefault(rejected.row, []).append(rejected.reason)
        theirs = [row for number, why in reasons.items() for row in _refused(self.kept[number], "", "; ".join(why))]
        return sorted(self.refused + theirs, key=lambda refused: refused[0].number)

    def _count(self, row: Row) -> None:
        self.rows += len(row.together)
        self.last_row = row.together[-1].number


def _refused(row: Row, column: str, reason: str) -> list[tuple[RejectedRow, Sequence[str]]]:
    return [(RejectedRow(part.number, column, reason), part.cells) for part in row.together]


def chunks(
    rows: Iterable[Row], make: Maker, max_events: int = CHUNK_EVENTS, max_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """Group rows, in order, within the bounds: the events of a row stay together."""
    chunk = Chunk()
    for row in rows:
        try:
            events = make(row)
        except BadRow as bad:
            chunk.refuse(row, bad)
            events, size = [], 0
        else:
            size = sum(len(event.body) + 1 for event in events)
            if events and chunk.events and (len(chunk.events) >= max_events or chunk.size + size > max_bytes):
                yield chunk
                chunk = Chunk()
            chunk.add(row, events, size)
        if chunk.rows >= CHUNK_ROWS:
            yield chunk
            chunk = Chunk()
    if chunk.rows:
        yield chunk
