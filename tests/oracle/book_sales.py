"""Rules about the way from a lead to a contract, and about what customers are worth, from READINGS."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from tests.oracle.book_classes import CREDIT, KIND, PROMISE, VALUE
from tests.oracle.book_words import DAY, LATE_HALF_YEAR, ORDER_GAP, ORDER_TREND, RANKED_FOR, activity, profile
from tests.oracle.conditions import All, Condition, Some
from tests.oracle.counting import Count, Distinct
from tests.oracle.known import Source
from tests.oracle.lasting import Checklist, Latest, Rank, Result, SinceLast
from tests.oracle.missing import Waiting
from tests.oracle.rules import PointRule, Rule, StretchRule

TASKS = {
    "opportunity": ["decision_chain", "budget"],
    "needs": ["needs_interview", "needs_document"],
    "proposal": ["proposal_document", "presentation"],
    "negotiation": ["price_agreed", "contract_draft"],
}
OF_DEAL = {"opportunity_id": "opportunity_id"}
CONFIRMATIONS = ("need_confirmed", "budget_confirmed", "decision_process_confirmed")


def _steps() -> list[Rule]:
    mapped = Distinct(
        "contact.role_set", "decision_role", {"decision_role": {"in": ["procurement", "technical", "finance"]}}
    )
    leaving = Source("stage_steps", {"from": {"is": "opportunity"}, "to": {"not": "lost"}})
    # One filter for each confirmation: a step that lacks several is one point all the same.
    entering = [
        Source("stage_steps", {"from": {"is": "lead"}, "to": {"is": "opportunity"}, name: {"not": True}})
        for name in CONFIRMATIONS
    ]
    return [
        PointRule("R24", Source("stage_steps", {"jump": {"known": True, "not": 1}}), per="opportunity"),
        PointRule("R24a", leaving, mapped < 3, per="opportunity"),
        *(PointRule("R24e", source, per="opportunity") for source in entering),
    ]


def _tickets() -> list[Rule]:
    once = ("opportunity_id", "status")
    return [
        PointRule(rule, Source("opportunity.status_changed", {"status": {"is": status}}), None, "opportunity", once)
        for rule, status in (("R24c", "needs_technical_support"), ("R24cl", "contract_review"))
    ]


def _stages() -> list[Rule]:
    proposed = Source("opportunity.stage_changed", {"to": {"is": "proposal"}})
    proposal = Source("document.sent", {"kind": {"is": "proposal"}})
    limit = timedelta(hours=24)
    sent = Some(
        Waiting(proposed, activity("minutes_sent"), OF_DEAL, restarts=True) >= limit,
        Waiting(proposed, proposal, OF_DEAL, restarts=True) >= limit,
    )
    stage = Latest("stage_visits", "stage", default="")
    stuck = All(SinceLast("stage_visits") >= 30 * DAY, stage.outside("won", "lost", ""))
    return [
        StretchRule("R24b", sent, "opportunity", "crm"),
        StretchRule("R24s", stuck, "opportunity", "crm"),
        StretchRule("R24d", Checklist(TASKS) >= 1, "opportunity"),
    ]


def risk_watch() -> Condition:
    """R10b, which is a ground of R23a too."""
    return All(Result(VALUE).equals("high"), LATE_HALF_YEAR >= 3)


def sales_rules() -> list[Rule]:
    """All of them."""
    churn = Some(timedelta(0) <= ORDER_GAP, Fraction(1, 2) > ORDER_TREND, risk_watch())
    kam = profile("owner_role", default="").differs("KAM")
    return [
        *_steps(),
        *_tickets(),
        *_stages(),
        StretchRule("R10b", risk_watch()),
        StretchRule("R23a", churn, source="erp"),
        StretchRule("R10a", Result(KIND).equals("key_cultivation")),
        StretchRule("R27", Result(PROMISE).equals("high_potential")),
        StretchRule("R23", All(Result(KIND).equals("strategic"), kam)),
        StretchRule("R32", All(Result(CREDIT).within("A"), Count("orders", window="365d") >= 1)),
        StretchRule("R38", Rank("cross_sell", RANKED_FOR, "none") >= Fraction(1, 2)),
    ]
