"""Customers to sell to or to invest in: sales that leave the procedure, and classes that call for more."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from schemas.events import PREFIX
from services.ingest.sample.diary import CRM, Diary
from services.ingest.sample.occasions import CHECKLISTS, step
from services.ingest.sample.routine import routine

CONFIRMED = {"need_confirmed": True, "budget_confirmed": True, "decision_process_confirmed": True}


def off_the_book(diary: Diary) -> None:
    """R24, R24a, R24b, R24c, R24e: an opportunity without a budget, nobody of finance known, the needs analysis
    skipped, no minutes three days after the presentation, and technical staff wanted."""
    routine(diary)
    diary.events = [
        event
        for event in diary.events
        if event["type"] != PREFIX + "contact.role_set" or event["data"]["decision_role"] != "finance"
    ]
    deal = diary.name("OPP")
    step(diary, diary.scene.at(20, 10), deal, None, "lead")
    unconfirmed = {**CONFIRMED, "budget_confirmed": False}
    step(diary, diary.scene.at(6, 10), deal, "lead", "opportunity", **unconfirmed)
    step(diary, diary.scene.at(3, 10), deal, "opportunity", "proposal")
    needed = {"opportunity_id": deal, "status": "needs_technical_support"}
    diary.write("opportunity.status_changed", diary.scene.at(2, 11), CRM, needed)


def standstill(diary: Diary) -> None:
    """R24s, R24d: all of the negotiation's tasks are done, and yet it has stood there for six weeks."""
    routine(diary)
    deal, previous = diary.name("OPP"), None
    for days_ago, stage in zip((80, 74, 68, 62, 45), ("lead", *CHECKLISTS), strict=True):
        moved = diary.scene.at(days_ago, 10)
        step(diary, moved, deal, previous, stage, **(CONFIRMED if stage == "opportunity" else {}))
        if stage == "proposal":
            diary.contact_made(moved + timedelta(hours=4), "minutes_sent", channel="email", opportunity_id=deal)
            sent = {"kind": "proposal", "opportunity_id": deal}
            diary.write("document.sent", moved + timedelta(hours=6), CRM, sent)
        previous = stage
    for task in CHECKLISTS["negotiation"]:
        done = {"kind": task, "opportunity_id": deal, "by": diary.customer.owner}
        diary.write("task.completed", diary.scene.at(20, 15), CRM, done)


def strategic_alone(diary: Diary) -> None:
    """R23: millions a year in a trade that grows fast, looked after by somebody who is no key account manager."""
    diary.important = True
    diary.growth_pct = 30
    routine(diary)


def worth_cultivating(diary: Diary) -> None:
    """R10a: about two millions a year, a trade that grows by a quarter, never late."""
    diary.monthly = Decimal(160_000)
    diary.growth_pct = 26
    routine(diary)


def wants_custom_parts(diary: Diary) -> None:
    """R27: half a million a year, a trade that grows by a third, and it asked twice for parts of its own."""
    diary.monthly = Decimal(42_000)
    diary.growth_pct = 32
    routine(diary)
    for days_ago in (200, 40):
        wish = {"kind": "custom", "topic": "special dimensions"}
        diary.write("request.logged", diary.scene.at(days_ago, 11), CRM, wish)
