"""Rankings of customers by a measure, as they come in parts, kept small. PURE.

Ten measures of 100,000 customers for three years are 36 million figures: so a customer's name is kept once, and a
ranking is a row of numbers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b
from math import isnan, nan
from typing import NamedTuple

import orjson

from schemas.reference import RanksPublished
from services.rules.calendar import Micros, micros

MAX_RANKINGS = 40
"""Of one measure: three years of months and a little more."""


class Ranking(NamedTuple):
    """All customers' places by a measure at `as_of`: percentile 0 (last) to 1 (first), and what is said of some."""

    as_of: Micros
    percentiles: Mapping[str, Decimal]
    notes: Mapping[str, str]


class Part(NamedTuple):
    """One part of a ranking. `rows` are places in Names, `figures` the percentiles of those; `digest` is of it all."""

    measure: str
    as_of: Micros
    part: int
    parts: int
    rows: array[int]
    figures: array[float]
    notes: dict[str, str]
    digest: bytes


class Names:
    """Customer ids by number: each is kept once, however many rankings name it."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def part(self, data: RanksPublished) -> Part:
        """The event's data, kept small."""
        rows = array("I", [self.rows.setdefault(name, len(self.rows)) for name in data.percentiles])
        figures = array("d", data.percentiles.values())
        said = orjson.dumps([data.percentiles, data.notes], option=orjson.OPT_SORT_KEYS)
        digest = blake2b(said, digest_size=8).digest()
        notes = dict(data.notes)
        return Part(data.measure, micros(data.as_of), data.part, data.parts, rows, figures, notes, digest)


class Percentiles(Mapping[str, Decimal]):
    """The percentile of every ranked customer. Exactly what was written in the event: 0.1 is Decimal("0.1")."""

    def __init__(self, names: Names, parts: list[Part]) -> None:
        self._names = names
        self._figures = array("d", [nan]) * (1 + max((row for part in parts for row in part.rows), default=-1))
        for part in parts:
            for row, figure in zip(part.rows, part.figures, strict=True):
                self._figures[row] = figure

    def __getitem__(self, customer_id: str) -> Decimal:
        row = self._names.rows[customer_id]
        figure = self._figures[row] if row < len(self._figures) else nan
        if isnan(figure):
            raise KeyError(customer_id)
        return Decimal(repr(figure))

    def __iter__(self) -> Iterator[str]:
        return (
            name for name, row in self._names.rows.items() if row < len(self._figures) and not isnan(self._figures[row])
        )

    def __len__(self) -> int:
        return sum(not isnan(figure) for figure in self._figures)


class Complete(NamedTuple):
    """The parts of one ranking, by number, all there."""

    as_of: Micros
    parts: list[Part]

    @property
    def digest(self) -> bytes:
        """Of all that it says."""
        return b"".join(part.digest for part in self.parts)


def complete(parts: list[Part]) -> Complete | None:
    """Of the parts of one source, measure and instant, newest first: the ranking, or None while one is missing.

    A ranking that was published again in fewer parts has left some of its older ones behind: the newest part says how
    many there are.
    """
    wanted = parts[0].parts
    found: dict[int, Part] = {}
    for part in parts:
        if part.parts == wanted:
            found.setdefault(part.part, part)
    if set(found) != set(range(wanted)):
        return None
    return Complete(parts[0].as_of, [found[number] for number in range(wanted)])


def ranking_of(names: Names, found: Complete) -> Ranking:
    """The parts joined. A customer whom two parts name has the place that the later part gives."""
    notes = {customer_id: note for part in found.parts for customer_id, note in part.notes.items()}
    return Ranking(found.as_of, Percentiles(names, found.parts), notes)
