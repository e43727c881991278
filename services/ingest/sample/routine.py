"""The ordinary life of a customer with whom all is well: every service standard is kept."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from services.ingest.sample.diary import CRM, ERP, FINANCE, MONTHS, Diary, money_text

DUE_DAY = 15
"""Invoices are issued in one month and due on this day of the next."""

# About what is ordered in a month; each month is within SWING percent of it, so that no quarter is half of another,
# and an important customer stays above 500,000 CNY.
IMPORTANT_MONTHLY = (650_000, 900_000)
ORDINARY_MONTHLY = (30_000, 140_000)
ABROAD_MONTHLY = (4_000, 20_000)
SWING = 20
LATE_DAYS = 3
REPLY_MINUTES = (10, 900)

ARCHIVE: dict[str, dict[str, str | int]] = {
    "basic": {"industry": "machinery", "size": 240},
    "relationship": {"decision_chain": "mapped", "preferences": "calls in the morning"},
    "transaction": {"payment_terms": "30 days", "credit_limit": "500000.00", "product_lines": "valves, sensors"},
    "external": {"competitors": "two known", "policy": "none new", "market": "steady"},
}


def routine(diary: Diary) -> None:
    """Signing, monthly business, weekly contact, and from signing on the care and the archive."""
    if diary.monthly is None:
        diary.monthly = diary.money(*_monthly_range(diary))
    signing(diary, confirmed_after_h=diary.random.randint(8, 44))
    contacts(diary)
    for back in range(MONTHS, -1, -1):
        business_month(diary, back)
    for week in range(MONTHS * 31 // 7, -1, -1):
        contact_week(diary, week)
    for back in range(diary.signed_days_ago // 28 + 1, -1, -1):
        care_month(diary, back)


def _monthly_range(diary: Diary) -> tuple[int, int]:
    if diary.customer.english:
        return ABROAD_MONTHLY
    return IMPORTANT_MONTHLY if diary.important else ORDINARY_MONTHLY


def signing(diary: Diary, confirmed_after_h: float | None) -> None:
    """The archive, made the day before; the first contract; the needs confirmed so many hours later, or never."""
    for section in ARCHIVE:
        filed = {"section": section, "fields": _archive(diary, section)}
        diary.write("profile.updated", diary.scene.at(diary.signed_days_ago + 1, 16), CRM, filed)
    data = {
        "contract_id": diary.name("K"),
        "signed_at": diary.signed.isoformat(),
        "value": money_text(diary.money(300_000, 3_000_000)),
        "currency": diary.currency,
        "kind": "framework",
    }
    diary.write("contract.signed", diary.signed, CRM, data)
    if confirmed_after_h is not None:
        diary.contact_made(diary.signed + timedelta(hours=confirmed_after_h), "needs_confirmation", channel="video")


def _own_fields(diary: Diary, section: str) -> dict[str, str | int]:
    """What the archive says of this customer: the customer card, who is to be asked, how its trade grows."""
    if section == "basic":
        employer = diary.customer.name
        card = {"name": employer, "employer": employer, "post": "head of procurement", "contact": "by telephone"}
        return {**card, "address": "1 Harbour Road" if diary.customer.english else "工业园区一路1号"}
    if section == "relationship":
        return {"key_contact": diary.person("procurement")}
    return {"industry_growth_pct": diary.growth_pct} if section == "external" else {}


def _archive(diary: Diary, section: str) -> dict[str, str | int]:
    """What stands in a section on the day of signing; of a thin archive little more than the card."""
    common = {} if diary.has_thin_archive and section in ("relationship", "external") else ARCHIVE[section]
    return {**common, **_own_fields(diary, section)}


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
    amount = amount_of_month(diary)
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
    early = timedelta(days=diary.random.randint(2, 9))
    is_late = diary.late_every is not None and due.month % diary.late_every == 0
    invoice_and_payment(diary, issued, due, amount, due + timedelta(days=LATE_DAYS) if is_late else due - early)


def amount_of_month(diary: Diary) -> Decimal:
    """About what the customer orders in a month, a round amount."""
    assert diary.monthly is not None, "the routine has chosen"
    percent = diary.random.randint(100 - SWING, 100 + SWING)
    return diary.monthly * percent // 10_000 * 100


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
    more: dict[str, str | int] = {}
    if diary.random.random() < diary.liveliness:
        more = {"direction": "inbound", "reply_latency_minutes": diary.random.randint(*REPLY_MINUTES)}
    diary.contact_made(diary.scene.on(day, diary.hour()), kind, channel=channel, **more)


def care_month(diary: Diary, back: int) -> None:
    """A month that begun after signing: the survey; every second month a visit with the next one agreed and the
    archive; every third an invitation to the salon; in March the managers."""
    first = diary.scene.month(back)
    if diary.scene.on(first, 0) <= diary.signed:
        return
    survey = diary.scene.on(first + timedelta(days=4), diary.hour())
    diary.contact_made(survey, "survey", parts=["questionnaire", "phone"])
    if first.month % 2 == 1:
        visit = diary.scene.on(first + timedelta(days=8), diary.hour())
        diary.contact_made(visit, "visit", next_at=(visit + timedelta(days=61)).isoformat())
        archive_confirmed(diary, first)
    if first.month % 3 == 1:
        salon = diary.scene.on(first + timedelta(days=25), 14)
        invited = {"event_id": f"salon-{first:%Y-%m}", "kind": "salon", "held_at": salon.isoformat()}
        diary.write("event.invited", diary.scene.on(first + timedelta(days=5), 9), CRM, invited)
        if diary.random.random() < diary.liveliness:
            attended = {"event_id": invited["event_id"], "kind": "salon", "contact_id": diary.person("technical")}
            diary.write("event.attended", salon, CRM, attended)
    if first.month == 3:
        met = diary.scene.on(first + timedelta(days=11), 14)
        diary.contact_made(met, "exec_visit", next_at=(met + timedelta(days=365)).isoformat())


def archive_confirmed(diary: Diary, first: date) -> None:
    """Each section looked through, on the seventh of the month."""
    for section in ARCHIVE:
        at = diary.scene.on(first + timedelta(days=6), diary.hour())
        diary.write("profile.updated", at, CRM, {"section": section, "confirmed_unchanged": True})
