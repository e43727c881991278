"""Reads of the work on cases: who has what to do, who acts for whom, and what superiors and departments have said."""

from __future__ import annotations

from sqlalchemy import select

from schemas.warnings import Bilingual
from services.notifier import store
from services.notifier.case import Case, Todo
from services.notifier.lookup import MAX_ROWS, Lookup
from services.notifier.tables import deadlines
from services.notifier.views import DelegationView, Recorded, TodoView, WorkView


def work_of(look: Lookup, case: Case) -> WorkView:
    """Of one case."""
    advice = _advice(look, case)
    return WorkView(
        assignee=case.assignee,
        todos=tuple(_todo(look, case, todo, advice) for todo in case.todos),
        delegations=tuple(
            DelegationView(look.name(one.by) or one.by, look.name(one.to) or one.to, one.until)
            for one in case.delegations
            if look.now < one.until
        ),
        recorded=tuple(_recorded(look, case)),
        value=None if case.value is None else str(case.value),
        idle_at=next((one.due for one in case.deadlines if one.kind == "idle"), None),
        people=tuple(sorted(((one.id, one.name) for one in look.directory.people.values()), key=lambda one: one[1])),
    )


def todos_of(look: Lookup, person: str) -> list[TodoView]:
    """Of one person, in all open cases."""
    query = select(deadlines.c.case_id, deadlines.c.name).where(
        deadlines.c.kind == "task", deadlines.c.holder == person
    )
    found: list[TodoView] = []
    for case_id, name in look.tx.execute(query.order_by(deadlines.c.due_at, deadlines.c.name).limit(MAX_ROWS)):
        case = store.find_case(look.tx, case_id)
        todo = case.todo(name.removeprefix("task:")) if case else None
        if case is not None and todo is not None:
            found.append(_todo(look, case, todo, _advice(look, case)))
    return found


def _advice(look: Lookup, case: Case) -> dict[str, Bilingual]:
    current = store.current_warnings(look.tx, {todo.warning_id for todo in case.todos if todo.warning_id})
    return {warning_id: warning.advice for warning_id, warning in current.items()}


def _todo(look: Lookup, case: Case, todo: Todo, advice: dict[str, Bilingual]) -> TodoView:
    return TodoView(
        id=todo.id,
        case_id=case.id,
        customer_name=look.directory.customer_name(case.customer_id),
        person=todo.person,
        person_name=look.name(todo.person) or todo.person,
        due=todo.due,
        status=todo.status,
        advice=advice.get(todo.warning_id or ""),
        text=todo.text,
        done_by=look.name(todo.done_by),
    )


def _recorded(look: Lookup, case: Case) -> list[Recorded]:
    """The timeline is the record. A decision about several warnings at once is said once."""
    found: list[Recorded] = []
    for row in store.timeline_of(look.tx, case.id):
        who = look.name(row["actor"]) or ""
        if row["type"] == "case.reopened":
            found = []
        elif row["type"] == "review.decided":
            found.append(Recorded("review", who, row["at"], row["decision"], None, row["note"]))
        elif row["type"] == "intervention.joined":
            found.append(Recorded("department", who, row["at"], None, row["department"], row["note"]))
    return list(dict.fromkeys(found))
