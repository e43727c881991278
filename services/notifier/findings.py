"""Reads of what stands beside cases: tasks, suggestions, customers, and records that were rejected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import RowMapping, Select, and_, select

from schemas import warnings as wire
from services.notifier.lookup import MAX_ROWS, Lookup
from services.notifier.outbox import printable
from services.notifier.tables import poison, task_people, tasks, warnings
from services.notifier.views import (
    CaseFilter,
    CustomerView,
    FindingView,
    Rejected,
    Revision,
    SuggestionView,
    TaskView,
)

SUGGESTED_FOR = timedelta(days=30)
"""A suggestion that comes from one event has no end of its own, and nobody closes it: for so long it is shown."""

SHOWN_BYTES = 500
"""Of a rejected record."""


def list_tasks(look: Lookup, person: str | None, *, finished: bool, customer_id: str | None = None) -> list[TaskView]:
    """Tasks, newest first; of one person or customer, or all; the open ones, or also those that are over."""
    query = _tasks().order_by(tasks.c.status != "open", tasks.c.updated_at.desc(), tasks.c.id)
    if not finished:
        query = query.where(tasks.c.status == "open")
    if customer_id is not None:
        query = query.where(tasks.c.customer_id == customer_id)
    if person is not None:
        query = query.where(tasks.c.id.in_(select(task_people.c.task_id).where(task_people.c.person == person)))
    return _task_views(look, look.tx.execute(query.limit(MAX_ROWS)).mappings().all())


def find(look: Lookup, warning_id: str) -> FindingView | None:
    """A task or suggestion, or a warning that has a case, with every revision that came of it."""
    query = select(warnings).where(warnings.c.id == warning_id).order_by(warnings.c.revision.desc())
    rows = look.tx.execute(query.limit(MAX_ROWS)).mappings().all()
    if not rows:
        return None
    newest, seen = rows[0], [(row, wire.decode_warning(row["body"].encode())) for row in rows]
    warning = seen[0][1]
    found = look.tx.execute(_tasks().where(tasks.c.id == warning_id)).mappings().all()
    return FindingView(
        warning=warning,
        customer_name=look.directory.customer_name(warning.customer_id),
        standing=newest["standing"],
        case_id=newest["case_id"],
        task=next(iter(_task_views(look, found)), None),
        history=tuple(Revision(one.revision, one.change, one.severity, row["received_at"]) for row, one in seen),
        related=look.related([warning]),
    )


def suggestions(look: Lookup, owner: str | None, customer_id: str | None = None) -> list[SuggestionView]:
    """Suggestions that hold, newest first; of the customers that `owner` owns, or of one customer, or all."""
    held = warnings.c.output == "suggestion", warnings.c.standing
    query = select(warnings.c.customer_id, warnings.c.body).where(*held)
    if customer_id is not None:
        query = query.where(warnings.c.customer_id == customer_id)
    found = []
    for theirs_id, body in look.tx.execute(query.order_by(warnings.c.received_at.desc(), warnings.c.id)):
        theirs = look.directory.responsible(theirs_id).owner
        if owner not in (None, theirs):
            continue
        warning = wire.decode_warning(body.encode())
        past = warning.kind == "point" and look.now - warning.start > SUGGESTED_FOR
        if not warning.historical and not past:
            found.append(SuggestionView(look.directory.customer_name(theirs_id), look.name(theirs) or theirs, warning))
        if len(found) >= MAX_ROWS:
            break
    return found


def customer(look: Lookup, customer_id: str) -> CustomerView | None:
    """None for a customer that neither the directory nor any warning knows."""
    entry = look.directory.customers.get(customer_id)
    heard_of = select(warnings.c.id).where(warnings.c.customer_id == customer_id).limit(1)
    if entry is None and look.tx.execute(heard_of).first() is None:
        return None
    owner = look.directory.responsible(customer_id).owner
    lines = look.cases(CaseFilter(status=None, customer_id=customer_id))
    return CustomerView(
        id=customer_id,
        name=look.directory.customer_name(customer_id),
        region=entry.region if entry else "",
        owner_name=look.name(owner) or owner,
        cases=tuple(lines),
        tasks=tuple(list_tasks(look, None, finished=False, customer_id=customer_id)),
        suggestions=tuple(suggestions(look, None, customer_id)),
    )


def rejected(look: Lookup, limit: int = 200) -> list[Rejected]:
    """Records that could not be kept as warnings, newest first."""
    query = select(poison).order_by(poison.c.received_at.desc(), poison.c.partition, poison.c.position.desc())
    return [
        Rejected(
            topic=row["topic"],
            partition=row["partition"],
            position=row["position"],
            key=_shown(row["key"]),
            error=row["error"],
            beginning=_shown(row["value"]),
            at=row["received_at"],
        )
        for row in look.tx.execute(query.limit(limit)).mappings()
    ]


def _shown(raw: bytes | None) -> str:
    return printable((raw or b"")[:SHOWN_BYTES].decode(errors="replace"))


def _tasks() -> Select[tuple[object, ...]]:
    return select(tasks, warnings.c.body).join(warnings, and_(warnings.c.id == tasks.c.id, warnings.c.current))


def _task_views(look: Lookup, rows: Sequence[RowMapping]) -> list[TaskView]:
    people = _people(look, [row["id"] for row in rows])
    return [_task(look, row, people.get(row["id"], [])) for row in rows]


def _people(look: Lookup, task_ids: Iterable[str]) -> dict[str, list[str]]:
    query = select(task_people).where(task_people.c.task_id.in_(list(task_ids))).order_by(task_people.c.person)
    found: dict[str, list[str]] = {}
    for row in look.tx.execute(query):
        found.setdefault(row.task_id, []).append(row.person)
    return found


def _task(look: Lookup, row: RowMapping, people: Sequence[str]) -> TaskView:
    department = row["department"]
    return TaskView(
        id=row["id"],
        customer_id=row["customer_id"],
        customer_name=look.directory.customer_name(row["customer_id"]),
        warning=wire.decode_warning(row["body"].encode()),
        people=tuple(look.name(person) or person for person in people),
        status=row["status"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        department=department,
        stand_in=department is not None and not set(people) & set(look.directory.people_of(department)),
        done_by=look.name(row["done_by"]),
        due=row["due_at"],
    )
