"""The ordinary life of a customer with whom all is well: every service standard is kept."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from services.ingest.sample.diary import CRM, ERP, FINANCE, MONTHS, Diary, money_text

DUE_DAY = 15
"""Invoices are issued in one month and due on this day of the next."""

IMPORTANT_MONTHLY = (520_000, 900_000)
ORDINARY_MONTHLY = (20_000, 180_000)


def routine(diary: Diary) -> None:
    """Signing, monthly business, weekly contact, and the archive kept up to date."""
    signing(diary, diary.signed_days_ago, confirmed_after_h=diary.random.randint(8, 44))
    contacts(diary)
    for back in range(MONTHS, -1, -1):
        business_month(diary, back)
    for week in range(MONTHS * 31 // 7, -1, -1):
        contact_week(diary, week)
    for back in range(MONTHS, -1, -1):
        care_month(diary, back)


def signing(diary: Diary, days_ago: float, confirmed_after_h: float | None) -> None:
    """The first contract, with the needs confirmed so many hours later, or never."""
    signed = diary.scene.at(days_ago, 10)
    data = {
        "contract_id": diary.name("K"),
        "signed_at": signed.isoformat(),
        "value": money_text(diary.money(300_000, 3_000_000)),
        "currency": diary.currency,
        "kind": "framework",
    }
    diary.write("contract.signed", signed, CRM, data)
    if confirmed_after_h is not None:
        diary.contact_made(signed + timedelta(hours=confirmed_after_h), "needs_confirmation", channel="video")


def contacts(diary: Diary) -> None:
    """The decision chain, mapped a day after signing."""
    for role in ("procurement", "technical", "finance"):
        known = diary.scene.at(diary.signed_days_ago - 1, 15)
        diary.write("contact.role_set", known, CRM, {"contact_id": diary.person(role), "decision_role": role})


def business_month(diary: Diary, back: int) -> None:
    """An order, its delivery with a call after it, its invoice, and the payment before it is due."""
    first = diary.scene.month(back)
    if diary.scene.on(first) < diary.scene.at(diary.signed_days_ago - 3):
        return
    amount = diary.money(*(IMPORTANT_MONTHLY if diary.important else ORDINARY_MONTHLY))
    order = diary.name("O")
    line = {
        "product_id": f"P-{diary.random.randint(1, 12):02d}",
        "product_line": diary.random.choice(["valves", "sensors", "housings"]),
        "quantity": "10",
        "unit_price": money_text(amount / 10),
        "unit_cost": money_text(amount / 10 * Decimal("0.72")),
    }
    promised = first + timedelta(days=14)
    placed = {"order_id": order, "currency": diary.currency, "lines": [line], "promised_date": promised.isoformat()}
    diary.write("order.placed", diary.scene.on(first + timedelta(days=1), diary.hour()), ERP, placed)
    delivered = first + timedelta(days=diary.random.randint(8, 12))
    diary.write("order.delivered", diary.scene.on(delivered, 11), ERP, {"order_id": order})
    diary.contact_made(diary.scene.on(delivered + timedelta(days=2), diary.hour()))
    issued = first + timedelta(days=16)
    due = due_day(issued)
    invoice_and_payment(diary, issued, due, amount, due - timedelta(days=diary.random.randint(2, 9)))


def due_day(issued: date) -> date:
    """DUE_DAY of the month after."""
    return (issued.replace(day=1) + timedelta(days=31)).replace(day=DUE_DAY)


def invoice_and_payment(diary: Diary, issued: date, due: date, amount: Decimal, paid: date | None) -> str:
    """An invoice, and its payment in full on a value date, or none. Gives the invoice's id."""
    invoice = diary.name("INV")
    text = money_text(amount)
    data = {
        "invoice_id": invoice,
        "amount": text,
        "currency": diary.currency,
        "issue_date": issued.isoformat(),
        "due_date": due.isoformat(),
    }
    diary.write("invoice.issued", diary.scene.on(issued, 17), FINANCE, data)
    if paid is not None:
        payment(diary, invoice, amount, paid)
    return invoice


def payment(diary: Diary, invoice: str, amount: Decimal, paid: date) -> str:
    """Money with a value date, booked on the invoice. Gives the payment's id."""
    payment_id = diary.name("PAY")
    text = money_text(amount)
    data = {
        "payment_id": payment_id,
        "amount": text,
        "currency": diary.currency,
        "value_date": paid.isoformat(),
        "allocations": [{"invoice_id": invoice, "amount": text}],
    }
    diary.write("payment.received", diary.scene.on(paid, 16), FINANCE, data)
    return payment_id


def contact_week(diary: Diary, weeks_back: int) -> None:
    """One call or message in each calendar week: on its Monday to Thursday."""
    monday = diary.scene.today - timedelta(days=diary.scene.today.weekday() + 7 * weeks_back)
    day = monday + timedelta(days=diary.random.randint(0, 3))
    if diary.scene.on(day) < diary.scene.at(diary.signed_days_ago - 3):
        return
    kind, channel = diary.random.choice([("call", "phone"), ("message", "im"), ("meeting", "video")])
    diary.contact_made(diary.scene.on(day, diary.hour()), kind, channel=channel)


def care_month(diary: Diary, back: int) -> None:
    """The monthly survey; every second month a visit with the next one agreed; the archive, the salon, the managers."""
    first = diary.scene.month(back)
    if diary.scene.on(first) < diary.scene.at(diary.signed_days_ago - 3):
        return
    survey = diary.scene.on(first + timedelta(days=4), diary.hour())
    diary.contact_made(survey, "survey", parts=["questionnaire", "phone"])
    if first.month % 2 == 1:
        visit = diary.scene.on(first + timedelta(days=8), diary.hour())
        diary.contact_made(visit, "visit", next_at=(visit + timedelta(days=61)).isoformat())
    if first.month % 3 == 1:
        salon = diary.scene.on(first + timedelta(days=25), 14)
        invited = {"event_id": f"salon-{first:%Y-%m}", "kind": "salon", "held_at": salon.isoformat()}
        diary.write("event.invited", diary.scene.on(first + timedelta(days=5), 9), CRM, invited)
    if first.month == 3:
        diary.contact_made(diary.scene.on(first + timedelta(days=11), 14), "exec_visit")
    for section in ("basic", "relationship", "transaction", "external"):
        at = diary.scene.on(first + timedelta(days=6), diary.hour())
        diary.write("profile.updated", at, CRM, {"section": section, "confirmed_unchanged": True})
