"""Rankings of all customers by what they buy, and the events that publish them. PURE.

A percentile is the share of the other ranked customers that are not above: 0 for the last, 1 for the first, and ties
get the higher. It is rounded down, so that nobody reaches a threshold by rounding.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from schemas.events import PREFIX
from services.rules.calendar import Calendar, Day
from services.rules.reference import Reference
from services.rules.reports.customer import Customer, day_of
from services.rules.reports.query import months_before

MONTHS = 12
LONGER_MONTHS = 24
"""For the option of R16, what customers ordered within two years."""
CURRENCY = "CNY"
CONTRIBUTION = "R26"
"""The class rule whose classes are compared for cross-selling."""

MAX_PART = 5_000
MAX_PART_BYTES = 700_000
"""Of the names and notes in one event, whose JSON must stay below 900 kB."""

PLACES = 10**6
MONEY_UNIT = 10**4
"""Money is ranked to the ten-thousandth."""

SOURCE = "bellwether-ranks"


@dataclass
class Ranked:
    """A figure of each customer that a measure ranks, by the customer's number; the greater the better."""

    rows: array[int] = field(default_factory=lambda: array("I"))
    figures: array[int] = field(default_factory=lambda: array("q"))

    def add(self, row: int, figure: int) -> None:
        self.rows.append(row)
        self.figures.append(figure)


@dataclass(frozen=True)
class Ranking:
    """The places of one measure by customer, and what is said of some of them."""

    measure: str
    percentiles: Mapping[str, float]
    notes: Mapping[str, str]


class Rankings:
    """Takes customers one by one; keeps a few numbers of each.

    The 12 months, and the 24, end with the last day that had begun before `as_of`. Ranked by order amount and margin is
    who has ever ordered by then; by recency, frequency and monetary value who ordered in the 12 months. Money is in CNY
    at the rate of the day of the order; without a rate, or without the cost of an order, the customer has no place: its
    figure is not known.
    """

    def __init__(self, as_of: datetime, calendar: Calendar, reference: Reference) -> None:
        self._calendar = calendar
        self._until = day_of(as_of - datetime.resolution, calendar)
        self._since = months_before(self._until, MONTHS)
        self._since_longer = months_before(self._until, LONGER_MONTHS)
        self._reference = reference
        self._ids: list[str] = []
        self._measures = {name: Ranked() for name in MEASURES}
        self._classes: dict[str, Like] = defaultdict(Like)
        self._lines: dict[frozenset[str], frozenset[str]] = {}
        self.left_out: Counter[str] = Counter()

    def days(self) -> tuple[Day, Day]:
        """The days whose counters are read."""
        return self._since_longer, self._until

    def add(self, customer: Customer) -> None:
        """Takes a customer in; each once."""
        row = len(self._ids)
        self._ids.append(customer.snapshot.customer_id)
        bought = _Bought(customer, self._since, self._until, self._reference)
        first = customer.snapshot.orders.first
        if first is not None and day_of(first, self._calendar) <= self._until:
            self._rank("order_amount_12m", row, bought.amount)
            self._rank("margin_12m", row, bought.margin)
            longer = _Bought(customer, self._since_longer, self._until, self._reference)
            self._rank("order_amount_24m", row, longer.amount)
        if bought.orders:
            self._measures["rfm_recency"].add(row, bought.last_day)
            self._measures["rfm_frequency"].add(row, bought.orders)
            self._rank("rfm_monetary", row, bought.amount)
        found = customer.snapshot.classes.get(CONTRIBUTION)
        if found is not None and found.value is not None:
            # Most customers buy one of few combinations: each set is kept once.
            lines = self._lines.setdefault(bought.lines, bought.lines)
            self._classes[found.value].add(row, lines)

    def _rank(self, measure: str, row: int, amount: Decimal | None) -> None:
        if amount is None:
            self.left_out[measure] += 1
        else:
            self._measures[measure].add(row, int((amount * MONEY_UNIT).to_integral_value()))

    def results(self) -> Iterator[Ranking]:
        """All rankings, those by figures first."""
        for measure, ranked in self._measures.items():
            places = zip(ranked.rows, percentiles(ranked.figures), strict=True)
            yield Ranking(measure, {self._ids[row]: place for row, place in places}, {})
        yield self._cross_sell()

    def _cross_sell(self) -> Ranking:
        shares: dict[str, float] = {}
        notes: dict[str, str] = {}
        for name in sorted(self._classes):
            for row, share, line in self._classes[name].lacking():
                shares[self._ids[row]] = share
                notes[self._ids[row]] = line
        return Ranking("cross_sell", shares, notes)


MEASURES = ("order_amount_12m", "order_amount_24m", "margin_12m", "rfm_recency", "rfm_frequency", "rfm_monetary")


class Like:
    """Customers of one class, and the product lines that each bought."""

    def __init__(self) -> None:
        self._rows = array("I")
        self._lines: list[frozenset[str]] = []
        self._buyers: Counter[str] = Counter()

    def add(self, row: int, lines: frozenset[str]) -> None:
        self._rows.append(row)
        self._lines.append(lines)
        self._buyers.update(lines)

    def lacking(self) -> Iterator[tuple[int, float, str]]:
        """For each customer that lacks a line which others buy: the line that most do, and the share of the class that
        buys it. Of equal ones the first by name."""
        popular = sorted(self._buyers, key=lambda line: (-self._buyers[line], line))
        for row, lines in zip(self._rows, self._lines, strict=True):
            line = next((one for one in popular if one not in lines), None)
            if line is not None:
                yield row, rounded_down(self._buyers[line], len(self._rows)), line


class _Bought:
    """What a customer bought in some days. `amount` and `margin` are None where they are not known in CNY."""

    def __init__(self, customer: Customer, since: Day, until: Day, reference: Reference) -> None:
        self.amount: Decimal | None = Decimal(0)
        self.margin: Decimal | None = Decimal(0)
        self.orders = 0
        self.last_day = 0
        lines: set[str] = set()
        for day, count in customer.counts(since, until, "order", "order_margin", "order_without_cost", "order_line"):
            if count.kind == "order_line":
                lines.add(count.product_line or "")
            elif count.kind == "order_without_cost":
                self.margin = None
            else:
                rate = reference.rate(count.currency or "", CURRENCY, day)
                worth = None if rate is None or count.amount is None else rate * count.amount
                if count.kind == "order":
                    self.amount = _plus(self.amount, worth)
                    self.orders += count.n
                    self.last_day = max(self.last_day, day)
                else:
                    self.margin = _plus(self.margin, worth)
        self.lines = frozenset(lines)


def _plus(total: Decimal | None, worth: Decimal | None) -> Decimal | None:
    return None if total is None or worth is None else total + worth


def percentiles(figures: Sequence[int]) -> Iterator[float]:
    """For each figure the share of the other ones that are not above it; 1 for one that is alone."""
    ordered = sorted(figures)
    for figure in figures:
        yield rounded_down(bisect_right(ordered, figure) - 1, len(ordered) - 1) if len(ordered) > 1 else 1.0


def rounded_down(part: int, whole: int) -> float:
    """part / whole to six places, never more than it is."""
    return part * PLACES // whole / PLACES


def published(rankings: Iterator[Ranking], as_of: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    """The `ranks.published` events: documents for the codec, the parts of a ranking one after the other.

    `as_of` is cut to the second: no finer are rankings told apart. `now` makes a repeated run the newer word.
    """
    as_of = as_of.replace(microsecond=0)
    for ranking in rankings:
        parts = list(_parts(ranking))
        for number, names in enumerate(parts):
            yield {
                "specversion": "1.0",
                "id": f"{ranking.measure}-{as_of:%Y%m%dT%H%M%S%z}-{number}-{now.timestamp():.6f}",
                "source": SOURCE,
                "type": f"{PREFIX}ranks.published",
                "time": now.isoformat(),
                "data": {
                    "measure": ranking.measure,
                    "as_of": as_of.isoformat(),
                    "part": number,
                    "parts": len(parts),
                    "percentiles": {name: ranking.percentiles[name] for name in names},
                    "notes": {name: ranking.notes[name] for name in names if name in ranking.notes},
                },
            }


def _parts(ranking: Ranking) -> Iterator[list[str]]:
    """The customers in the order of their ids, in parts; one empty part when nobody is ranked."""
    part: list[str] = []
    size = 0
    for name in sorted(ranking.percentiles):
        note = ranking.notes.get(name)
        entry_bytes = len(name.encode()) + 16 + (len(name.encode()) + 2 * len(note.encode()) + 8 if note else 0)
        if len(part) == MAX_PART or size + entry_bytes > MAX_PART_BYTES:
            yield part
            part, size = [], 0
        part.append(name)
        size += entry_bytes
    yield part
