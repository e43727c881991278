"""What is told of a customer on the customers topic: the snapshot, and the counters of months. PURE.

A `Telling` is put together when the customer is to be told: some time after a change, not at every event.

Records are bounded: where a list would make one too large its oldest entries are left out, and `cut` says how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
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
    OwnerSince,
    ScoreNow,
    StageVisit,
    encode_record,
)
from services.rules.calendar import BEGINNING, Calendar, Micros, Month, instant, month_name
from services.rules.counting import Fact, Sum, What, counts_of, deal_facts, event_facts, order_facts, sums_by_month
from services.rules.dealings import Deal, Order, Owners, deals_of, fields, owners_of, profile_value
from services.rules.entries import Entry
from services.rules.newest import newest_by
from services.rules.purchases import orders_of, rhythm_of
from services.rules.state import CustomerState
from services.rules.touching import NAMED, UNNAMED

MAX_OWNERS = 100
MAX_LINES = 200
MAX_EPISODES = 500
MAX_NEAR_MISSES = 100
MAX_DEALS = 1000
MAX_LEADS = 1000
MAX_STAGES = 100

SHRINKABLE = ("opportunities", "leads", "episodes", "near_misses")
"""Lists of a snapshot that lose their oldest half when the record is too large, the longest first."""

CUT_FIRST = ("order_line_margin", "order_line", "stage", "lead")
"""Kinds whose counts are left out first when a month is too large: their totals, or the snapshot, tell most of them."""


@dataclass(frozen=True)
class Judged:
    """What the rules say of a customer; its events alone do not tell it."""

    classes: Mapping[str, ClassNow] = field(default_factory=dict)
    scores: Mapping[str, ScoreNow] = field(default_factory=dict)
    episodes: list[OpenEpisode] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)


@dataclass(frozen=True)
class Telling:
    """One customer's story, put together from every event that stands; later changes of the state leave it as it is.

    `named` holds what counts of the events that have business ids, by kind; `sums` what happened, by month.
    """

    customer_id: str
    calendar: Calendar
    owners: Owners
    profile: Sequence[Entry]
    orders: Sequence[Order]
    deals: Sequence[Deal]
    named: Mapping[str, Sequence[Entry]]
    sums: Mapping[Month, Mapping[What, Sum]]

    @classmethod
    def of(cls, state: CustomerState) -> Telling:
        """The story of all that stands in a state."""
        calendar = state.calendar
        orders = orders_of(state.items("order.placed"), state.items("order.cancelled"))
        deals = deals_of(state.items("opportunity.stage_changed"))
        named = _named(state)
        events = chain(*named.values(), *(state.items(kind) for kind in UNNAMED))
        return cls(
            customer_id=state.customer_id,
            calendar=calendar,
            owners=owners_of(state.items("customer.owner_changed"), calendar),
            profile=tuple(state.items("profile.updated")),
            orders=orders,
            deals=deals,
            named=named,
            sums=sums_by_month(_facts(orders, deals, events, calendar)),
        )

    @property
    def months(self) -> list[Month]:
        """The months that have counters."""
        return sorted(self.sums)

    def records(
        self, judged: Judged, now: Micros, months: Iterable[Month], kept_from: Micros = BEGINNING
    ) -> list[tuple[str, bytes | None]]:
        """The records to write after changes: those of `months` by their name, then the snapshot under "".

        A month that has nothing left is a tombstone. One that began before `kept_from` stays as it was written: the
        state no longer has all of it.
        """
        written: list[tuple[str, bytes | None]] = []
        for month in sorted(set(months)):
            if self.calendar.start_of_month(month) >= kept_from:
                counters, raw = self._fitted_month(month)
                written.append((month_name(month), raw if counters.counts else None))
        return [*written, ("", _fitted(self._snapshot(judged, now))[1])]

    def snapshot(self, judged: Judged, now: Micros) -> CustomerSnapshot:
        """The customer as now known; at most MAX_RECORD_BYTES when encoded."""
        return _fitted(self._snapshot(judged, now))[0]

    def counters(self, month: Month) -> MonthCounters:
        """What happened in one month, as now known; at most MAX_RECORD_BYTES when encoded."""
        return self._fitted_month(month)[0]

    # ---- inside

    def _snapshot(self, judged: Judged, now: Micros) -> CustomerSnapshot:
        orders = rhythm_of(self.orders)
        times_cut = orders.count - len(orders.times)
        cut = {"order_times": times_cut} if times_cut else {}
        bought = sorted({name for order in self.orders for name in order.product_lines})
        contracts = self.named["contract.signed"]
        return CustomerSnapshot(
            customer_id=self.customer_id,
            as_of=instant(now),
            owner=self.owners.newest,
            owners=_capped("owners", self._owners_since(), MAX_OWNERS, cut),
            region=profile_value(self.profile, "region"),
            team=profile_value(self.profile, "team"),
            product_lines=_capped("product_lines", bought, MAX_LINES, cut),
            classes=dict(judged.classes),
            scores=dict(judged.scores),
            episodes=_capped("episodes", judged.episodes, MAX_EPISODES, cut),
            near_misses=_capped("near_misses", judged.near_misses, MAX_NEAR_MISSES, cut),
            first_contract=min((instant(item.at) for item in contracts), default=None),
            orders=orders,
            opportunities=_capped("opportunities", self._told_deals(), MAX_DEALS, cut),
            leads=_capped("leads", self._told_leads(), MAX_LEADS, cut),
            months=[month_name(month) for month in self.months],
            cut=cut,
        )

    def _owners_since(self) -> list[OwnerSince]:
        return [OwnerSince(owner=owner, since=date.fromordinal(day)) for day, owner in self.owners.since]

    def _told_deals(self) -> list[Opportunity]:
        """Closed ones first, oldest end first: an open deal is the last to be left out."""
        ranked = sorted(self.deals, key=lambda deal: (deal.closed_at is None, deal.visits[-1].entered, deal.id))
        return [self._told_deal(deal) for deal in ranked]

    def _told_deal(self, deal: Deal) -> Opportunity:
        closed_at = deal.closed_at
        owner = self.owners.newest if closed_at is None else self.owners.on(self.calendar.day_of(closed_at))
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

    def _told_leads(self) -> list[Lead]:
        return [
            Lead(
                id=fields(item)["lead_id"],
                created=instant(item.at),
                owner=fields(item).get("owner") or self.owners.on(self.calendar.day_of(item.at)),
                channel=fields(item).get("channel"),
                campaign=fields(item).get("campaign"),
            )
            for item in sorted(self.named["lead.created"], key=lambda item: item.order)
        ]

    def _fitted_month(self, month: Month) -> tuple[MonthCounters, bytes]:
        counts = counts_of(self.sums.get(month, {}), month, self.owners)
        counters = MonthCounters(customer_id=self.customer_id, month=month_name(month), counts=counts)
        while len(raw := encode_record(counters)) > MAX_RECORD_BYTES:
            present = [one.kind for one in counters.counts]
            kind = next((one for one in CUT_FIRST if one in present), max(set(present), key=present.count))
            kept = [one for one in counters.counts if one.kind != kind]
            cut = {**counters.cut, kind: present.count(kind)}
            counters = counters.model_copy(update={"counts": kept, "cut": cut})
        return counters, raw


def _named(state: CustomerState) -> dict[str, list[Entry]]:
    """What counts of the events of each kind that has business ids. A payment that was reversed never was."""
    newest = {kind: newest_by(name, state.items(kind)) for kind, name in NAMED.items()}
    for reversal in state.items("payment.reversed"):
        newest["payment.received"].pop(str(fields(reversal)["payment_id"]), None)
    return {kind: list(by_name.values()) for kind, by_name in newest.items()}


def _facts(
    orders: Iterable[Order], deals: Iterable[Deal], events: Iterable[Entry], calendar: Calendar
) -> Iterator[Fact]:
    for order in orders:
        yield from order_facts(order, calendar)
    for deal in deals:
        yield from deal_facts(deal, calendar)
    for event in events:
        yield from event_facts(event, calendar)


def _capped(name: str, items: list[Any], limit: int, cut: dict[str, int]) -> list[Any]:
    """The last `limit` of the items, which are in the order in which they matter more and more."""
    if len(items) > limit:
        cut[name] = len(items) - limit
    return items[-limit:]


def _fitted(snapshot: CustomerSnapshot) -> tuple[CustomerSnapshot, bytes]:
    while len(raw := encode_record(snapshot)) > MAX_RECORD_BYTES:
        # The other fields are bounded far below the limit, so one of these is long.
        name = max(SHRINKABLE, key=lambda one: len(getattr(snapshot, one)))
        items = getattr(snapshot, name)
        kept = items[(len(items) + 1) // 2 :]
        cut = {**snapshot.cut, name: snapshot.cut.get(name, 0) + len(items) - len(kept)}
        snapshot = snapshot.model_copy(update={name: kept, "cut": cut})
    return snapshot, raw
