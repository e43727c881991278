"""What happens now and then, and is handled well: every kind of event, and no cause for a warning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.ingest.sample.company import other_owner
from services.ingest.sample.diary import CRM, DESK, ERP, FINANCE, Diary, money_text
from services.ingest.sample.names import contact_name
from services.ingest.sample.routine import due_day, invoice_and_payment

Occasion = Callable[[Diary, datetime], None]
"""Writes what begins at an instant, at least 40 days before the end."""


def credit_note(diary: Diary, at: datetime) -> None:
    amount = diary.money(8_000, 20_000)
    day = at.date()
    invoice = invoice_and_payment(diary, day, due_day(day), amount, due_day(day) - timedelta(days=5))
    data = {
        "invoice_id": invoice,
        "credit_id": diary.name("CN"),
        "amount": "500.00",
        "currency": diary.currency,
        "credit_date": (day + timedelta(days=2)).isoformat(),
    }
    diary.write("invoice.credited", at + timedelta(days=2), FINANCE, data)


def dispute_upheld(diary: Diary, at: datetime) -> None:
    """Two invoices in a row go unpaid past their due days, but the customer is right about both: no R1."""
    for months in (0, 1):
        issued = at.date() + timedelta(days=31 * months)
        due = due_day(issued)
        late = due + timedelta(days=20)
        invoice = invoice_and_payment(diary, issued, due, diary.money(5_000, 9_000), late)
        disputed = diary.scene.on(due - timedelta(days=4))
        reason = "wrong quantity" if diary.customer.english else "数量与送货单不符"
        diary.write("invoice.disputed", disputed, FINANCE, {"invoice_id": invoice, "reason": reason})
        settled = {"invoice_id": invoice, "outcome": "upheld"}
        diary.write("dispute.settled", disputed + timedelta(days=9), FINANCE, settled)
        explained = {"invoice_id": invoice, "reason": reason, "fault": "ours"}
        diary.write("invoice.delay_explained", diary.scene.on(late, 17), FINANCE, explained)


def payment_bounced(diary: Diary, at: datetime) -> None:
    """Reversed, and paid again while there is time."""
    amount = diary.money(6_000, 12_000)
    issued = at.date()
    first = issued + timedelta(days=3)
    invoice = invoice_and_payment(diary, issued, due_day(issued), amount, None)
    for days in (0, 4):
        paid = first + timedelta(days=days)
        payment_id = diary.name("PAY")
        data = {
            "payment_id": payment_id,
            "amount": money_text(amount),
            "currency": diary.currency,
            "value_date": paid.isoformat(),
            "allocations": [{"invoice_id": invoice, "amount": money_text(amount)}],
        }
        diary.write("payment.received", diary.scene.on(paid, 15), FINANCE, data)
        if days == 0:
            at = diary.scene.on(paid + timedelta(days=2))
            diary.write("payment.reversed", at, FINANCE, {"payment_id": payment_id, "reason": "returned"})


def order_changed(diary: Diary, at: datetime) -> None:
    """One order is cancelled in part; another gets new specifications with a new date."""
    line = {"product_id": "P-20", "quantity": "4", "unit_price": "250.00", "unit_cost": "190.00"}
    for change in ("order.cancelled", "order.spec_changed"):
        order = diary.name("O")
        placed = {"order_id": order, "currency": diary.currency, "lines": [line]}
        diary.write("order.placed", at, ERP, placed)
        cancelled = {"order_id": order, "lines": [{"product_id": "P-20", "quantity": "1"}]}
        respecified = {"order_id": order, "promised_date": (at + timedelta(days=20)).date().isoformat()}
        data = cancelled if change == "order.cancelled" else respecified
        diary.write(change, at + timedelta(days=2), ERP, data)
        diary.write("order.delivered", at + timedelta(days=12), ERP, {"order_id": order})
    diary.contact_made(at + timedelta(days=14))


def contract_renewed(diary: Diary, at: datetime) -> None:
    renewed = {"contract_id": diary.name("K"), "signed_at": at.isoformat(), "kind": "renewal"}
    diary.write("contract.signed", at, CRM, renewed)
    ended = {"contract_id": f"K-{diary.customer.id}-0001", "reason": "replaced by the renewal"}
    diary.write("contract.ended", at + timedelta(days=1), CRM, ended)


def contact_news(diary: Diary, at: datetime) -> None:
    """A user joins, a phone number changes, a birthday is noted. Nobody who decides has left."""
    user = diary.person("user")
    name = contact_name(diary.customer.english, diary.random)
    joined = {"contact_id": user, "change": "joined", "decision_role": "user", "details": {"name": name}}
    diary.write("contact.changed", at, CRM, joined)
    phone = {"contact_id": diary.person("procurement"), "change": "details", "details": {"phone": "+86 10 5550 0100"}}
    diary.write("contact.changed", at + timedelta(days=3), CRM, phone)
    birthday = {"contact_id": user, "month_day": "05-17", "opt_in": True}
    diary.write("contact.birthday", at + timedelta(days=4), CRM, birthday)


def mistaken_departure(diary: Diary, at: datetime) -> None:
    """Somebody was entered as gone by mistake, and it was taken back within the hour."""
    left = {"contact_id": diary.person("technical"), "change": "left", "decision_role": "technical"}
    wrong = diary.write("contact.changed", at, CRM, left)
    back = {"retracted": True, "supersedes": wrong}
    diary.write("contact.changed", at + timedelta(minutes=40), CRM, left, **back)


def new(diary: Diary, at: datetime) -> None:
    """A colleague takes over for good reason and calls the next day."""
    successor = other_owner(diary.customer.owner)
    changed = {"old": successor, "new": diary.customer.owner}
    diary.write("customer.owner_changed", at, CRM, changed)
    diary.contact_made(at + timedelta(days=1))


def feedback(diary: Diary, at: datetime) -> None:
    asked = diary.name("F")
    raised = {"feedback_id": asked, "kind": "suggestion", "topic": "packaging", "contact_role": "user"}
    diary.write("feedback.raised", at, CRM, raised)
    answered = {"feedback_id": asked, "by": diary.customer.owner}
    diary.write("feedback.answered", at + timedelta(days=2), CRM, answered)


def voices(diary: Diary, at: datetime) -> None:
    """A good survey, a visit to our salon, kind words in the press, a day's visit by a competitor."""
    diary.write("survey.answered", at, CRM, {"satisfaction": 5, "nps": 9, "contact_id": diary.person("user")})
    attended = {"event_id": f"salon-{at:%Y-%m}", "kind": "salon", "contact_id": diary.person("procurement")}
    diary.write("event.attended", at + timedelta(days=1), CRM, attended)
    noted = {"kind": "media", "sentiment": "positive", "source": "trade press"}
    diary.write("external.noted", at + timedelta(days=2), CRM, noted)
    seen = {"competitor_id": "rival-a", "kind": "trade_show", "confidence": 0.8}
    diary.write("competitor.activity", at + timedelta(days=3), CRM, seen)
    # The same day again: two sightings, one day.
    diary.write("competitor.activity", at + timedelta(days=3, hours=3), CRM, seen)


def prospects(diary: Diary, at: datetime) -> None:
    """A judgement, a celebration with our good wishes, a special request."""
    until = (at + timedelta(days=365)).date().isoformat()
    diary.write("assessment.recorded", at, CRM, {"score": 72, "assessor": diary.customer.owner, "valid_until": until})
    opening = at + timedelta(days=2)
    diary.write("customer.milestone", at, CRM, {"kind": "opening", "occurs_on": opening.date().isoformat()})
    diary.contact_made(opening + timedelta(hours=5), "care")
    diary.write("request.logged", at + timedelta(days=5), CRM, {"kind": "custom", "topic": "special dimensions"})


def merged(diary: Diary, at: datetime) -> None:
    diary.write("customer.merged", at, CRM, {"merged_customer_id": f"{diary.customer.id}-OLD"})


CHECKLISTS = {
    "opportunity": ("decision_chain", "budget"),
    "needs": ("needs_interview", "needs_document"),
    "proposal": ("proposal_document", "presentation"),
    "negotiation": ("price_agreed", "contract_draft"),
}
"""What is to be done in each stage of a sale, as the tasks are called."""


def opportunity(diary: Diary, at: datetime) -> None:
    """From lead to contract by the book."""
    lead, deal = diary.name("L"), diary.name("OPP")
    diary.write("lead.created", at, CRM, {"lead_id": lead, "owner": diary.customer.owner, "campaign": "spring-fair"})
    previous = None
    for number, stage in enumerate(("lead", *CHECKLISTS, "won")):
        moved = at + timedelta(days=4 * number)
        confirmed = {"need_confirmed": True, "budget_confirmed": True, "decision_process_confirmed": True}
        step(diary, moved, deal, previous, stage, lead_id=lead, **(confirmed if stage == "opportunity" else {}))
        if stage == "proposal":
            diary.contact_made(moved + timedelta(hours=3), "minutes_sent", channel="email", opportunity_id=deal)
            sent = {"kind": "proposal", "opportunity_id": deal}
            diary.write("document.sent", moved + timedelta(hours=5), CRM, sent)
            needed = {"opportunity_id": deal, "status": "needs_technical_support"}
            diary.write("opportunity.status_changed", moved + timedelta(hours=6), CRM, needed)
        for task in CHECKLISTS.get(stage, ()):
            done = {"kind": task, "opportunity_id": deal, "by": diary.customer.owner}
            diary.write("task.completed", moved + timedelta(days=3), CRM, done)
        previous = stage


def step(diary: Diary, at: datetime, deal: str, previous: str | None, stage: str, **more: Any) -> None:
    """A sale goes on to a stage."""
    came = {"from": previous} if previous else {}
    moved = {"opportunity_id": deal, **came, "to": stage, "owner": diary.customer.owner}
    diary.write("opportunity.stage_changed", at, CRM, {**moved, **more})


def prospect(diary: Diary) -> None:
    """Nothing is signed yet: a lead whose need, budget and way of deciding were confirmed twelve days ago."""
    lead, deal = diary.name("L"), diary.name("OPP")
    begun = diary.scene.at(40, 10)
    diary.write("lead.created", begun, CRM, {"lead_id": lead, "owner": diary.customer.owner, "channel": "trade fair"})
    step(diary, begun, deal, None, "lead", lead_id=lead)
    confirmed = {"need_confirmed": True, "budget_confirmed": True, "decision_process_confirmed": True}
    step(diary, diary.scene.at(12, 10), deal, "lead", "opportunity", lead_id=lead, **confirmed)
    judged = {"score": 65, "assessor": diary.customer.owner}
    diary.write("assessment.recorded", diary.scene.at(11, 15), CRM, judged)
    for days_ago in range(39, 0, -6):
        diary.contact_made(diary.scene.at(days_ago, 11))


def service_case(diary: Diary, at: datetime) -> None:
    """Acknowledged at once, found its owner at once, solved, and praised; then a call."""
    case = {"case_id": diary.name("S")}
    diary.write("service_case.opened", at, DESK, {**case, "priority": "P2", "topic": "calibration"})
    diary.write("service_case.acknowledged", at + timedelta(minutes=10), DESK, {**case, "by": "gao.yuan"})
    diary.write("service_case.assigned", at + timedelta(minutes=25), DESK, {**case, "to": "gao.yuan"})
    resolved = at + timedelta(hours=4)
    diary.write("service_case.resolved", resolved, DESK, case)
    promised = (at + timedelta(days=1)).isoformat()
    closed = {**case, "score": 5, "promised_at": promised, "resolved_at": resolved.isoformat()}
    diary.write("service_case.closed", at + timedelta(hours=6), DESK, closed)
    diary.contact_made(at + timedelta(days=2))


def promise_kept(diary: Diary, at: datetime) -> None:
    promise = diary.name("PR")
    due = (at + timedelta(days=10)).isoformat()
    made = {"promise_id": promise, "due": due, "by": diary.customer.owner, "about": "samples"}
    diary.write("promise.made", at, CRM, made)
    diary.write("promise.met", at + timedelta(days=6), CRM, {"promise_id": promise})


OCCASIONS: tuple[Occasion, ...] = (
    credit_note,
    dispute_upheld,
    payment_bounced,
    order_changed,
    contract_renewed,
    contact_news,
    mistaken_departure,
    new,
    feedback,
    voices,
    prospects,
    merged,
    opportunity,
    service_case,
    promise_kept,
)
"""Together with the routine: every event of a customer."""
