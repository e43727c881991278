"""Who works on a case, as forms: giving it to somebody, standing in, tasks, what is at risk, and opening it again."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta

from schemas.cases import Money
from services.notifier.actions import Assess, Reopen
from services.notifier.case_requests import RequestInvalid, read_value
from services.notifier.console.gate import Visit
from services.notifier.handing import Assign, Delegate, FinishTask, SetTask

DAY = timedelta(days=1)


def assign(visit: Visit, case_id: str) -> None:
    """The case is somebody's from now on."""
    visit.desk.do(case_id, Assign(visit.person.id, visit.call.text("person"), visit.call.text("note")))


def delegate(visit: Visit, case_id: str) -> None:
    """Up to the end of the day that was chosen, by the company's zone."""
    day = _day(visit, "until") or date.min
    until = datetime.combine(day + DAY, time(), visit.look.zone)
    visit.desk.do(case_id, Delegate(visit.person.id, visit.call.text("person"), until, visit.call.text("note")))


def set_task(visit: Visit, case_id: str) -> None:
    """The form bears a key, so that sent twice it makes one task."""
    person, text, key = (visit.call.text(name) for name in ("person", "text", "key"))
    due = _day(visit, "due") or date.min
    visit.desk.do(case_id, SetTask(visit.person.id, person, due, text, key[:100] or str(uuid.uuid4())))


def finish_task(visit: Visit, case_id: str) -> None:
    """It is done."""
    visit.desk.do(case_id, FinishTask(visit.person.id, visit.call.text("task")))


def assess(visit: Visit, case_id: str) -> None:
    """What is at risk."""
    value = value_of(visit)
    assert value is not None, "the form was looked at before"
    visit.desk.do(case_id, Assess(visit.person.id, value))


def reopen(visit: Visit, case_id: str) -> None:
    """The case was closed too early."""
    visit.desk.do(case_id, Reopen(visit.person.id, visit.call.text("reason")))


def value_of(visit: Visit) -> Money | None:
    """The amount in the form; None where there is none, or it is none."""
    try:
        return read_value(visit.call.text("amount"), visit.call.text("currency"))
    except RequestInvalid:
        return None


def problems(visit: Visit, required: frozenset[str]) -> list[str]:
    """What is wrong with these fields, in the reader's words."""
    found = []
    if "person" in required and not visit.call.text("person"):
        found.append(visit.texts("problem.person"))
    if any(_day(visit, name) is None for name in required & {"until", "due"}):
        found.append(visit.texts("problem.day"))
    given = bool(visit.call.text("amount"))
    if (given or "amount" in required) and value_of(visit) is None:
        found.append(visit.texts("problem.value"))
    return found


def _day(visit: Visit, name: str) -> date | None:
    try:
        day = date.fromisoformat(visit.call.text(name))
    except ValueError:
        return None
    return day if date(1970, 1, 1) <= day < date(2199, 1, 1) else None
