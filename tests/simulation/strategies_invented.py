"""Invented rules that wait, miss, weigh and rank, and whole invented rule files with histories that suit them."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import strategies as st

from tests.simulation import strategies_contact as contacts
from tests.simulation import strategies_finance as finance
from tests.simulation import strategies_first as first
from tests.simulation import strategies_sales as sales
from tests.simulation import strategies_service as service
from tests.simulation.strategies import Document, History, Maker, Story, Theme, histories
from tests.simulation.strategies_reference import MEASURES, rankings
from tests.simulation.strategies_rules import (
    INVOICES,
    KINDS,
    REACHED,
    Draft,
    Inventing,
    Kind,
    Spec,
    best_month,
    counted,
    extreme,
    filled,
    inner_names,
    newest,
    past_usual_gap,
    shared,
    since_condition,
    since_last,
    summed,
    told_apart,
    trended,
    years,
)
from tests.simulation.strategies_scene import Scene

BY_CASE = {"case_id": "case_id"}
OF_DEAL = {"opportunity_id": "opportunity_id"}
CONTACT: Spec = {"of": "activity.logged", "where": REACHED}
WAITS: tuple[tuple[str | None, Spec, Any, Spec | None], ...] = (
    (
        "service_case",
        {"of": "service_case.opened"},
        [{"of": "service_case.resolved"}, {"of": "service_case.closed"}],
        BY_CASE,
    ),
    ("service_case", {"of": "service_case.closed"}, CONTACT, None),
    ("feedback", {"of": "feedback.raised"}, {"of": "feedback.answered"}, {"feedback_id": "feedback_id"}),
    ("promise", {"of": "promises"}, {"of": "promise.met"}, {"promise_id": "promise_id"}),
    ("contract", {"of": "contract.signed"}, CONTACT, None),
    ("opportunity", {"of": "opportunity.stage_changed"}, {"of": "document.sent"}, OF_DEAL),
    (None, {"of": "customer.owner_changed"}, CONTACT, {"by": "new"}),
    (None, {"of": "orders"}, CONTACT, None),
    (None, {"of": "contract.signed"}, [CONTACT, {"of": "event.invited"}], None),
)
WAITED = Kind(
    (contacts.any_contact, contacts.owner_changed, finance.contract, service.case_word, service.feedback_word),
    stories=(service.fault, service.feedback, service.promise, sales.proposed, contacts.handover),
)


def waiting(of: Inventing) -> Draft:
    per, after, answer, match = of.pick(*WAITS)
    spec: Spec = {"shape": "waiting", "after": after, "answer": answer}
    if match is not None:
        spec["match"] = match
    flag = of.pick(None, None, "restarts", "early", "first_only", "early and first_only")
    if flag is not None:
        spec |= dict.fromkeys(flag.split(" and "), True)
    leaf = of.leaf(spec, of.pick("0s", "30m", "1d", "7d", "30d"), ">=", ">=", ">")
    when = leaf if of.mostly() else {"all": [leaf, {**leaf, "op": "<", "value": "31d"}]}
    makers = [*WAITED.makers, finance.order_placed, sales.document, sales.any_step]
    return Draft({"measured": spec}, when, makers, list(WAITED.stories), per)


def customer(of: Inventing) -> Draft:
    """Whoever has ordered something or signed."""
    spec = {"shape": "count", "of": of.pick("contract.signed", "orders")}
    return of.drafted(spec, {"fact": "measured", "op": ">=", "value": 1}, KINDS[spec["of"]])


def missed(of: Inventing) -> Draft:
    survey = [{"of": "activity.logged", "where": {"parts": {"has": part}}} for part in ("questionnaire", "phone")]
    salon = {"of": "event.invited", "where": {"kind": {"is": "salon"}}}
    each = of.pick([CONTACT], survey, [salon], [CONTACT, {"of": "contract.signed"}])
    spec: Spec = {"shape": "missed", "every": of.pick("week", "month", "quarter", "year"), "each": each}
    draft = Draft({}, {}, [*WAITED.makers, *KINDS["orders"].makers], [contacts.weekly, contacts.monthly])
    if spec["every"] == "week" and of.coin():
        spec["working"] = True
    inner = of.pick(customer, customer, counted, newest, best_month)(of)
    draft.facts = {f"inner_{name}": fact for name, fact in inner.facts.items()}
    draft.makers += inner.makers
    draft.conditions = {"inner": inner_names(inner.when)}
    draft.facts["measured"] = {**spec, "while": "inner"}
    draft.when = of.leaf(spec, of.pick(1, 1, 2, 3), ">=", "==", ">")
    return draft


def in_yuan(maker: Maker, scene: Scene) -> Document:
    """The event in the one currency: what foreign invoices weigh in a balance changes with the rates."""
    document = maker(scene)
    if "currency" in document["data"]:
        document["data"]["currency"] = "CNY"
    return document


def balance(of: Inventing) -> Draft:
    spec = {"shape": "level", "series": of.pick("open_balance", "overdue_balance"), "currency": "CNY"}
    makers: list[Maker] = [partial(in_yuan, maker) for maker in (*INVOICES, first.payment_received)]
    stories: list[Story] = [finance.late_payments, first.accounts]
    return Draft(
        {"measured": spec}, of.leaf(spec, of.pick("0.01", "10.00", "20.00", "100"), ">=", ">"), makers, stories
    )


def ranked(of: Inventing) -> Draft:
    spec = {"shape": "rank", "measure": of.pick(*MEASURES)}
    if of.mostly():
        spec["max_age"] = of.pick("1d", "30d", "90d")
    if of.coin():
        spec["unknown"] = "none"
    draft = of.drafted(spec, of.leaf(spec, of.pick("0.5", "0.8", "0.2"), ">=", "<", ">"), KINDS["orders"])
    draft.heard = (partial(rankings, measure=spec["measure"]),) * 5
    return draft


def tasks_done(of: Inventing) -> Draft:
    lists = {stage: list(tasks) for stage, tasks in sales.TASKS.items()}
    spec = {"shape": "checklist", "lists": lists}
    makers: list[Maker] = [sales.task, sales.any_step]
    when = of.leaf(spec, of.pick("0.5", "1", "0"), ">=", ">", "<")
    return Draft({"measured": spec}, when, makers, [sales.tasks, sales.tasks, sales.way], "opportunity")


SHAPES = {
    "counted": counted,
    "told apart": told_apart,
    "summed": summed,
    "extreme": extreme,
    "shared": shared,
    "trended": trended,
    "best month": best_month,
    "newest": newest,
    "filled": filled,
    "since last": since_last,
    "since a condition": since_condition,
    "past the usual gap": past_usual_gap,
    "years": years,
    "waiting": waiting,
    "missed": missed,
    "balance": balance,
    "ranked": ranked,
    "tasks done": tasks_done,
}
SUBJECTS = {
    "orders": "order",
    "stage_visits": "opportunity",
    "stage_steps": "opportunity",
    "promises": "promise",
    "service_case.closed": "service_case",
    "feedback.raised": "feedback",
    "activity.logged": "opportunity",
}
BOTH = {"zh": "甲", "en": "x"}
NEVER = {"name": "quiet", "events": [], "until": "2026-01-01T00:00:00+08:00", "fires": []}


@st.composite
def inventions(draw: st.DrawFn, shape: str | None = None) -> tuple[History, Spec]:
    """A rule file's document, and a history in which something happens that it looks at."""
    of = Inventing(draw)
    draft = SHAPES[shape or of.pick(*SHAPES)](of)
    measured = draft.facts["measured"]
    if not {"seen", "inner_measured"} & set(draft.facts) and of.coin():
        draft.per = draft.per or SUBJECTS.get(measured.get("of", ""))
    theme = Theme("invented", tuple(draft.makers), tuple(draft.stories), draft.heard)
    return draw(histories(theme)), document_of(draft, of.pick(None, None, "crm", "erp"))


def document_of(draft: Draft, feed: str | None) -> Spec:
    """The rule as its file would have it."""
    fires = {**NEVER, "name": "fires", "fires": [["2025-01-01T00:00:00+08:00", None]]}
    document: Spec = {"id": "X1", "name": BOTH, "kind": "stretch", "output": "warning", "severity": "low"}
    document |= {"clause": {**BOTH, "source": "x"}, "summary": BOTH, "advice": BOTH, "clears": BOTH}
    document["facts"] = {name: {**spec, "label": BOTH} for name, spec in draft.facts.items()}
    document |= {"when": draft.when, "audience": ["owner"], "examples": [fires, NEVER]}
    optional = {"conditions": draft.conditions, "per": draft.per, "source": feed}
    return document | {name: value for name, value in optional.items() if value is not None}
