"""Which months' counters an event touches, also those of other events that tell of the same thing. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.rules.calendar import Month
from services.rules.dealings import fields
from services.rules.entries import Entry
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

COUNTED = frozenset({*UNNAMED, *(kind for kind, _ in GROUPED.values())})
"""The events on whose days something is counted."""


def months_touched(state: CustomerState, changed: Iterable[Entry]) -> set[Month]:
    """The months whose counters may differ now that these events have begun or ceased to stand.

    It is what a Telling would say, for a state that nobody keeps one of.
    """
    touched: set[Month] = set()
    for entry in changed:
        if entry.kind == "customer.owner_changed":
            touched |= _owned(state, entry)
        if entry.kind in COUNTED:
            touched.add(state.calendar.month_of(entry.at))
        if entry.kind in GROUPED:
            kind, name = GROUPED[entry.kind]
            named = fields(entry)[name]
            touched |= {state.calendar.month_of(item.at) for item in state.items(kind) if fields(item)[name] == named}
    return touched


def _owned(state: CustomerState, change: Entry) -> set[Month]:
    """The first change tells of all days before it, too; any other of those from its own on."""
    changes = state.items("customer.owner_changed")
    is_later = bool(changes) and changes[0].order < change.order
    since = state.calendar.month_of(change.at) if is_later else 0
    months = {state.calendar.month_of(item.at) for kind in COUNTED for item in state.items(kind)}
    return {month for month in months if month >= since}
