"""Customers for whom a standard of service or care is not kept today: nobody called, came, answered or looked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from schemas.events import PREFIX
from services.ingest.sample.company import other_owner
from services.ingest.sample.diary import CRM, DESK, ERP, Diary, happened
from services.ingest.sample.routine import routine

# Longer than from the fifth of a month to the end of the next: the survey of the last full month is among it.
SILENT_DAYS = 62
# Longer than two quarters, so that a full quarter is among it; shorter than from March to the end of the year, so that
# the yearly visit of every full year stays.
NEGLECTED_DAYS = 200
OFFLINE_DAYS = 21
HANDED_OVER_DAYS = 25


def forgotten_by_flag(diary: Diary) -> None:
    """R7: marked as important in its profile, and nobody was in touch for two months, so that also deliveries and the
    survey went by."""
    routine(diary)
    flag = {"section": "basic", "fields": {"important": True}}
    diary.write("profile.updated", diary.scene.at(210, 9), CRM, flag)
    _fall_silent(diary)


def forgotten_by_receipts(diary: Diary) -> None:
    """R7, R6, R6b: more than 500,000 CNY received in every month, and nobody was in touch for two months."""
    diary.important = True
    routine(diary)
    _fall_silent(diary)


def _fall_silent(diary: Diary) -> None:
    diary.forget(SILENT_DAYS, "activity.logged")
    _forget_activities(diary, NEGLECTED_DAYS, "visit", "exec_visit")


def _forget_activities(diary: Diary, days: float, *kinds: str) -> None:
    kept = [event for event in diary.forget(days, "activity.logged") if event["data"]["kind"] not in kinds]
    diary.events += kept


def _change_activities(diary: Diary, days: float, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rewrites what is said of the activities of the last days."""
    since = diary.scene.at(days)
    for event in diary.events:
        if event["type"] == PREFIX + "activity.logged" and happened(event) >= since:
            event["data"] = change(event["data"])


def only_visited(diary: Diary) -> None:
    """R6: half a million a month, and for three weeks people came by but nobody called or wrote."""
    diary.important = True
    routine(diary)
    _change_activities(diary, OFFLINE_DAYS, lambda data: {**data, "channel": "onsite"})


def never_visited(diary: Diary) -> None:
    """R6b, R39c: half a million a month, and every visit of the last half year was replaced by a video call."""
    diary.important = True
    routine(diary)
    _change_activities(diary, NEGLECTED_DAYS, _by_video)


def _by_video(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "kind": "meeting", "channel": "video"} if data["channel"] == "onsite" else data


def handed_over(diary: Diary) -> None:
    """R8: a new owner for more than three weeks, and only the former one still calls."""
    routine(diary)
    former = other_owner(diary.customer.owner)
    changed = {"old": former, "new": diary.customer.owner}
    diary.write("customer.owner_changed", diary.scene.at(HANDED_OVER_DAYS, 9), CRM, changed)
    _change_activities(diary, HANDED_OVER_DAYS, lambda data: {**data, "by": former})


def passed_around(diary: Diary) -> None:
    """R9, R13: two changes of owner within a year, each with a call the next day; and bad press the day before
    yesterday."""
    routine(diary)
    owner, between = diary.customer.owner, other_owner(diary.customer.owner)
    for days_ago, old, new in ((300, owner, between), (20, between, owner)):
        diary.write("customer.owner_changed", diary.scene.at(days_ago, 9), CRM, {"old": old, "new": new})
        diary.contact_made(diary.scene.at(days_ago - 1, 11), by=new)
    noted = {"kind": "media", "sentiment": "negative", "source": "trade press"}
    diary.write("external.noted", diary.scene.at(2, 8), CRM, noted)


def poorly_served(diary: Diary) -> None:
    """R12, R30: a solution scored 1 of 5 three weeks ago; and since yesterday noon a fault that three people were given
    and nobody has answered."""
    routine(diary)
    _served(diary, days_ago=22, score=1)
    diary.contact_made(diary.scene.at(20, 15))
    case, noon = {"case_id": diary.name("S")}, diary.scene.at(1, 12)
    diary.write("service_case.opened", noon, DESK, {**case, "priority": "P1", "topic": "line down"})
    for hours, person in ((1, "gao.yuan"), (3, "he.jie"), (5, "sun.peng")):
        diary.write("service_case.assigned", noon + timedelta(hours=hours), DESK, {**case, "to": person})


def _served(diary: Diary, days_ago: float, score: int) -> None:
    """A case acknowledged at once, solved within hours and closed on the same day."""
    case, at = {"case_id": diary.name("S")}, diary.scene.at(days_ago, 9)
    diary.write("service_case.opened", at, DESK, {**case, "priority": "P3", "topic": "leak"})
    diary.write("service_case.acknowledged", at + timedelta(minutes=20), DESK, {**case, "by": "gao.yuan"})
    diary.write("service_case.assigned", at + timedelta(minutes=40), DESK, {**case, "to": "gao.yuan"})
    diary.write("service_case.resolved", at + timedelta(hours=5), DESK, case)
    diary.write("service_case.closed", at + timedelta(hours=6), DESK, {**case, "score": score})


def never_answered(diary: Diary) -> None:
    """R14, R31: what the finance director said about the terms six weeks ago has no answer, and samples promised for
    three days ago are not there."""
    routine(diary)
    asked = {
        "feedback_id": diary.name("F"),
        "kind": "complaint",
        "topic": "payment terms",
        "contact_id": diary.person("finance"),
        "contact_role": "finance",
    }
    diary.write("feedback.raised", diary.scene.at(40, 10), CRM, asked)
    due = diary.scene.at(3, 18).isoformat()
    promised = {"promise_id": diary.name("PR"), "due": due, "by": diary.customer.owner, "about": "samples"}
    diary.write("promise.made", diary.scene.at(30, 10), CRM, promised)


def neglected(diary: Diary) -> None:
    """R11, R28, R28b, R39c: for half a year no survey, no visit, no invitation, and nobody looked at the archive."""
    routine(diary)
    diary.forget(NEGLECTED_DAYS, "profile.updated", "event.invited")
    _forget_activities(diary, NEGLECTED_DAYS, "survey", "visit", "exec_visit")


def not_called_back(diary: Diary) -> None:
    """R39, R39b, R28d: goods delivered, a fault mended and a shop opened, and nobody has called since."""
    routine(diary)
    diary.forget(12, "activity.logged")
    order = diary.name("O")
    line = {"product_id": "P-20", "quantity": "2", "unit_price": "250.00", "unit_cost": "190.00"}
    placed = {"order_id": order, "currency": diary.currency, "lines": [line]}
    diary.write("order.placed", diary.scene.at(30, 10), ERP, placed)
    diary.write("order.delivered", diary.scene.at(9, 11), ERP, {"order_id": order})
    _served(diary, days_ago=9, score=4)
    opening = diary.scene.at(5).date().isoformat()
    diary.write("customer.milestone", diary.scene.at(8, 9), CRM, {"kind": "opening", "occurs_on": opening})


def loose_ends(diary: Diary) -> None:
    """R33, R35: yesterday's visit ended without the next one, and the customer card has lacked the post for a month."""
    routine(diary)
    diary.contact_made(diary.scene.at(1, 14), "visit")
    cleared = {"section": "basic", "fields": {"post": None}}
    diary.write("profile.updated", diary.scene.at(30, 9), CRM, cleared)
