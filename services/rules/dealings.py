"""A customer's orders, deals, leads and owners, each put together from the events that tell of it. PURE.

Systems may report the same order, lead or contract twice: the newest word on a business id counts. A cancellation makes
the order smaller on the day on which it was placed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from services.rules.calendar import Day, Micros
from services.rules.entries import Entry
from services.rules.state import CustomerState

ZERO = Decimal(0)
CLOSED = frozenset({"won", "lost"})


class Line(NamedTuple):
    """What is left of an order line; `margin` is None where its cost is not known."""

    product_line: str | None
    amount: Decimal
    margin: Decimal | None


@dataclass(frozen=True)
class Order:
    """An order net of cancellations; one that was cancelled whole is none."""

    order_id: str
    at: Micros
    currency: str
    campaign: str | None
    lines: tuple[Line, ...]

    @property
    def amount(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

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
        return self.visits[-1].entered if self.stage in CLOSED else None


def newest(items: Iterable[Entry], field: str) -> list[Entry]:
    """The item that counts for each business id, by when it is true."""
    found: dict[str, Entry] = {}
    for item in items:
        name = str(fields(item)[field])
        known = found.get(name)
        if known is None or (known.time, known.key) < (item.time, item.key):
            found[name] = item
    return sorted(found.values(), key=lambda item: item.order)


def fields(item: Entry) -> dict[str, Any]:
    """The event's data; a standing item always has some."""
    return item.data or {}


def net_orders(state: CustomerState) -> list[Order]:
    """All orders of which something is left, oldest first."""
    cancelled: dict[str, list[Entry]] = {}
    for item in state.items("order.cancelled"):
        cancelled.setdefault(fields(item)["order_id"], []).append(item)
    orders = []
    for item in newest(state.items("order.placed"), "order_id"):
        lines = _lines_left(fields(item), cancelled.get(fields(item)["order_id"], []))
        if lines:
            data = fields(item)
            orders.append(Order(data["order_id"], item.at, data["currency"], data.get("campaign"), lines))
    return orders


def _lines_left(order: dict[str, Any], cancellations: list[Entry]) -> tuple[Line, ...]:
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
    return Line(line.get("product_line"), quantity * price, margin)


def deals(state: CustomerState) -> list[Deal]:
    """All opportunities, by when they began."""
    steps: dict[str, list[Entry]] = {}
    for item in state.items("opportunity.stage_changed"):
        steps.setdefault(fields(item)["opportunity_id"], []).append(item)
    found = [_deal(name, items) for name, items in steps.items()]
    return sorted(found, key=lambda deal: (deal.visits[0].entered, deal.id))


def _deal(name: str, steps: list[Entry]) -> Deal:
    entered: list[tuple[str, Micros]] = []
    for step in steps:
        # The same stage reported again is no new visit.
        if not entered or entered[-1][0] != fields(step)["to"]:
            entered.append((fields(step)["to"], step.at))
    ends: list[Micros | None] = [at for _, at in entered[1:]]
    visits = tuple(Visit(stage, at, end) for (stage, at), end in zip(entered, ends + [None], strict=True))
    amount, currency = _newest_amount(steps)
    return Deal(
        id=name,
        visits=visits,
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


class Owners:
    """Whose customer it was: the newest change of owner up to the end of a day counts for all of the day."""

    def __init__(self, state: CustomerState) -> None:
        self.since: list[tuple[Day, str]] = []
        for item in state.items("customer.owner_changed"):
            day = state.calendar.day_of(item.at)
            if self.since and self.since[-1][0] == day:
                self.since.pop()
            self.since.append((day, fields(item)["new"]))

    def on(self, day: Day) -> str | None:
        """The owner of a day; None before the first one."""
        index = bisect_right(self.since, day, key=lambda pair: pair[0])
        return self.since[index - 1][1] if index else None

    @property
    def newest(self) -> str | None:
        return self.since[-1][1] if self.since else None


def profile_value(state: CustomerState, field: str) -> str | None:
    """The newest value of a profile field in whatever section, as a text; None when cleared or never said."""
    value = None
    for item in state.items("profile.updated"):
        value = fields(item).get("fields", {}).get(field, value)
    return str(value)[:200] if value not in (None, "") else None
