"""What happened with a customer, counted by day: the facts behind a month's counters. PURE.

Each event is counted on the company day on which it is true, for who did it where that was said and else for the
customer's owner of that day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from schemas.customers import Count, Counted
from services.rules.calendar import Day, Micros, Month, first_day
from services.rules.dealings import CLOSED, ZERO, Deal, Line, Order, Owners, fields, newest, total_margin
from services.rules.entries import Entry
from services.rules.ledger import receipts
from services.rules.state import CustomerState

NOT_REACHED = frozenset({"unreached", "no_answer", "voicemail", "bounced"})
VISITS = frozenset({"visit", "exec_visit"})
PROMOTER_FROM, PASSIVE_FROM = 9, 7
HUNDREDTH = Decimal("0.01")


class What(NamedTuple):
    """The key of a count. `day` is an ordinal."""

    day: Day
    kind: Counted
    owner: str | None
    currency: str | None = None
    product_line: str | None = None
    campaign: str | None = None
    channel: str | None = None
    stage: str | None = None


Fact = tuple[What, Decimal | None]
"""Something that happened once, and what it came to."""


@dataclass(frozen=True)
class Tallies:
    """Where the facts come from. The lists are sorted by when they are true."""

    state: CustomerState
    owners: Owners
    orders: list[Order]
    deals: list[Deal]
    leads: list[Entry]


def count_month(seen: Tallies, since: Day, until: Day) -> list[Count]:
    """The counts of the days from `since` up to, not including, `until`, in the order of their keys."""
    found: dict[What, tuple[int, Decimal | None]] = {}
    for what, amount in _facts(seen, since, until):
        n, total = found.get(what, (0, None))
        found[what] = (n + 1, total if amount is None else (total or ZERO) + amount)
    return [
        Count(
            day=what.day - since + 1,
            kind=what.kind,
            n=n,
            owner=what.owner,
            amount=total,
            currency=what.currency,
            product_line=what.product_line,
            campaign=what.campaign,
            channel=what.channel,
            stage=what.stage,
        )
        for what, (n, total) in sorted(found.items(), key=lambda pair: [str(part or "") for part in pair[0]])
    ]


def _facts(seen: Tallies, since: Day, until: Day) -> Iterator[Fact]:
    start_of_day = seen.state.calendar.start_of_day
    span = (start_of_day(since), start_of_day(until))
    yield from _orders(seen, *span)
    yield from _deals(seen, *span)
    yield from _leads(seen, *span)
    yield from _activities(seen, *span)
    yield from _money(seen, *span)
    yield from _voices(seen, *span)


def _within(items: list[Entry], since: Micros, until: Micros) -> list[Entry]:
    first = bisect_left(items, since, key=lambda item: item.at)
    return items[first : bisect_left(items, until, lo=first, key=lambda item: item.at)]


def _orders(seen: Tallies, since: Micros, until: Micros) -> Iterator[Fact]:
    for order in seen.orders:
        if not since <= order.at < until:
            continue
        day = seen.state.calendar.day_of(order.at)
        owner = seen.owners.on(day)
        yield What(day, "order", owner, order.currency, campaign=order.campaign), order.amount
        if order.margin is None:
            yield What(day, "order_without_cost", owner), None
        else:
            yield What(day, "order_margin", owner, order.currency), order.margin
        for name, lines in _by_product_line(order).items():
            amount = sum((line.amount for line in lines), ZERO)
            yield What(day, "order_line", owner, order.currency, name), amount
            margin = total_margin(lines)
            if margin is not None:
                yield What(day, "order_line_margin", owner, order.currency, name), margin


def _by_product_line(order: Order) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in order.lines:
        if line.product_line is not None:
            found.setdefault(line.product_line, []).append(line)
    return found


def _deals(seen: Tallies, since: Micros, until: Micros) -> Iterator[Fact]:
    day_of = seen.state.calendar.day_of
    for deal in seen.deals:
        for visit in deal.visits:
            if since <= visit.entered < until:
                day = day_of(visit.entered)
                yield What(day, "stage", deal.owner or seen.owners.on(day), stage=visit.stage), None
        if deal.stage in CLOSED and since <= deal.visits[-1].entered < until:
            day = day_of(deal.visits[-1].entered)
            kind: Counted = "opportunity_won" if deal.stage == "won" else "opportunity_lost"
            yield What(day, kind, deal.owner or seen.owners.on(day), deal.currency), deal.amount


def _leads(seen: Tallies, since: Micros, until: Micros) -> Iterator[Fact]:
    for item in _within(seen.leads, since, until):
        day, data = seen.state.calendar.day_of(item.at), fields(item)
        owner = data.get("owner") or seen.owners.on(day)
        yield What(day, "lead", owner, campaign=data.get("campaign"), channel=data.get("channel")), None


def _activities(seen: Tallies, since: Micros, until: Micros) -> Iterator[Fact]:
    for item in _within(seen.state.items("activity.logged"), since, until):
        data = fields(item)
        if data.get("automated"):
            continue
        day = seen.state.calendar.day_of(item.at)
        owner, channel = data.get("by") or seen.owners.on(day), data.get("channel")
        is_call = data["kind"] == "call" or channel == "phone"
        if is_call and data.get("direction", "outbound") == "outbound":
            yield What(day, "call", owner), None
        if data.get("outcome", "reached") in NOT_REACHED:
            continue
        yield What(day, "contact", owner), None
        if data["kind"] in VISITS or channel == "onsite":
            yield What(day, "visit", owner), None


def _money(seen: Tallies, since: Micros, until: Micros) -> Iterator[Fact]:
    state = seen.state
    for item in receipts(state):
        data = fields(item)
        day = int(data["value_date"])
        if since <= state.calendar.start_of_day(day) < until:
            yield What(day, "receipt", seen.owners.on(day), data["currency"]), Decimal(data["amount"])
    for item in newest(state.items("contract.signed"), "contract_id"):
        if since <= item.at < until:
            data, day = fields(item), state.calendar.day_of(item.at)
            value = Decimal(data["value"]) if "value" in data and "currency" in data else None
            currency = None if value is None else data["currency"]
            yield What(day, "contract", seen.owners.on(day), currency), value


def _voices(seen: Tallies, since: Micros, until: Micros) -> Iterator[Fact]:
    """Surveys, the marks of closed service cases, and complaints."""
    state = seen.state
    for item in _within(state.items("survey.answered"), since, until):
        data, day = fields(item), state.calendar.day_of(item.at)
        owner = seen.owners.on(day)
        if "satisfaction" in data:
            yield What(day, "satisfaction", owner), points(data["satisfaction"], data.get("scale", 5))
        if "nps" in data:
            yield What(day, _nps_kind(data["nps"]), owner), None
    for item in newest(state.items("service_case.closed"), "case_id"):
        if since <= item.at < until and "score" in fields(item):
            day = state.calendar.day_of(item.at)
            yield What(day, "service_score", seen.owners.on(day)), points(fields(item)["score"], 5)
    for item in newest(state.items("feedback.raised"), "feedback_id"):
        if since <= item.at < until and fields(item).get("kind") == "complaint":
            day = state.calendar.day_of(item.at)
            yield What(day, "complaint", seen.owners.on(day)), None


def points(mark: float, scale: int) -> Decimal:
    """A mark on 1 to `scale` as 0 (worst) to 100 (best), to the hundredth."""
    share = (Decimal(str(mark)) - 1) / (scale - 1)
    return (100 * min(max(share, ZERO), Decimal(1))).quantize(HUNDREDTH)


def _nps_kind(mark: int) -> Counted:
    if mark >= PROMOTER_FROM:
        return "nps_promoter"
    return "nps_passive" if mark >= PASSIVE_FROM else "nps_detractor"


COUNTED_EVENTS = (
    "activity.logged",
    "contract.signed",
    "feedback.raised",
    "lead.created",
    "opportunity.stage_changed",
    "order.placed",
    "payment.received",
    "service_case.closed",
    "survey.answered",
)


def months_with_counts(state: CustomerState) -> list[Month]:
    """The months in which something happened that may be counted, in order."""
    calendar = state.calendar
    months: set[Month] = set()
    for kind in COUNTED_EVENTS:
        items, index = state.items(kind), 0
        while index < len(items):
            month = calendar.month_of(items[index].at)
            months.add(month)
            # From month to month: a customer with 100,000 activities has 36 of those.
            end = calendar.start_of_day(first_day(month + 1))
            index = bisect_left(items, end, lo=index + 1, key=lambda item: item.at)
    return sorted(months)


RETOLD: dict[str, tuple[str, str]] = {
    "contract.signed": ("contract.signed", "contract_id"),
    "feedback.raised": ("feedback.raised", "feedback_id"),
    "lead.created": ("lead.created", "lead_id"),
    "opportunity.stage_changed": ("opportunity.stage_changed", "opportunity_id"),
    "order.cancelled": ("order.placed", "order_id"),
    "order.placed": ("order.placed", "order_id"),
    "payment.received": ("payment.received", "payment_id"),
    "payment.reversed": ("payment.received", "payment_id"),
    "service_case.closed": ("service_case.closed", "case_id"),
}
"""Of which events and by which business id an event of a kind changes what is counted."""


def months_touched(state: CustomerState, learned: Iterable[Entry]) -> set[Month]:
    """The months whose counters may have changed when the state learned of these events, after it did.

    A month that began before what the state still keeps is left as it was written: the state no longer has all of it.
    """
    touched: set[Month] = set()
    for entry in learned:
        for item in _bound_to(state, entry):
            touched |= _touched_by(state, item)
    return {month for month in touched if state.calendar.start_of_month(month) >= state.head.kept_from}


def _bound_to(state: CustomerState, entry: Entry) -> list[Entry]:
    """The event and all that corrections bind it to: any of them may stand now or have stood before."""
    bound = next((chain for chain in state.known.chains() if entry.key in chain), None)
    if bound is None:
        return [entry]
    return [found for found in map(state.find, bound) if found is not None]


def _touched_by(state: CustomerState, item: Entry) -> set[Month]:
    own = state.calendar.month_of(item.at)
    if item.kind == "customer.owner_changed":
        # Every later day has another owner now.
        return {month for month in months_with_counts(state) if month >= own}
    touched = {own} if item.kind in COUNTED_EVENTS else set()
    if item.kind in RETOLD and item.data is not None:
        kind, name = RETOLD[item.kind]
        wanted = item.data[name]
        touched |= {state.calendar.month_of(one.at) for one in state.items(kind) if fields(one)[name] == wanted}
    return touched
