"""Rules about contact, service and the archive, from READINGS."""

from __future__ import annotations

from datetime import timedelta

from tests.oracle.book_classes import KIND, SECTIONS
from tests.oracle.book_words import (
    CONTACT,
    CUSTOMER,
    DAY,
    ONLINE,
    RANKED_FOR,
    REACHED,
    SIGNED,
    VISIT,
    activity,
    profile,
    section_age,
    tier,
)
from tests.oracle.conditions import All, Condition, Some
from tests.oracle.counting import Count, Mean
from tests.oracle.knobs import Knobs
from tests.oracle.known import Source, Where
from tests.oracle.lasting import Filled, Rank, Result, SinceLast
from tests.oracle.missing import Missed, Waiting
from tests.oracle.rules import PointRule, Rule, StretchRule

HOUR = timedelta(hours=1)
CARD = ["name", "employer", "post", "address", "contact"]
VISITING: Where = {**REACHED, "kind": {"in": ["visit", "exec_visit"]}}
RESOLVED = [Source("service_case.resolved"), Source("service_case.closed")]
BY_CASE = {"case_id": "case_id"}


def important(knobs: Knobs) -> Condition:
    """R7: by receipts, rank, class or a word in the profile."""
    return Some(
        tier(knobs.r7_currency, knobs.r7_stay_months, knobs.r7_receipts),
        Rank("order_amount_12m", RANKED_FOR, "none") >= 0.8,
        Result(KIND).within("strategic", "key_cultivation"),
        profile("important").equals(True),  # noqa: FBT003
    )


def _not_followed_up(knobs: Knobs) -> StretchRule:
    matters = important(knobs)
    quiet = SinceLast("activity.logged", REACHED, [matters, Source("customer.owner_changed")])
    return StretchRule("R7", All(matters, quiet >= knobs.r7_limit))


def _unanswered(priorities: list[str]) -> Waiting:
    opened = Source("service_case.opened", {"priority": {"in": priorities}})
    return Waiting(opened, [Source("service_case.acknowledged"), *RESOLVED], BY_CASE)


def _service_case() -> StretchRule:
    unresolved = Waiting(Source("service_case.opened"), RESOLVED, BY_CASE)
    late = Some(
        _unanswered(["P1"]) >= HOUR / 2,
        _unanswered(["P2", "P3", "P4"]) >= 4 * HOUR,
        All(Count("service_case.assigned") > 2, unresolved.known()),
        unresolved >= 7 * DAY,
    )
    return StretchRule("R30", late, "service_case", "service")


def _cadence() -> list[Rule]:
    survey = [activity("survey", parts={"has": part}) for part in ("questionnaire", "phone")]
    salon = Source("event.invited", {"kind": {"is": "salon"}})
    return [
        StretchRule("R6", All(tier(), Missed("week", [ONLINE], tier(), working=True) >= 1), source="crm"),
        StretchRule("R6b", All(tier(), Missed("quarter", [VISIT], tier()) >= 1), source="crm"),
        StretchRule("R28", Missed("month", survey, CUSTOMER) >= 1, source="crm"),
        StretchRule("R28b", Missed("quarter", [salon], CUSTOMER) >= 1, source="crm"),
        StretchRule("R28c", Missed("year", [activity("exec_visit")], CUSTOMER) >= 1, source="crm"),
    ]


def _after_something() -> list[Rule]:
    owner, milestone = Source("customer.owner_changed"), Source("milestones", {"kind": {"not": "mourning"}})
    answered = Source("feedback.answered")
    feedback = {"feedback_id": "feedback_id"}
    return [
        StretchRule("R8", Waiting(owner, CONTACT, {"by": "new"}, restarts=True) >= 7 * DAY, source="crm"),
        StretchRule("R14", Waiting(Source("feedback.raised"), answered, feedback) >= 7 * DAY, "feedback", "crm"),
        StretchRule("R28d", Waiting(milestone, activity("care")) >= 3 * DAY, "milestone", "crm"),
        StretchRule("R39", Waiting(Source("order.delivered"), CONTACT) >= 7 * DAY, "order", "crm"),
        StretchRule("R39b", Waiting(Source("service_case.closed"), CONTACT) >= 7 * DAY, "service_case", "crm"),
        StretchRule(
            "R31",
            Waiting(Source("promises"), Source("promise.met"), {"promise_id": "promise_id"}) >= timedelta(0),
            "promise",
            "erp",
        ),
    ]


def _archive() -> list[Rule]:
    old = [section_age(section) >= 92 * DAY for section in SECTIONS]
    unvisited = SinceLast("activity.logged", VISIT.where, [SIGNED])
    return [
        StretchRule("R11", Some(*old), source="crm"),
        StretchRule("R35", All(CUSTOMER, Filled("basic", CARD) < 1)),
        StretchRule("R39c", All(CUSTOMER, unvisited >= 90 * DAY), source="crm"),
    ]


def care_rules(knobs: Knobs) -> list[Rule]:
    """All of them."""
    changed = Count("customer.owner_changed", {"old": {"known": True}}, "365d")
    unbooked = Source("activity.logged", {**VISITING, "next_at": {"known": False}})
    return [
        _not_followed_up(knobs),
        _service_case(),
        *_cadence(),
        *_after_something(),
        *_archive(),
        StretchRule("R9", changed >= 2),
        StretchRule("R12", Mean("service_case.closed", "score", window="90d") <= 2),
        PointRule("R13", Source("external.noted", {"sentiment": {"is": "negative"}})),
        PointRule("R33", unbooked),
        PointRule("R29", Source("anniversaries", {"kind": {"is": "cooperation"}}, {"lead": "3d"}), per="anniversary"),
        PointRule(
            "R29",
            Source("anniversaries", {"kind": {"is": "birthday"}, "opt_in": {"is": True}}, {"lead": "3d"}),
            per="anniversary",
        ),
    ]
