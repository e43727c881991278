"""What is told of a customer on the customers topic: the snapshot, and the counters of months. PURE.

A `Telling` is put together when the customer is to be told: some time after a change, not at every event.

Records are bounded: where a list would make one too large its oldest entries are left out, and `cut` says how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
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
from services.rules.counting import Counters, Fact, deal_facts, event_facts, order_facts
from services.rules.dealings import Dated, Deal, Owners, Profile, deal_of, fields
from services.rules.entries import Entry
from services.rules.newest import Newest
from services.rules.purchases import Purchases
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

TOLD_KINDS = frozenset(
    {
        *NAMED,
        *UNNAMED,
        "customer.owner_changed",
        "opportunity.stage_changed",
        "order.cancelled",
        "order.placed",
        "payment.reversed",
        "profile.updated",
    }
)
"""The events that a Telling takes in."""


@dataclass(frozen=True)
class Judged:
    """What the rules say of a customer; its events alone do not tell it."""

    classes: Mapping[str, ClassNow] = field(default_factory=dict)
    scores: Mapping[str, ScoreNow] = field(default_factory=dict)
    episodes: list[OpenEpisode] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)


class Telling:
    """One customer's story, from every event that stands."""

    def __init__(self, customer_id: str, calendar: Calendar) -> None:
        self._customer_id = customer_id
        self._calendar = calendar
        self._counters = Counters()
        self._owners = Owners(calendar)
        self._profile = Profile()
        self._purchases = Purchases()
        self._named = {kind: Newest(name) for kind, name in NAMED.items()}
        self._current: dict[str, dict[str, Entry]] = {kind: {} for kind in NAMED}
        self._reversals: dict[str, int] = {}
        self._steps: dict[str, Dated] = {}
        self._deals: dict[str, Deal] = {}
        self._stale_deals: set[str] = set()
        self._told: dict[str, Opportunity] = {}
        self._opportunities: list[Opportunity] | None = None
        self._leads: list[Lead] | None = None

    @classmethod
    def of(cls, state: CustomerState) -> Telling:
        """The story of all that stands in a state."""
        telling = cls(state.customer_id, state.calendar)
        for kind in TOLD_KINDS:
            for item in state.items(kind):
                telling.change(item, stands=True)
        return telling

    @property
    def months(self) -> list[Month]:
        """The months that have counters."""
        self._settle()
        return self._counters.months

    def change(self, entry: Entry, *, stands: bool) -> None:
        """An event of TOLD_KINDS begins to stand, or one that stood does so no longer."""
        match entry.kind:
            case "order.placed" | "order.cancelled":
                swap = self._purchases.change(entry, stands=stands)
                self._replace(order_facts, swap.gone, swap.new)
            case "opportunity.stage_changed":
                self._change_deal(entry, stands=stands)
            case "customer.owner_changed":
                self._owners.change(entry, stands=stands)
                self._opportunities = self._leads = None
                self._told.clear()
            case "profile.updated":
                self._profile.change(entry, stands=stands)
            case "payment.reversed":
                payment_id = str(fields(entry)["payment_id"])
                self._reversals[payment_id] = self._reversals.get(payment_id, 0) + (1 if stands else -1)
                self._refresh("payment.received", payment_id)
            case kind if kind in NAMED:
                self._refresh(kind, self._named[kind].change(entry, stands=stands))
            case _:
                facts = list(event_facts(entry, self._calendar))
                self._counters.replace((), facts) if stands else self._counters.replace(facts, ())

    def records(
        self, judged: Judged, now: Micros, months: Iterable[Month], kept_from: Micros = BEGINNING
    ) -> list[tuple[str, bytes | None]]:
        """The records to write after changes: those of `months` by their name, then the snapshot under "".

        A month that has nothing left is a tombstone. One that began before `kept_from` stays as it was written: the
        state no longer has all of it.
        """
        self._settle()
        written: list[tuple[str, bytes | None]] = []
        for month in sorted(set(months)):
            if self._calendar.start_of_month(month) >= kept_from:
                counters, raw = self._fitted_month(month)
                written.append((month_name(month), raw if counters.counts else None))
        return [*written, ("", _fitted(self._snapshot(judged, now))[1])]

    def snapshot(self, judged: Judged, now: Micros) -> CustomerSnapshot:
        """The customer as now known; at most MAX_RECORD_BYTES when encoded."""
        self._settle()
        return _fitted(self._snapshot(judged, now))[0]

    def counters(self, month: Month) -> MonthCounters:
        """What happened in one month, as now known; at most MAX_RECORD_BYTES when encoded."""
        self._settle()
        return self._fitted_month(month)[0]

    # ---- inside

    def _replace(self, facts: Callable[[Any, Calendar], Iterator[Fact]], gone: Any, new: Any) -> None:
        self._counters.replace(
            () if gone is None else facts(gone, self._calendar), () if new is None else facts(new, self._calendar)
        )

    def _refresh(self, kind: str, name: str) -> None:
        """What counts under a business id may be another event now, or none."""
        current = self._current[kind]
        old, new = current.get(name), self._named[kind].get(name)
        if kind == "payment.received" and self._reversals.get(name):
            new = None
        if new is old:
            return
        current.pop(name, None)
        if new is not None:
            current[name] = new
        self._replace(event_facts, old, new)
        if kind == "lead.created":
            self._leads = None

    def _change_deal(self, entry: Entry, *, stands: bool) -> None:
        """Only noted: a deal of many steps is put together once, when somebody asks."""
        name = str(fields(entry)["opportunity_id"])
        self._steps.setdefault(name, Dated()).change(entry, stands=stands)
        self._stale_deals.add(name)

    def _settle(self) -> None:
        for name in self._stale_deals:
            old, new = self._deals.pop(name, None), deal_of(name, self._steps[name].items)
            if new is None:
                del self._steps[name]
            else:
                self._deals[name] = new
            self._replace(deal_facts, old, new)
            self._told.pop(name, None)
            self._opportunities = None
        self._stale_deals.clear()

    def _snapshot(self, judged: Judged, now: Micros) -> CustomerSnapshot:
        orders, times_cut = self._purchases.facts()
        cut = {"order_times": times_cut} if times_cut else {}
        contracts = self._current["contract.signed"].values()
        return CustomerSnapshot(
            customer_id=self._customer_id,
            as_of=instant(now),
            owner=self._owners.newest,
            owners=_capped("owners", self._owners_since(), MAX_OWNERS, cut),
            region=self._profile.value("region"),
            team=self._profile.value("team"),
            product_lines=_capped("product_lines", self._purchases.product_lines, MAX_LINES, cut),
            classes=dict(judged.classes),
            scores=dict(judged.scores),
            episodes=_capped("episodes", judged.episodes, MAX_EPISODES, cut),
            near_misses=_capped("near_misses", judged.near_misses, MAX_NEAR_MISSES, cut),
            first_contract=min((instant(item.at) for item in contracts), default=None),
            orders=orders,
            opportunities=_capped("opportunities", self._told_deals(), MAX_DEALS, cut),
            leads=_capped("leads", self._told_leads(), MAX_LEADS, cut),
            months=[month_name(month) for month in self._counters.months],
            cut=cut,
        )

    def _owners_since(self) -> list[OwnerSince]:
        return [OwnerSince(owner=owner, since=date.fromordinal(day)) for day, owner in self._owners.since]

    def _told_deals(self) -> list[Opportunity]:
        """Closed ones first, oldest end first: an open deal is the last to be left out."""
        if self._opportunities is None:
            ranked = sorted(
                self._deals.values(), key=lambda deal: (deal.closed_at is None, deal.visits[-1].entered, deal.id)
            )
            for deal in ranked:
                if deal.id not in self._told:
                    self._told[deal.id] = self._told_deal(deal)
            self._opportunities = [self._told[deal.id] for deal in ranked]
        return self._opportunities

    def _told_deal(self, deal: Deal) -> Opportunity:
        closed_at = deal.closed_at
        owner = self._owners.newest if closed_at is None else self._owners.on(self._calendar.day_of(closed_at))
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
        if self._leads is None:
            items = sorted(self._current["lead.created"].values(), key=lambda item: item.order)
            self._leads = [
                Lead(
                    id=fields(item)["lead_id"],
                    created=instant(item.at),
                    owner=fields(item).get("owner") or self._owners.on(self._calendar.day_of(item.at)),
                    channel=fields(item).get("channel"),
                    campaign=fields(item).get("campaign"),
                )
                for item in items
            ]
        return self._leads

    def _fitted_month(self, month: Month) -> tuple[MonthCounters, bytes]:
        counts = self._counters.of(month, self._owners)
        counters = MonthCounters(customer_id=self._customer_id, month=month_name(month), counts=counts)
        while len(raw := encode_record(counters)) > MAX_RECORD_BYTES:
            present = [one.kind for one in counters.counts]
            kind = next((one for one in CUT_FIRST if one in present), max(set(present), key=present.count))
            kept = [one for one in counters.counts if one.kind != kind]
            cut = {**counters.cut, kind: present.count(kind)}
            counters = counters.model_copy(update={"counts": kept, "cut": cut})
        return counters, raw


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


def customer_snapshot(state: CustomerState, judged: Judged, now: Micros) -> CustomerSnapshot:
    """The snapshot of a state."""
    return Telling.of(state).snapshot(judged, now)


def month_counters(state: CustomerState, month: Month) -> MonthCounters:
    """The counters of one month of a state."""
    return Telling.of(state).counters(month)
