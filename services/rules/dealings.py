"""A customer's orders, deals and owners, each put together from the events that tell of it. PURE.

A cancellation makes the order smaller on the day on which it was placed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.sales import CLOSED_STAGES
from services.rules.calendar import Calendar, Day, Micros
from services.rules.entries import Entry

ZERO = Decimal(0)
BEFORE_ALL: Day = date(1970, 1, 1).toordinal()
"""Since when the first known owner has been the owner."""


class Line(NamedTuple):
    """What is left of an order line; `margin` is None where its cost is not known."""

    product_line: str | None
    quantity: Decimal
    amount: Decimal
    margin: Decimal | None


@dataclass(frozen=True)
class Order:
    """An order net of cancellations."""

    order_id: str
    at: Micros
    currency: str
    campaign: str | None
    lines: tuple[Line, ...]

    @property
    def amount(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def quantity(self) -> Decimal:
        return sum((line.quantity for line in self.lines), ZERO)

    @property
    def product_lines(self) -> list[str]:
        """Of what it is made, each once, by name."""
        return sorted({line.product_line for line in self.lines if line.product_line is not None})

    @property
    def margin(self) -> Decimal | None:
        """Σ over the lines; None while the cost of one is not known."""
        return total_margin(self.lines)


def total_margin(lines: Iterable[Line]) -> Decimal | None:
    """Σ of the margins, None when one of them is not known."""
    margins = [line.margin for line in lines]
    return None if None in margins else sum((margin for margin in margins if margin is not None), ZERO)


class Visit(NamedTuple):
    """A stage in which a deal was."""

    stage: str
    entered: Micros
    left: Micros | None


@dataclass(frozen=True)
class Deal:
    """An opportunity with its stages, oldest first; the other fields are the newest that were said."""

    id: str
    visits: tuple[Visit, ...]
    owner: str | None
    lead_id: str | None
    amount: Decimal | None
    currency: str | None
    close_day: Day | None

    @property
    def stage(self) -> str:
        return self.visits[-1].stage

    @property
    def closed_at(self) -> Micros | None:
        """When it was won or lost; None while it is open."""
        return self.visits[-1].entered if self.stage in CLOSED_STAGES else None


def fields(item: Entry) -> dict[str, Any]:
    """The event's data; a standing item always has some."""
    return item.data or {}


def order_of(placed: Entry, cancellations: Iterable[Entry]) -> Order | None:
    """The order as it was placed, less what was cancelled; None when nothing is left."""
    data = fields(placed)
    lines = _lines_left(data, cancellations)
    if not lines:
        return None
    return Order(data["order_id"], placed.at, data["currency"], data.get("campaign"), lines)


def _lines_left(order: dict[str, Any], cancellations: Iterable[Entry]) -> tuple[Line, ...]:
    off: dict[str, Decimal] = {}
    for item in cancellations:
        lines = fields(item).get("lines")
        if lines is None:
            return ()
        for line in lines:
            off[line["product_id"]] = off.get(line["product_id"], ZERO) + Decimal(line["quantity"])
    left = []
    for line in order["lines"]:
        quantity = Decimal(line["quantity"])
        taken = min(quantity, off.get(line["product_id"], ZERO))
        if taken:
            off[line["product_id"]] -= taken
        if quantity > taken:
            left.append(_line(line, quantity - taken))
    return tuple(left)


def _line(line: dict[str, Any], quantity: Decimal) -> Line:
    price, cost = Decimal(line["unit_price"]), line.get("unit_cost")
    margin = None if cost is None else quantity * (price - Decimal(cost))
    return Line(line.get("product_line"), quantity, quantity * price, margin)


def deals_of(steps: Iterable[Entry]) -> list[Deal]:
    """The opportunities that these changes of stage, oldest first, tell of."""
    told: defaultdict[str, list[Entry]] = defaultdict(list)
    for step in steps:
        told[str(fields(step)["opportunity_id"])].append(step)
    return [_deal(name, of_it) for name, of_it in told.items()]


def _deal(name: str, steps: list[Entry]) -> Deal:
    entered: list[tuple[str, Micros]] = []
    for step in steps:
        # The same stage reported again is no new visit.
        if not entered or entered[-1][0] != fields(step)["to"]:
            entered.append((fields(step)["to"], step.at))
    ends: list[Micros | None] = [*(at for _, at in entered[1:]), None]
    amount, currency = _newest_amount(steps)
    return Deal(
        id=name,
        visits=tuple(Visit(stage, at, end) for (stage, at), end in zip(entered, ends, strict=True)),
        owner=_last_said(steps, "owner"),
        lead_id=_last_said(steps, "lead_id"),
        amount=amount,
        currency=currency,
        close_day=_last_said(steps, "close_date"),
    )


def _newest_amount(steps: list[Entry]) -> tuple[Decimal | None, str | None]:
    """An amount counts only together with the currency of the same step."""
    for step in reversed(steps):
        data = fields(step)
        if "amount" in data and "currency" in data:
            return Decimal(data["amount"]), data["currency"]
    return None, None


def _last_said(items: Iterable[Entry], field: str) -> Any:
    """The value of the newest item that has the field."""
    value = None
    for item in items:
        value = fields(item).get(field, value)
    return value


@dataclass(frozen=True)
class Owners:
    """Whose customer it was: each owner with the first day, oldest first."""

    since: Sequence[tuple[Day, str]]

    def on(self, day: Day) -> str | None:
        """The owner of a day; None where nobody told."""
        index = bisect_right(self.since, day, key=lambda pair: pair[0])
        return self.since[index - 1][1] if index else None

    @property
    def newest(self) -> str | None:
        return self.since[-1][1] if self.since else None


def owners_of(changes: Sequence[Entry], calendar: Calendar) -> Owners:
    """The newest of these changes of owner, oldest first, up to the end of a day counts for all of the day. Before the
    first change it was whoever that one names as the old owner."""
    newest = {calendar.day_of(item.at): str(fields(item)["new"]) for item in changes}
    before = fields(changes[0]).get("old") if changes else None
    return Owners([*([(BEFORE_ALL, str(before))] if before else []), *sorted(newest.items())])


def profile_value(updates: Sequence[Entry], field: str) -> str | None:
    """What these updates of the archive, oldest first, say of a field, whatever its section. As a text; None when it
    was cleared or never said."""
    for item in reversed(updates):
        said = fields(item).get("fields", {})
        if field in said:
            return str(said[field])[:200] if said[field] not in (None, "") else None
    return None
