"""From a customer's state to its records on the customers topic: the snapshot, and the counters of a month. PURE.

Records are bounded: where a list would make one too large its oldest entries are left out, and `cut` says how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Any

from schemas.customers import (
    MAX_RECORD_BYTES,
    ClassNow,
    CustomerSnapshot,
    Lead,
    MonthCounters,
    NearMiss,
    OpenEpisode,
    Opportunity,
    OrderFacts,
    OwnerSince,
    ScoreNow,
    StageVisit,
    encode_record,
)
from services.rules.calendar import SECOND, Micros, Month, first_day, instant, month_name
from services.rules.counting import Tallies, count_month, months_with_counts
from services.rules.dealings import Deal, Order, Owners, deals, fields, net_orders, newest, profile_value
from services.rules.entries import Entry
from services.rules.state import CustomerState

MAX_OWNERS = 100
MAX_LINES = 200
MAX_EPISODES = 500
MAX_NEAR_MISSES = 100
MAX_DEALS = 1000
MAX_LEADS = 1000
MAX_STAGES = 100
MAX_ORDER_TIMES = 1000

SHRINKABLE = ("opportunities", "leads", "episodes", "near_misses")
"""Lists of a snapshot that lose their oldest half when the record is too large, the longest first."""


@dataclass(frozen=True)
class Judged:
    """What the rules say of a customer; the state alone does not tell it."""

    classes: Mapping[str, ClassNow] = field(default_factory=dict)
    scores: Mapping[str, ScoreNow] = field(default_factory=dict)
    episodes: list[OpenEpisode] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)


class Portrait:
    """What snapshot and counters share of one state, worked out once. It must not outlive a change of the state."""

    def __init__(self, state: CustomerState) -> None:
        self.state = state

    @cached_property
    def owners(self) -> Owners:
        return Owners(self.state)

    @cached_property
    def orders(self) -> list[Order]:
        return net_orders(self.state)

    @cached_property
    def deals(self) -> list[Deal]:
        return deals(self.state)

    @cached_property
    def leads(self) -> list[Entry]:
        return newest(self.state.items("lead.created"), "lead_id")

    @cached_property
    def tallies(self) -> Tallies:
        return Tallies(self.state, self.owners, self.orders, self.deals, self.leads)


def snapshot_records(
    state: CustomerState, judged: Judged, now: Micros, months: Iterable[Month]
) -> list[tuple[str, bytes]]:
    """The records to write after a change: those of `months` by their name, then the snapshot under "".

    `months` are what `counting.months_touched` gave for the change. A month that has nothing left is written empty.
    """
    seen = Portrait(state)
    records = [(month_name(month), _fitted_month(seen, month)[1]) for month in sorted(set(months))]
    return [*records, ("", _fitted_snapshot(_snapshot(seen, judged, now))[1])]


def customer_snapshot(state: CustomerState, judged: Judged, now: Micros) -> CustomerSnapshot:
    """The customer as now known; at most MAX_RECORD_BYTES when encoded."""
    return _fitted_snapshot(_snapshot(Portrait(state), judged, now))[0]


def month_counters(state: CustomerState, month: Month) -> MonthCounters:
    """What happened in one month, as now known; at most MAX_RECORD_BYTES when encoded."""
    return _fitted_month(Portrait(state), month)[0]


def _snapshot(seen: Portrait, judged: Judged, now: Micros) -> CustomerSnapshot:
    state, cut = seen.state, dict[str, int]()
    lines = sorted({line.product_line for order in seen.orders for line in order.lines if line.product_line})
    return CustomerSnapshot(
        customer_id=state.customer_id,
        as_of=instant(now),
        owner=seen.owners.newest,
        owners=_capped("owners", _owners(seen.owners), MAX_OWNERS, cut),
        region=profile_value(state, "region"),
        team=profile_value(state, "team"),
        product_lines=_capped("product_lines", lines, MAX_LINES, cut),
        classes=dict(judged.classes),
        scores=dict(judged.scores),
        episodes=_capped("episodes", judged.episodes, MAX_EPISODES, cut),
        near_misses=_capped("near_misses", judged.near_misses, MAX_NEAR_MISSES, cut),
        first_contract=min((instant(item.at) for item in state.items("contract.signed")), default=None),
        orders=_order_facts(seen.orders, cut),
        opportunities=_capped("opportunities", _opportunities(seen), MAX_DEALS, cut),
        leads=_capped("leads", _leads(seen), MAX_LEADS, cut),
        months=[month_name(month) for month in months_with_counts(state)],
        cut=cut,
    )


def _capped(name: str, items: list[Any], limit: int, cut: dict[str, int]) -> list[Any]:
    """The last `limit` of the items, which are in the order in which they matter more and more."""
    if len(items) > limit:
        cut[name] = len(items) - limit
    return items[-limit:]


def _owners(owners: Owners) -> list[OwnerSince]:
    return [OwnerSince(owner=owner, since=date.fromordinal(day)) for day, owner in owners.since]


def _order_facts(orders: list[Order], cut: dict[str, int]) -> OrderFacts:
    times = [order.at for order in orders]
    if not times:
        return OrderFacts()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return OrderFacts(
        count=len(times),
        first=instant(times[0]),
        last=instant(times[-1]),
        median_gap_s=Decimal(int(2 * median(gaps))) / 2 / SECOND if gaps else None,
        times=[instant(at) for at in _capped("order_times", times, MAX_ORDER_TIMES, cut)],
    )


def _opportunities(seen: Portrait) -> list[Opportunity]:
    """Closed ones first, oldest end first: an open deal is the last to be left out."""
    ranked = sorted(seen.deals, key=lambda deal: (deal.closed_at is None, deal.visits[-1].entered, deal.id))
    return [_opportunity(deal, seen) for deal in ranked]


def _opportunity(deal: Deal, seen: Portrait) -> Opportunity:
    owner = seen.owners.newest
    if deal.closed_at is not None:
        owner = seen.owners.on(seen.state.calendar.day_of(deal.closed_at))
    return Opportunity(
        id=deal.id,
        stage=deal.stage,
        owner=deal.owner or owner,
        lead_id=deal.lead_id,
        amount=deal.amount,
        currency=deal.currency,
        close_date=None if deal.close_day is None else date.fromordinal(deal.close_day),
        stages=[
            StageVisit(
                stage=visit.stage,
                entered=instant(visit.entered),
                left=None if visit.left is None else instant(visit.left),
            )
            for visit in deal.visits[-MAX_STAGES:]
        ],
    )


def _leads(seen: Portrait) -> list[Lead]:
    return [
        Lead(
            id=fields(item)["lead_id"],
            created=instant(item.at),
            owner=fields(item).get("owner") or seen.owners.on(seen.state.calendar.day_of(item.at)),
            channel=fields(item).get("channel"),
            campaign=fields(item).get("campaign"),
        )
        for item in seen.leads
    ]


def _fitted_snapshot(snapshot: CustomerSnapshot) -> tuple[CustomerSnapshot, bytes]:
    while len(raw := encode_record(snapshot)) > MAX_RECORD_BYTES:
        # The other fields are bounded far below the limit, so one of these is long.
        name = max(SHRINKABLE, key=lambda one: len(getattr(snapshot, one)))
        items = getattr(snapshot, name)
        kept = items[(len(items) + 1) // 2 :]
        cut = {**snapshot.cut, name: snapshot.cut.get(name, 0) + len(items) - len(kept)}
        snapshot = snapshot.model_copy(update={name: kept, "cut": cut})
    return snapshot, raw


CUT_FIRST = ("order_line_margin", "order_line", "stage", "lead")
"""Kinds whose counts are left out first when a month is too large: their totals, or the snapshot, tell most of them."""


def _fitted_month(seen: Portrait, month: Month) -> tuple[MonthCounters, bytes]:
    counts = count_month(seen.tallies, first_day(month), first_day(month + 1))
    counters = MonthCounters(customer_id=seen.state.customer_id, month=month_name(month), counts=counts)
    while len(raw := encode_record(counters)) > MAX_RECORD_BYTES:
        present = [one.kind for one in counters.counts]
        kind = next((one for one in CUT_FIRST if one in present), max(set(present), key=present.count))
        kept = [one for one in counters.counts if one.kind != kind]
        counters = counters.model_copy(update={"counts": kept, "cut": {**counters.cut, kind: present.count(kind)}})
    return counters, raw
