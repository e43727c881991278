"""Events and derived series as items: what happened, and the instant at which it is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.oracle.days import DAY, LUNAR_YEARS, in_year, local_day, lunar_day
from tests.oracle.money import parts_of, payments
from tests.oracle.standing import Standing, midnight, newest_by, of_kind, when
from tests.oracle.worlds import UNKNOWN

if TYPE_CHECKING:
    from tests.oracle.known import View

PLACES = ("lead", "opportunity", "needs", "proposal", "negotiation", "won")
FIELDS = {
    "instalments": {"invoice_id", "amount", "currency", "late", "settled", "days_late", "fault"},
    "receipts": {"payment_id", "amount", "currency"},
    "orders": {"order_id", "currency", "amount", "quantity", "margin", "lines", "campaign", "promised_date"},
    "promises": {"promise_id", "order_id", "by", "made_at", "due", "due_day", "met_at"},
    "stage_steps": {"opportunity_id", "from", "to", "jump"},
    "stage_visits": {"opportunity_id", "stage", "left_at"},
    "milestones": {"kind", "occurs_on", "note", "subject"},
    "anniversaries": {"kind", "contact_id", "years", "subject", "opt_in", "day"},
}


@dataclass(frozen=True, eq=False)
class Item:
    """Something that is true at an instant; `said` (time, source, id) orders what is true at the same one."""

    at: datetime
    fields: Mapping[str, Any]
    said: tuple[datetime, str, str]


def items_of(view: View, of: str, options: Mapping[str, Any]) -> list[Item]:
    """Every item of an event type or derived series, in no order."""
    if of in FIELDS:
        return list(DERIVED[of](view, options))
    return [_plain(view, event) for event in of_kind(view.events, of)]


def _item(at: datetime, event: Standing, fields: Mapping[str, Any]) -> Item:
    given = {name: value for name, value in fields.items() if value is not None}
    return Item(at.astimezone(UTC), given, (event.time.astimezone(UTC), event.source, event.id))


def _plain(view: View, event: Standing) -> Item:
    return _item(true_at(view, event), event, event.data.model_dump(by_alias=True))


def true_at(view: View, event: Standing) -> datetime:
    """When what an event tells is true: paid, left, contacted; else the envelope's time."""
    data = event.data
    if event.kind == "contact.changed":
        return min(when(event), when(event, "effective_at"))
    if event.kind == "customer.milestone":
        return midnight(data.occurs_on, view.zone)
    if event.kind == "payment.received":
        return midnight(data.value_date, view.zone)
    named = [name for name in ("at", "signed_at", "occurred_at") if hasattr(data, name)]
    return when(event, *named)


def _receipts(view: View, _: Mapping[str, Any]) -> Iterator[Item]:
    for event in payments(view.events):
        data = event.data
        fields = {"payment_id": data.payment_id, "amount": data.amount, "currency": data.currency}
        yield _item(midnight(data.value_date, view.zone), event, fields)


def _instalments(view: View, options: Mapping[str, Any]) -> Iterator[Item]:
    tolerance = Decimal(str(options.get("tolerance", "0.01")))
    invoices = {event.data.invoice_id: event for event in newest_by(of_kind(view.events, "invoice.issued"), _invoice)}
    faults = {e.data.invoice_id: e.data.fault for e in newest_by(_explained(view), _invoice)}
    for part in parts_of(view.events):
        if part.disputed and options.get("exclude_disputed", True):
            continue
        last = part.due + timedelta(days=options.get("grace_days", 0))
        covering = sorted(day for day, _ in part.covered if part.uncovered_at_end_of(day) <= tolerance)
        settled = part.open() <= tolerance
        late: Any = part.uncovered_at_end_of(last) > tolerance
        fields = {
            "invoice_id": part.invoice_id,
            "amount": part.owed,
            "currency": part.currency,
            "late": UNKNOWN if late and part.uncertain else late,
            "settled": UNKNOWN if not settled and part.uncertain else settled,
            "days_late": max(0, (covering[0] - part.due).days) if covering else 0 if settled else None,
            "fault": faults.get(part.invoice_id),
        }
        yield _item(midnight(last + DAY, view.zone), invoices[part.invoice_id], fields)


def _explained(view: View) -> list[Standing]:
    return of_kind(view.events, "invoice.delay_explained")


def _invoice(event: Standing) -> str:
    return str(event.data.invoice_id)


def _order(event: Standing) -> str:
    return str(event.data.order_id)


def _orders(view: View, _: Mapping[str, Any]) -> Iterator[Item]:
    cancellations = of_kind(view.events, "order.cancelled")
    for event in newest_by(of_kind(view.events, "order.placed"), _order):
        data = event.data
        cancelled = [c.data.lines for c in cancellations if c.data.order_id == data.order_id]
        if any(lines is None for lines in cancelled):
            continue
        left = _what_is_left(data.lines, [line for lines in cancelled for line in lines or ()])
        if not left:
            continue
        costs_known = all(line.unit_cost is not None for line, _ in left)
        fields = {
            "order_id": data.order_id,
            "currency": data.currency,
            "amount": sum(quantity * line.unit_price for line, quantity in left),
            "quantity": sum(quantity for _, quantity in left),
            "margin": sum(q * (line.unit_price - line.unit_cost) for line, q in left) if costs_known else None,
            "lines": sorted({line.product_line for line, _ in left if line.product_line is not None}),
            "campaign": data.campaign,
            "promised_date": data.promised_date,
        }
        yield _item(when(event, "at"), event, fields)


def _what_is_left(lines: list[Any], cancelled: list[Any]) -> list[tuple[Any, Decimal]]:
    """Order lines with the quantity that was not cancelled, first lines first; those with nothing left are out."""
    taken: dict[str, Decimal] = {}
    for line in cancelled:
        taken[line.product_id] = taken.get(line.product_id, Decimal(0)) + line.quantity
    left = []
    for line in lines:
        used = min(line.quantity, taken.get(line.product_id, Decimal(0)))
        taken[line.product_id] = taken.get(line.product_id, Decimal(0)) - used
        if line.quantity > used:
            left.append((line, line.quantity - used))
    return left


def _promises(view: View, _: Mapping[str, Any]) -> Iterator[Item]:
    changes = of_kind(view.events, "order.spec_changed")
    for event in newest_by(of_kind(view.events, "promise.made"), lambda e: str(e.data.promise_id)):
        data, made_at = event.data, when(event, "at")
        due = _promised(view, event, changes)
        if due is None:
            continue
        met = [when(e, "at") for e in of_kind(view.events, "promise.met") if e.data.promise_id == data.promise_id]
        fields = {"promise_id": data.promise_id, "order_id": data.order_id, "by": data.by, "made_at": made_at}
        last = local_day(due - timedelta(microseconds=1), view.zone).isoformat()
        yield _item(due, event, fields | {"due": due, "due_day": last, "met_at": min(met, default=None)})


def _promised(view: View, promise: Standing, changes: list[Standing]) -> datetime | None:
    """When a promise is due: changes of its order reset it, but one that comes after the due excuses nothing."""
    made_at = when(promise, "at")
    due: datetime | None = promise.data.due.astimezone(UTC)
    for change in sorted(changes, key=lambda c: (when(c, "at"), c.time, c.source, c.id)):
        at, promised = when(change, "at"), change.data.promised_date
        mine = promise.data.order_id is not None and change.data.order_id == promise.data.order_id
        if mine and made_at < at and (due is None or at < due):
            due = None if promised is None else midnight(promised + DAY, view.zone)
    return due


def _stage_steps(view: View, _: Mapping[str, Any]) -> Iterator[Item]:
    for event in of_kind(view.events, "opportunity.stage_changed"):
        data = event.data
        jump = _jump(data.from_, data.to)
        yield _item(when(event, "at"), event, data.model_dump(by_alias=True) | {"jump": jump})


def _jump(before: str | None, after: str) -> int | None:
    if "lost" in (before, after) or (before is None and after == "lead"):
        return 1
    if before not in PLACES or after not in PLACES:
        return None
    return PLACES.index(after) - PLACES.index(before)


def _stage_visits(view: View, _: Mapping[str, Any]) -> Iterator[Item]:
    steps = sorted(
        of_kind(view.events, "opportunity.stage_changed"), key=lambda e: (when(e, "at"), e.time, e.source, e.id)
    )
    for number, event in enumerate(steps):
        name = event.data.opportunity_id
        left = [when(later, "at") for later in steps[number + 1 :] if later.data.opportunity_id == name]
        fields = {"opportunity_id": name, "stage": event.data.to, "left_at": min(left, default=None)}
        yield _item(when(event, "at"), event, fields)


def _milestones(view: View, _: Mapping[str, Any]) -> Iterator[Item]:
    for event in of_kind(view.events, "customer.milestone"):
        fields = event.data.model_dump()
        yield _item(true_at(view, event), event, fields | {"subject": f"{fields['kind']}:{fields['occurs_on']}"})


def _anniversaries(view: View, options: Mapping[str, Any]) -> Iterator[Item]:
    lead = timedelta(days=int(str(options.get("lead", "0d")).rstrip("d")))
    last = local_day(view.clock, view.zone) + lead
    for event in newest_by(of_kind(view.events, "contact.birthday"), lambda e: str(e.data.contact_id)):
        data, known = event.data, event.time
        month, day = (int(part) for part in data.month_day.split("-"))
        for year in range(local_day(known, view.zone).year - 1, last.year + 2):
            if data.lunar:
                on = lunar_day(year, month, day) if year in LUNAR_YEARS else None
            else:
                on = in_year(datetime(2000, month, day, tzinfo=UTC).date(), year)
            if on is not None and midnight(on - lead, view.zone) >= known:
                fields = {"kind": "birthday", "contact_id": data.contact_id, "subject": data.contact_id}
                yield _item(midnight(on - lead, view.zone), event, fields | {"opt_in": data.opt_in, "day": str(on)})
    contracts = of_kind(view.events, "contract.signed")
    if contracts:
        first = min(contracts, key=lambda e: (when(e, "signed_at"), e.time, e.source, e.id))
        begun = when(first, "signed_at")
        for years in range(1, last.year - begun.year + 2):
            day_of = local_day(begun, view.zone)
            on = in_year(day_of, day_of.year + years)
            at = midnight(on - lead, view.zone)
            if at >= begun:
                fields = {"kind": "cooperation", "subject": "cooperation", "years": years, "day": str(on)}
                yield _item(at, first, fields)


DERIVED: dict[str, Any] = {
    "instalments": _instalments,
    "receipts": _receipts,
    "orders": _orders,
    "promises": _promises,
    "stage_steps": _stage_steps,
    "stage_visits": _stage_visits,
    "milestones": _milestones,
    "anniversaries": _anniversaries,
}
