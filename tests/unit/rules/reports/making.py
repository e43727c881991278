"""Small worlds for the reports: customers from their events, through state, snapshot and wire, as in production."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.codec import parse
from schemas.customers import ClassNow, CustomerSnapshot, MonthCounters, decode_record
from schemas.events import Event, ReferenceEvent
from services.rules.calendar import Calendar
from services.rules.entries import entry_of
from services.rules.reference import Reference
from services.rules.reports.catalogue import CATALOGUE
from services.rules.reports.customer import Customer
from services.rules.reports.model import Missing, Row
from services.rules.reports.query import GroupBy, Query
from services.rules.snapshots import Judged, Telling
from services.rules.state import CustomerState
from tests.unit.rules.making import event

SHANGHAI = Calendar(ZoneInfo("Asia/Shanghai"))
NOW = "2030-01-01"


def day(text: str) -> int:
    """2026-03-01 as an ordinal."""
    return date.fromisoformat(text).toordinal()


def records(
    customer_id: str, *events: Event, judged: Judged | None = None, calendar: Calendar = SHANGHAI
) -> list[bytes]:
    """What the rules service writes of the customer."""
    state = CustomerState.new(customer_id, calendar)
    for one in events:
        state.add(entry_of(one, calendar))
    now = calendar.start_of_day(day(NOW))
    telling = Telling.of(state)
    return [raw for _, raw in telling.records(judged or Judged(), now, telling.months) if raw is not None]


def customer(
    customer_id: str,
    *events: Event,
    classes: dict[str, str | None] | None = None,
    calendar: Calendar = SHANGHAI,
    usual_owner: str | None = None,
) -> Customer:
    """The customer as a report reads it."""
    judged = Judged(classes={rule: ClassNow(value=value) for rule, value in (classes or {}).items()})
    snapshot: CustomerSnapshot | None = None
    months: dict[str, MonthCounters] = {}
    for raw in records(customer_id, *events, judged=judged, calendar=calendar):
        record = decode_record(raw)
        if isinstance(record, CustomerSnapshot):
            snapshot = record
        else:
            months[record.month] = record
    assert snapshot is not None
    return Customer(snapshot, months, usual_owner)


def learned(*events: Event) -> Reference:
    """A reference that has heard of these."""
    reference = Reference()
    for one in events:
        assert isinstance(one, ReferenceEvent)
        reference.learn(one)
    return reference


def reference_event(kind: str, time: str, **data: Any) -> Event:
    """An event of no customer."""
    return parse(
        {
            "specversion": "1.0",
            "id": f"{kind}-{time}-{sorted(data.items())}".replace(" ", "")[:200],
            "source": "erp",
            "type": f"bellwether.{kind}",
            "time": datetime.fromisoformat(f"{time} 09:00").replace(tzinfo=SHANGHAI.zone).isoformat(),
            "data": data,
        }
    )


def tables(
    name: str,
    customers: Iterable[Customer],
    since: str,
    until: str,
    by: GroupBy | None = None,
    owner: str | None = None,
    reference: Reference | None = None,
    calendar: Calendar = SHANGHAI,
    today: str | None = None,
) -> dict[str, list[Row]]:
    """The rows of a report's tables, by the table's name."""
    query = Query(day(since), day(until), calendar, None if today is None else day(today), by, owner)
    report = CATALOGUE[name].build(query, reference or Reference())
    for one in customers:
        report.add(one)
    found = report.tables()
    for table in found:
        for row in table.rows:
            assert list(row) == [column.name for column in table.columns], "every row has every column, in order"
    return {table.name: table.rows for table in found}


def why(cell: object) -> str:
    """The reason of a figure that is not known."""
    assert isinstance(cell, Missing), cell
    return cell.why.en


def order(name: str, at: str, price: str = "100.00", **more: Any) -> Event:
    """An order of one piece in CNY; `cost` and `line` are its cost and product line."""
    cost, line, currency = more.pop("cost", None), more.pop("line", None), more.pop("currency", "CNY")
    piece = {"product_id": "P", "quantity": "1", "unit_price": price}
    piece |= {"unit_cost": cost} if cost else {}
    piece |= {"product_line": line} if line else {}
    return event("order.placed", at, id=f"order-{name}", order_id=name, currency=currency, lines=[piece], **more)


def activity(kind: str, at: str, by: str | None = None, **more: Any) -> Event:
    """A call, a visit, … that reached somebody."""
    channel = {"visit": "onsite", "call": "phone"}.get(kind, "video")
    return event("activity.logged", at, kind=kind, **{"channel": channel, **({"by": by} if by else {}), **more})


def owned(at: str, new: str) -> Event:
    """A new owner."""
    return event("customer.owner_changed", at, new=new)


def stage(deal: str, at: str, to: str, **more: Any) -> Event:
    """An opportunity enters a stage."""
    return event("opportunity.stage_changed", at, opportunity_id=deal, to=to, **more)


def profile(**fields: Any) -> Event:
    """What is said of the customer since long ago."""
    return event("profile.updated", "2020-01-01", section="basic", fields=fields)
