"""Customers whose relationship is going wrong today: one story for each rule that the sample shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from schemas.events import PREFIX
from services.ingest.sample.diary import CRM, Diary
from services.ingest.sample.names import contact_name
from services.ingest.sample.routine import invoice_and_payment, routine, signing

Trouble = Callable[[Diary], None]
"""Writes a customer's whole diary."""

SILENT_DAYS = 45
LATE_MONTHS = 3


def paying_late(diary: Diary) -> None:
    """R1: in each of the last three full months an invoice was paid nine days after it was due; all other money came in
    time."""
    routine(diary)
    for back in range(LATE_MONTHS, 0, -1):
        due = diary.scene.month(back).replace(day=6)
        amount = diary.money(30_000, 90_000)
        invoice_and_payment(diary, due - timedelta(days=30), due, amount, due + timedelta(days=9))


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
    signing(diary, diary.signed_days_ago, confirmed_after_h=None)


def forgotten_by_flag(diary: Diary) -> None:
    """R7: marked as important in its profile; the last contact is six weeks ago."""
    routine(diary)
    flag = {"section": "basic", "fields": {"important": True}}
    diary.write("profile.updated", diary.scene.at(200, 9), CRM, flag)
    fall_silent(diary)


def forgotten_by_receipts(diary: Diary) -> None:
    """R7: more than 500,000 CNY received in every month; the last contact is six weeks ago."""
    diary.important = True
    routine(diary)
    fall_silent(diary)


def fall_silent(diary: Diary) -> None:
    """Nobody was in touch in the last SILENT_DAYS days."""
    since = diary.scene.at(SILENT_DAYS)
    diary.events = [
        event
        for event in diary.events
        if event["type"] != PREFIX + "activity.logged" or datetime.fromisoformat(event["time"]) < since
    ]


TROUBLES: dict[str, tuple[Trouble, ...]] = {
    "R1": (paying_late, paying_late),
    "R1b": (not_paying,),
    "R2": (buyer_left, finance_replaced),
    "R3": (courted_by_competitors,),
    "R5": (needs_never_asked,),
    "R7": (forgotten_by_flag, forgotten_by_receipts),
}
"""The stories by the rule whose warning holds at the sample's end."""
