"""Which months' counters an event touches, also those of other events that tell of the same thing. PURE.

A `Touched` is a feed of the state: it takes in every event that begins or ceases to stand, and a long history makes
one more event no dearer.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.events import CUSTOMER_EVENTS
from services.rules.calendar import Calendar, Micros, Month
from services.rules.dealings import fields
from services.rules.entries import Entry, Item, Key
from services.rules.state import CustomerState

NAMED: Mapping[str, str] = {
    "contract.signed": "contract_id",
    "feedback.raised": "feedback_id",
    "lead.created": "lead_id",
    "payment.received": "payment_id",
    "service_case.closed": "case_id",
}
"""Events of which the newest word on a business id counts, and the field that holds the id."""

UNNAMED = frozenset({"activity.logged", "survey.answered"})

GROUPED: Mapping[str, tuple[str, str]] = {
    **{kind: (kind, name) for kind, name in NAMED.items()},
    "opportunity.stage_changed": ("opportunity.stage_changed", "opportunity_id"),
    "order.cancelled": ("order.placed", "order_id"),
    "order.placed": ("order.placed", "order_id"),
    "payment.reversed": ("payment.received", "payment_id"),
}
"""For a kind of event: which events, of which id, are counted otherwise because of it."""

ALL_MONTHS: Month = -1
"""Stands for every month there is: nobody noted which."""

Order = tuple[Micros, Micros, str, str]
"""See Entry.order."""

COUNTED = frozenset({*UNNAMED, *(kind for kind, _ in GROUPED.values())})
"""The events on whose days something is counted."""


class Touched:
    """What has changed of one customer since `take` was last called.

    Months are remembered by business id as soon as that is asked for, for as long as the customer is open; a month too
    many is told again in vain.
    """

    goes_with_time = False

    def __init__(self, calendar: Calendar, known: Mapping[Key, Entry], owners: list[Order]) -> None:
        """`known` are all events of the customer, whoever adds to them; `owners` the changes of owner that stand
        already, in their order."""
        self._month_of = calendar.month_of
        self._known = known
        self._by_name: dict[str, dict[str, tuple[Month, ...]]] | None = None
        self._owners = owners
        self._is_changed = False
        self._months: set[Month] = set()

    @property
    def items(self) -> tuple[Item, ...]:
        """It is no series."""
        return ()

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        """It is no series: nothing comes or goes."""
        return [], []

    def take(self) -> tuple[bool, set[Month]]:
        """Whether any event began or ceased to stand, and the months whose counters may differ."""
        taken = self._is_changed, self._months
        self._is_changed, self._months = False, set()
        return taken

    def change(self, entry: Entry, *, stands: bool) -> None:
        """An event begins to stand, or one that stood does so no longer."""
        self._is_changed = True
        kind = entry.kind
        if kind in COUNTED:
            month = self._month_of(entry.at)
            self._months.add(month)
            if self._by_name is not None:
                _remember(self._by_name, entry, month)
        if kind in GROUPED:
            target, name = GROUPED[kind]
            self._months.update(self._named[target].get(str(fields(entry)[name]), ()))
        elif kind == "customer.owner_changed":
            self._change_owner(entry, stands=stands)

    @property
    def _named(self) -> dict[str, dict[str, tuple[Month, ...]]]:
        """The months of all events that are counted by business id, whether or not they stand."""
        if self._by_name is None:
            self._by_name = {kind: {} for kind, _ in GROUPED.values()}
            for entry in self._known.values():
                if entry.kind in COUNTED and entry.data is not None:
                    _remember(self._by_name, entry, self._month_of(entry.at))
        return self._by_name

    def _change_owner(self, change: Entry, *, stands: bool) -> None:
        """The first change tells of all days before it, too; any other of those from its own on."""
        is_later = bool(self._owners) and self._owners[0] < change.order
        if stands:
            insort(self._owners, change.order)
        else:
            del self._owners[bisect_left(self._owners, change.order)]
        since = self._month_of(change.at) if is_later else 0
        counted = (entry for entry in self._known.values() if entry.kind in COUNTED and entry.data is not None)
        months = {self._month_of(entry.at) for entry in counted}
        self._months.update(month for month in months if month >= since)


def _remember(named: dict[str, dict[str, tuple[Month, ...]]], entry: Entry, month: Month) -> None:
    target, name = GROUPED.get(entry.kind, ("", ""))
    if target == entry.kind:
        by_name, wanted = named[target], str(fields(entry)[name])
        months = by_name.get(wanted, ())
        if month not in months:
            # Nearly always there is just one: a tuple is small.
            by_name[wanted] = (*months, month)


@dataclass(frozen=True)
class Touching:
    """The source whose feed is a customer's Touched."""

    @property
    def kinds(self) -> frozenset[str]:
        """Whatever is learned, reports are to be told of it."""
        return _ALL_KINDS

    def feed(self, state: CustomerState) -> Touched:
        """Of a customer whose changes so far are no news."""
        owners = [item.order for item in state.items("customer.owner_changed")]
        return Touched(state.calendar, state.known.entries, owners)


_ALL_KINDS = frozenset(CUSTOMER_EVENTS)
TOUCHING = Touching()


def touched_of(state: CustomerState) -> Touched:
    """The state's own Touched. To be asked for when the customer is opened: changes count from then on."""
    touched = state.feed(TOUCHING)
    assert isinstance(touched, Touched)
    return touched
