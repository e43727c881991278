"""The list of cases, the page of one, and what people do there. Actions are POSTs that end in a redirect."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import get_args
from urllib.parse import quote

from starlette.responses import Response

from schemas.cases import Decision
from services.notifier.actions import Close
from services.notifier.console import working
from services.notifier.console.gate import Visit
from services.notifier.console.listing import LISTED_CASES, desk_filter, in_order, is_overdue, page_of, read_wanted
from services.notifier.console.story import enumeration, gravest_first, missing, offers, timeline
from services.notifier.desk import Refused

OFFERED: tuple[Decision, ...] = ("act", "watch", "accept", "false_alarm")
"""What people can decide, in the order it is shown; "withdrawn" is the service's own."""
NOTE_CHARS = 4000
SHOWN_PAGES = 8
SHOWN_HAPPENINGS = 15
"""The newest; those before are folded away: a case of many warnings tells of many pages."""


def show_list(visit: Visit) -> Response:
    """The cases that the address asks for."""
    wanted = read_wanted(visit.call.query)
    still_open = visit.desk.list_cases(desk_filter(wanted, "open", visit.person.id))
    overdue = [line for line in still_open if is_overdue(line)]
    closed = []
    if wanted.tab in ("closed", "all"):
        closed = visit.desk.list_cases(desk_filter(wanted, "closed", visit.person.id))
    lines = {"open": still_open, "overdue": overdue, "closed": closed, "all": [*still_open, *closed]}[wanted.tab]
    counted = visit.desk.summary()
    return visit.page(
        "list.html",
        "cases",
        wanted=wanted,
        shown=page_of(in_order(lines), wanted.page),
        counts={"open": len(still_open), "overdue": len(overdue)},
        rejected=counted.rejected,
        undelivered=counted.undelivered,
        cut_at=LISTED_CASES if max(len(still_open), len(closed)) >= LISTED_CASES else None,
    )


def show_case(visit: Visit) -> Response:
    """The page of a case."""
    return _case_page(visit)


def _case_page(visit: Visit, problems: tuple[str, ...] = (), action: str = "") -> Response:
    """`action` names the form that was refused: it is shown unfolded, with what was filled in."""
    view = visit.desk.get_case(visit.call.params["case_id"])
    return visit.page(
        "case.html",
        "cases",
        problems,
        view=view,
        warnings_shown=gravest_first(view),
        offers=offers(view, visit.person.id),
        missing=missing(view, visit.texts),
        timeline=timeline(view, visit.texts),
        reviewers=_names(visit, view.may_review),
        acknowledged=_names(visit, view.acknowledged_by),
        asked={one.department: _names(visit, one.people) for one in view.team},
        decisions=OFFERED,
        note_chars=NOTE_CHARS,
        shown_pages=SHOWN_PAGES,
        shown_happenings=SHOWN_HAPPENINGS,
        action=action,
        filled=visit.call.form,
        task_key=visit.call.text("key") or str(uuid.uuid4()),
    )


def _names(visit: Visit, people: Sequence[str]) -> str:
    found = [(person_id, visit.desk.person(person_id)) for person_id in people]
    return enumeration([person.name if person else person_id for person_id, person in found], visit.texts)


def _decision(visit: Visit) -> Decision:
    return next(word for word in get_args(Decision) if word == visit.call.text("decision"))


def _acknowledge(visit: Visit, case_id: str) -> None:
    visit.desk.acknowledge(case_id, visit.person.id)


def _open_review(visit: Visit, case_id: str) -> None:
    visit.desk.open_review(case_id, visit.person.id)


def _decide(visit: Visit, case_id: str) -> None:
    visit.desk.decide_review(case_id, visit.person.id, _decision(visit), visit.call.text("note"))


def _join(visit: Visit, case_id: str) -> None:
    visit.desk.join(case_id, visit.person.id, visit.call.text("department"), visit.call.text("note"))


def _comment(visit: Visit, case_id: str) -> None:
    visit.desk.comment(case_id, visit.person.id, visit.call.text("text"))


def _close(visit: Visit, case_id: str) -> None:
    closing = Close(visit.person.id, _decision(visit), visit.call.text("reason"), working.value_of(visit))
    visit.desk.do(case_id, closing)


Act = Callable[[Visit, str], None]
ACTIONS: dict[str, tuple[Act, str, frozenset[str]]] = {
    "acknowledge": (_acknowledge, "acknowledged", frozenset()),
    "open-review": (_open_review, "review_opened", frozenset()),
    "decide": (_decide, "decided", frozenset({"decision", "note"})),
    "join": (_join, "joined", frozenset({"department"})),
    "comment": (_comment, "commented", frozenset({"text"})),
    "close": (_close, "closed", frozenset({"decision", "reason"})),
    "assign": (working.assign, "assigned", frozenset({"person"})),
    "delegate": (working.delegate, "delegated", frozenset({"person", "until"})),
    "task": (working.set_task, "task_set", frozenset({"person", "due", "text"})),
    "finish-task": (working.finish_task, "finished", frozenset()),
    "value": (working.assess, "valued", frozenset({"amount"})),
    "reopen": (working.reopen, "reopened", frozenset({"reason"})),
}
"""Last step of the address: what it does, the confirmation in the catalogue, the fields that must be filled in."""


def act(visit: Visit, action: str) -> Response:
    """Does it and goes back to the case, or shows the case with the reasons against it and the input kept."""
    case_id = visit.call.params["case_id"]
    do, done, required = ACTIONS[action]
    problems = _problems(visit, required)
    if problems:
        return _case_page(visit, problems, action)
    try:
        do(visit, case_id)
    except Refused as refused:
        reasons = tuple(dict.fromkeys(visit.texts.of(reason.text) for reason in refused.reasons))
        return _case_page(visit, reasons, action)
    return visit.done(f"/cases/{quote(case_id, safe='')}", done)


def _problems(visit: Visit, required: frozenset[str]) -> tuple[str, ...]:
    """What is wrong with the form itself, in the reader's words."""
    found = []
    if "decision" in required and visit.call.text("decision") not in OFFERED:
        found.append(visit.texts("problem.decision"))
    if "department" in required and not visit.call.text("department"):
        found.append(visit.texts("problem.department"))
    if any(not visit.call.text(name) for name in required & {"note", "text", "reason"}):
        found.append(visit.texts("problem.text"))
    if any(len(visit.call.text(name)) > NOTE_CHARS for name in ("note", "text", "reason")):
        found.append(visit.texts("problem.too_long", n=NOTE_CHARS))
    return (*found, *working.problems(visit, required))
