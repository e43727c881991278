"""Customers whose relationship is going wrong today: money, people, competitors, orders."""

from __future__ import annotations

from datetime import timedelta

from services.ingest.sample.diary import CRM, Diary
from services.ingest.sample.names import contact_name
from services.ingest.sample.routine import invoice_and_payment, routine, signing

LATE_MONTHS = 3
STOPPED_DAYS = 120


def paying_late(diary: Diary) -> None:
    """R1: in each of the last three full months an invoice was paid nine days after it was due; all other money came in
    time."""
    routine(diary)
    for back in range(LATE_MONTHS, 0, -1):
        _paid_late(diary, back)


def _paid_late(diary: Diary, back: int) -> None:
    due = diary.scene.month(back).replace(day=6)
    invoice_and_payment(diary, due - timedelta(days=30), due, diary.money(30_000, 90_000), due + timedelta(days=9))


def not_paying(diary: Diary) -> None:
    """R1b: one invoice that fell due three months ago is still unpaid; everything since was settled in time."""
    routine(diary)
    due = diary.scene.month(3).replace(day=20)
    invoice_and_payment(diary, due - timedelta(days=30), due, diary.money(40_000, 120_000), None)


def buyer_left(diary: Diary) -> None:
    """R2: the head of procurement left the day before yesterday."""
    routine(diary)
    name = contact_name(diary.customer.english, diary.random)
    gone = {
        "contact_id": diary.person("procurement"),
        "change": "left",
        "decision_role": "procurement",
        "effective_at": diary.scene.at(2, 9).isoformat(),
        "details": {"name": name},
    }
    diary.write("contact.changed", diary.scene.at(2, 11), CRM, gone)


def finance_replaced(diary: Diary) -> None:
    """R2: another finance director since yesterday."""
    routine(diary)
    successor = diary.person("finance-2")
    replaced = {
        "contact_id": diary.person("finance"),
        "change": "replaced",
        "decision_role": "finance",
        "successor_id": successor,
    }
    diary.write("contact.changed", diary.scene.at(1, 10), CRM, replaced)


def courted_by_competitors(diary: Diary) -> None:
    """R3: seen with competitors at trade fairs on three days within the last 90."""
    routine(diary)
    for days_ago, rival in ((38, "rival-a"), (12, "rival-b"), (5, "rival-a")):
        seen = {
            "competitor_id": rival,
            "kind": "trade_show",
            "source": "our own stand" if diary.customer.english else "展会现场",
            "confidence": 0.9,
        }
        diary.write("competitor.activity", diary.scene.at(days_ago, 14), CRM, seen)


def needs_never_asked(diary: Diary) -> None:
    """R5: a new customer signed four days ago, and nobody has confirmed the needs."""
    diary.signed_days_ago = 4
    lead = {"lead_id": diary.name("L"), "owner": diary.customer.owner}
    diary.write("lead.created", diary.scene.at(60, 9), CRM, lead)
    signing(diary, confirmed_after_h=None)


def late_giant(diary: Diary) -> None:
    """R10b, and so R23a: orders of millions, three late payments in half a year, never two months running; and its head
    is said to retire."""
    diary.important = True
    routine(diary)
    for back in (5, 3, 1):
        _paid_late(diary, back)
    rumour = {
        "contact_id": diary.person("executive"),
        "change": "left",
        "decision_role": "executive",
        "certainty": "rumoured",
    }
    diary.write("contact.changed", diary.scene.at(8, 15), CRM, rumour)


def stopped_ordering(diary: Diary) -> None:
    """R23a: no order for four months, after one in each month."""
    routine(diary)
    orders = {event["data"]["order_id"] for event in diary.forget(STOPPED_DAYS, "order.placed")}
    # An order is invoiced 15 days after it was placed.
    invoices = {event["data"]["invoice_id"] for event in diary.forget(STOPPED_DAYS - 15, "invoice.issued")}
    diary.events = [
        event
        for event in diary.events
        if event["data"].get("order_id") not in orders
        and not any(part["invoice_id"] in invoices for part in event["data"].get("allocations", ()))
    ]
