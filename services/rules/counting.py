"""What happened with a customer, counted by day. PURE.

Each event is counted on the company day on which it is true, for who did it where that was said and else for the
customer's owner of that day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from schemas.customers import Count, Counted
from schemas.sales import CLOSED_STAGES
from services.rules.calendar import Calendar, Day, Month, first_day, month_of_day
from services.rules.dealings import ZERO, Deal, Line, Order, Owners, fields, total_margin
from services.rules.entries import Entry

NOT_REACHED = frozenset({"unreached", "no_answer", "voicemail", "bounced"})
VISITS = frozenset({"visit", "exec_visit"})
PROMOTER_FROM, PASSIVE_FROM = 9, 7
HUNDREDTH = Decimal("0.01")


class What(NamedTuple):
    """The key of a count. `day` is an ordinal; `owner` is None where nobody said who did it."""

    day: Day
    kind: Counted
    owner: str | None = None
    currency: str | None = None
    product_line: str | None = None
    campaign: str | None = None
    channel: str | None = None
    stage: str | None = None


Fact = tuple[What, Decimal | None]
"""Something that happened once, and what it came to."""


def order_facts(order: Order, calendar: Calendar) -> Iterator[Fact]:
    """The order, its margin, and both by product line."""
    day = calendar.day_of(order.at)
    yield What(day, "order", None, order.currency, campaign=order.campaign), order.amount
    if order.margin is None:
        yield What(day, "order_without_cost"), None
    else:
        yield What(day, "order_margin", None, order.currency), order.margin
    for name, lines in _by_product_line(order).items():
        yield What(day, "order_line", None, order.currency, name), sum((line.amount for line in lines), ZERO)
        margin = total_margin(lines)
        if margin is not None:
            yield What(day, "order_line_margin", None, order.currency, name), margin


def _by_product_line(order: Order) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in order.lines:
        if line.product_line is not None:
            found.setdefault(line.product_line, []).append(line)
    return found


def deal_facts(deal: Deal, calendar: Calendar) -> Iterator[Fact]:
    """Every stage that was entered, and the end that still holds."""
    for visit in deal.visits:
        yield What(calendar.day_of(visit.entered), "stage", deal.owner, stage=visit.stage), None
    if deal.stage in CLOSED_STAGES:
        kind: Counted = "opportunity_won" if deal.stage == "won" else "opportunity_lost"
        yield What(calendar.day_of(deal.visits[-1].entered), kind, deal.owner, deal.currency), deal.amount


def event_facts(item: Entry, calendar: Calendar) -> Iterator[Fact]:
    """What is counted of an event that tells a thing by itself; nothing for kinds that are not counted."""
    data, day = fields(item), calendar.day_of(item.at)
    match item.kind:
        case "activity.logged":
            yield from _activity(item, day)
        case "survey.answered":
            if "satisfaction" in data:
                yield What(day, "satisfaction"), points(data["satisfaction"], data.get("scale", 5))
            if "nps" in data:
                yield What(day, _nps_kind(data["nps"])), None
        case "lead.created":
            owner, campaign, channel = (data.get(name) for name in ("owner", "campaign", "channel"))
            yield What(day, "lead", owner, campaign=campaign, channel=channel), None
        case "payment.received":
            yield What(data["value_date"], "receipt", None, data["currency"]), Decimal(data["amount"])
        case "contract.signed":
            has_value = "value" in data and "currency" in data
            yield (
                What(day, "contract", None, data["currency"] if has_value else None),
                Decimal(data["value"]) if has_value else None,
            )
        case "service_case.closed" if "score" in data:
            yield What(day, "service_score"), points(data["score"], 5)
        case "feedback.raised" if data.get("kind") == "complaint":
            yield What(day, "complaint"), None


def _activity(item: Entry, day: Day) -> Iterator[Fact]:
    data = fields(item)
    if data.get("automated"):
        return
    by, channel = data.get("by"), data.get("channel")
    is_call = data["kind"] == "call" or channel == "phone"
    if is_call and data.get("direction", "outbound") == "outbound":
        yield What(day, "call", by), None
    if data.get("outcome", "reached") in NOT_REACHED:
        return
    yield What(day, "contact", by), None
    if data["kind"] in VISITS or channel == "onsite":
        yield What(day, "visit", by), None


def points(mark: float, scale: int) -> Decimal:
    """A mark on 1 to `scale` as 0 (worst) to 100 (best), to the hundredth."""
    share = (Decimal(str(mark)) - 1) / (scale - 1)
    return (100 * min(max(share, ZERO), Decimal(1))).quantize(HUNDREDTH)


def _nps_kind(mark: int) -> Counted:
    if mark >= PROMOTER_FROM:
        return "nps_promoter"
    return "nps_passive" if mark >= PASSIVE_FROM else "nps_detractor"


@dataclass(slots=True)
class Sum:
    """How often something happened, how many of these times say what it came to, and what they came to."""

    n: int = 0
    amounts: int = 0
    total: Decimal = ZERO

    def add(self, other: Sum) -> None:
        self.n += other.n
        self.amounts += other.amounts
        self.total += other.total


def sums_by_month(facts: Iterable[Fact]) -> dict[Month, dict[What, Sum]]:
    """The facts of each month in which something happened, added up."""
    found: defaultdict[Month, defaultdict[What, Sum]] = defaultdict(lambda: defaultdict(Sum))
    for what, amount in facts:
        counted = found[month_of_day(what.day)][what]
        counted.n += 1
        if amount is not None:
            counted.amounts += 1
            counted.total += amount
    return {month: dict(sums) for month, sums in found.items()}


def counts_of(sums: Mapping[What, Sum], month: Month, owners: Owners) -> list[Count]:
    """The counts of a month in the order of their keys, for the owner of the day where nobody said who did it."""
    found: defaultdict[What, Sum] = defaultdict(Sum)
    for what, counted in sums.items():
        found[what if what.owner is not None else what._replace(owner=owners.on(what.day))].add(counted)
    before = first_day(month) - 1
    ordered = sorted(found.items(), key=lambda pair: [str(part or "") for part in pair[0]])
    return [_count(what, counted, before) for what, counted in ordered]


def _count(what: What, counted: Sum, before: Day) -> Count:
    return Count(
        day=what.day - before,
        kind=what.kind,
        n=counted.n,
        owner=what.owner,
        amount=_plain(counted.total) if counted.amounts else None,
        currency=what.currency,
        product_line=what.product_line,
        campaign=what.campaign,
        channel=what.channel,
        stage=what.stage,
    )


def _plain(total: Decimal) -> Decimal:
    """With two places or as many as it needs, however finely the summands were said."""
    plain = total.normalize()
    return plain if int(plain.as_tuple().exponent) < -2 else plain.quantize(HUNDREDTH)
