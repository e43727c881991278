"""PURE: whether a ledger is still what was written: which rows were rewritten, removed, inserted, moved or cut off.

Rows are fed one after another and forgotten; what is kept is what is wrong. A row that fits its own hash says at which
place it was written, so rows that were renumbered tell what went before them. Who can rewrite every row, and the record
of the chain's end, makes a chain that fits: that is what the anchors on the topic are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import orjson

from services.notifier.chain import GENESIS, Head, Row, digest, linked


class Trouble(StrEnum):
    """What happened to rows; the same word in the report, in the exit and in tests."""

    REWRITTEN = "rewritten"
    REMOVED = "removed"
    INSERTED = "inserted"
    MOVED = "moved"
    TRUNCATED = "truncated"
    END_REWRITTEN = "end_rewritten"
    MADE_ANEW = "made_anew"
    NOT_AS_TOLD = "not_as_told"
    MISSING_ON_TOPIC = "missing_on_topic"
    TWICE_ON_TOPIC = "twice_on_topic"
    TABLE_DIFFERS = "table_differs"
    PRIVATE_DIFFERS = "private_differs"
    PRIVATE_MISSING = "private_missing"


class Span(NamedTuple):
    """From and up to, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class Finding:
    """Something wrong with the rows from `first` to `last`; `says` tells more, for people."""

    trouble: Trouble
    first: int
    last: int
    says: str = ""

    def __str__(self) -> str:
        rows = f"row {self.first}" if self.first == self.last else f"rows {self.first} to {self.last}"
        return f"{self.trouble}: {rows}{': ' if self.says else ''}{self.says}"


@dataclass
class ChainCheck:
    """Feed all rows in the order of their sequence, then ask for the findings."""

    count: int = 0
    _at: int = 0
    _hash: str = GENESIS
    _trusted: bool = True
    """Whether the row before is where it was written, as it was written."""
    _gaps: list[Span] = field(default_factory=list)
    _rewritten: list[Span] = field(default_factory=list)
    _moved: list[tuple[Span, int]] = field(default_factory=list)
    """Columns, and by how much they are beyond where their rows were written."""

    def feed(self, row: Row) -> bool:
        """Whether the row is where it was written, as it was written."""
        self.count += 1
        follows = row.sequence == self._at + 1
        if not follows:
            self._gaps.append(Span(self._at + 1, row.sequence - 1))
        place = _written_as(row)
        if place is None:
            _add(self._rewritten, row.sequence)
        elif place != row.sequence:
            self._note_moved(row.sequence, row.sequence - place)
        elif follows and self._trusted and row.previous != self._hash:
            # It fits itself, and remembers another one before it.
            _add(self._rewritten, max(row.sequence - 1, 1))
        self._at, self._hash, self._trusted = row.sequence, row.hash, place == row.sequence
        return self._trusted

    def findings(self, head: Head) -> list[Finding]:
        """All that is wrong, in the order of the rows."""
        columns = [span for span, _ in self._moved]
        numbers = sorted(Span(span.first - by, span.last - by) for span, by in self._moved)
        there = minus([Span(1, self._at)], self._gaps)
        inserted = meet(minus(numbers, columns), there)
        beyond = minus([Span(head.sequence + 1, self._at)], columns)
        removed = meet(minus(merged([*self._gaps, *columns]), numbers), [Span(1, head.sequence)])
        cut = minus([Span(self._at + 1, head.sequence)], numbers)
        rewritten = minus(minus(merged(self._rewritten), inserted), beyond)
        found = [
            *_told(Trouble.REWRITTEN, rewritten),
            *_told(Trouble.REMOVED, removed),
            *_told(Trouble.INSERTED, merged([*inserted, *beyond])),
            *(_displaced(span, by) for span, by in self._moved),
            *_told(Trouble.TRUNCATED, cut),
        ]
        if self._at == head.sequence and self._trusted and self._hash != head.hash:
            says = "the chain's own record of its last row has another hash"
            found.append(Finding(Trouble.END_REWRITTEN, self._at, self._at, says))
        return sorted(found, key=lambda finding: (finding.first, finding.trouble))

    def _note_moved(self, column: int, by: int) -> None:
        if self._moved and self._moved[-1][1] == by and self._moved[-1][0].last == column - 1:
            self._moved[-1] = (Span(self._moved[-1][0].first, column), by)
        else:
            self._moved.append((Span(column, column), by))


def _written_as(row: Row) -> int | None:
    """Where the row was written; None when it is not as it was written."""
    if row.hash != linked(row.previous, digest(row.body)):
        return None
    try:
        said = orjson.loads(row.body)
    except orjson.JSONDecodeError:
        return None
    place = said.get("sequence") if isinstance(said, dict) else None
    return place if isinstance(place, int) else None


def _displaced(span: Span, by: int) -> Finding:
    first, last = span.first - by, span.last - by
    was = f"number {first}" if first == last else f"numbers {first} to {last}"
    return Finding(Trouble.MOVED, span.first, span.last, f"written as {was}")


def _told(trouble: Trouble, spans: Iterable[Span]) -> list[Finding]:
    return [Finding(trouble, span.first, span.last) for span in spans]


def _add(spans: list[Span], number: int) -> None:
    if spans and spans[-1].last >= number - 1:
        spans[-1] = Span(spans[-1].first, max(number, spans[-1].last))
    else:
        spans.append(Span(number, number))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Sorted, with those joined that touch or overlap; empty ones (first beyond last) left out."""
    found: list[Span] = []
    for span in sorted(spans):
        if span.first > span.last:
            continue
        if found and span.first <= found[-1].last + 1:
            found[-1] = Span(found[-1].first, max(found[-1].last, span.last))
        else:
            found.append(span)
    return found


def minus(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What of the spans is in none of the others."""
    away = merged(others)
    bounds = [0, *(edge for span in away for edge in (span.first, span.last)), 2**63]
    # Between the others: up to the first, from each to the next, and from the last on.
    free = [Span(low + 1, high - 1) for low, high in list(pairwise(bounds))[::2]]
    return meet(spans, free)


def meet(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """What of the spans is in one of the others."""
    mine, theirs = merged(spans), merged(others)
    found, at = [], 0
    for span in mine:
        while at < len(theirs) and theirs[at].last < span.first:
            at += 1
        for other in theirs[at:]:
            if other.first > span.last:
                break
            found.append(Span(max(span.first, other.first), min(span.last, other.last)))
    return found
