"""The items of the series `instalments`. PURE."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.rules.calendar import Calendar, Micros
from services.rules.entries import Key
from services.rules.instalments import Instalment
from services.rules.periods import LatePolicy, events_behind


class InstalmentItem(NamedTuple):
    """An item of the series `instalments`: where it lies, the fields that rules may read, the events behind it."""

    at: Micros
    data: dict[str, Any]
    keys: tuple[Key, ...]


def instalment_item(
    part: Instalment, policy: LatePolicy, calendar: Calendar, fault: str | None
) -> InstalmentItem | None:
    """The instalment as rules see it, at the start of the day after its deadline; None when it does not count.

    `days_late` (from the due date to the value date of the money that left no more than the tolerance open, at least 0)
    is absent while it is open, `fault` until a delay is explained. `certain` is false when money of another currency
    was booked on it: then `late` may be untrue.
    """
    if not policy.counts(part):
        return None
    settled = part.settled_on(policy.tolerance)
    data: dict[str, Any] = {
        "invoice_id": part.invoice_id,
        "amount": format(part.amount, "f"),
        "currency": part.currency,
        "late": policy.late(part),
        "settled": settled is not None,
        "certain": part.certain,
    }
    if settled is not None:
        data["days_late"] = max(0, settled - part.due)
    if fault is not None:
        data["fault"] = fault
    return InstalmentItem(calendar.start_of_day(policy.deadline(part) + 1), data, events_behind((part,)))
