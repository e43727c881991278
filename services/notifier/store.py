"""Cases, warnings, timelines, deadlines and tasks in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter
from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, func, insert, or_, select, update

from schemas import warnings as wire
from schemas.cases import CaseEvent, Money
from services.notifier import recording, tables
from services.notifier.case import Case, Entry, ListedTask, TaskChange, Verdict
from services.notifier.people import Directory
from services.notifier.recording import SERVICE, Origin

_CASE: TypeAdapter[Case] = TypeAdapter(Case)

IS_OPEN = tables.cases.c.status.concat("") == "open"
"""Of some customers' cases. An expression of the column, so that SQLite looks these customers up: by the column itself
it goes through every open case."""

# What is asked for every message, made once: to put a statement together costs more than SQLite takes to answer it.
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_STATES = select(tables.cases.c.id, tables.cases.c.state).where(tables.cases.c.id.in_(_IDS))
_COUNTED = select(tables.cases.c.id, tables.cases.c.customer_id, tables.cases.c.sequence).where(
    tables.cases.c.id.in_(_IDS)
)
_MOVED = update(tables.cases).where(tables.cases.c.id == bindparam("case")).values(sequence=bindparam("last"))
_TOLD = insert(tables.timeline)
_BODIES = select(tables.warnings.c.id, tables.warnings.c.revision, tables.warnings.c.body).where(
    tables.warnings.c.id.in_(_IDS)
)


def find_case(tx: Connection, case_id: str) -> Case | None:
    """The case of that id."""
    state = tx.execute(select(tables.cases.c.state).where(tables.cases.c.id == case_id)).scalar()
    return None if state is None else read_case(state)


class Said(NamedTuple):
    """What messages tell of a case: the value at risk, as people say, and by whom each department was asked for that
    has not joined: (person, department)."""

    value: Money | None
    asked: tuple[tuple[str, str], ...]


def said_of(tx: Connection, case_ids: Collection[str]) -> dict[str, Said]:
    """Of those cases; nothing else of them is read, for every message asks."""
    found = {}
    for case_id, state in tx.execute(_STATES, {"ids": list(case_ids)}) if case_ids else ():
        case = orjson.loads(state)
        value, joined = case.get("value"), case["departments_joined"]
        asked = (one for one in case.get("asked", ()) if one["department"] not in joined)
        found[case_id] = Said(
            None if value is None else Money.model_validate(value),
            tuple((person, one["department"]) for one in asked for person in one["people"]),
        )
    return found


def read_case(state: str) -> Case:
    """The case in a row's `state`."""
    return _CASE.validate_json(state)


def customers_of(tx: Connection, case_ids: Iterable[str]) -> dict[str, str]:
    """The customer of each case."""
    query = select(tables.cases.c.id, tables.cases.c.customer_id).where(tables.cases.c.id.in_(list(case_ids)))
    return {row.id: row.customer_id for row in tx.execute(query)}


def find_open_case(tx: Connection, customer_id: str) -> Case | None:
    """The customer's open case."""
    found = tables.cases.c.customer_id == customer_id, IS_OPEN
    state = tx.execute(select(tables.cases.c.state).where(*found)).scalar()
    return None if state is None else read_case(state)


def find_holding_case(tx: Connection, warning_id: str) -> Case | None:
    """The case in which the warning's newest revision was filed."""
    query = select(tables.warnings.c.case_id).where(tables.warnings.c.id == warning_id, tables.warnings.c.current)
    case_id = tx.execute(query).scalar()
    return None if case_id is None else find_case(tx, case_id)


def case_row(case: Case, directory: Directory) -> dict[str, Any]:
    """What the table has of a case, but for its id and the length of its timeline."""
    return {
        "customer_id": case.customer_id,
        "customer_name": directory.customer_name(case.customer_id),
        "owner": case.owner or directory.responsible(case.customer_id).owner,
        "status": case.status,
        "stage": case.stage,
        "assignee": case.assignee,
        "severity": case.severity,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "due_at": case.wake_at,
        "state": _CASE.dump_json(case).decode(),
    }


def deadline_rows(case: Case) -> list[dict[str, Any]]:
    """Everything that is to happen to a case by itself."""
    return [
        {
            "case_id": case.id,
            "name": one.name,
            "kind": one.kind,
            "warning_id": one.warning_id,
            "holder": one.holder,
            "due_at": one.due,
            "next_at": one.next_at,
            "breaches": one.breaches,
        }
        for one in case.deadlines
    ]


def append_all(tx: Connection, by_case: Mapping[str, Sequence[Entry]]) -> None:
    """Number the entries of many cases and add them to their timelines, to be published too; none may be a decision
    or have a value. Only whoever writes alone may do it."""
    if not by_case:
        return
    at = {row.id: row for row in tx.execute(_COUNTED, {"ids": list(by_case)})}
    rows = [
        {"case_id": case_id, "sequence": sequence, **{name: getattr(entry, name) for name in _ENTRY}}
        for case_id, entries in by_case.items()
        for sequence, entry in enumerate(entries, at[case_id].sequence + 1)
    ]
    lasts = [{"case": case_id, "last": at[case_id].sequence + len(entries)} for case_id, entries in by_case.items()]
    tx.execute(_MOVED, lasts)
    tx.execute(_TOLD, rows)
    for row in rows:
        customer_id = at[str(row["case_id"])].customer_id
        recording.timeline_entry(tx, CaseEvent.model_validate({**row, "customer_id": customer_id}))


_ENTRY = tuple(Entry.__dataclass_fields__)


def known_revision(tx: Connection, warning_id: str) -> int:
    """The highest revision received of the warning, 0 for none."""
    query = select(func.max(tables.warnings.c.revision)).where(tables.warnings.c.id == warning_id)
    return tx.execute(query).scalar() or 0


def warning_row(warning: wire.Warning, case_id: str | None, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """What the table has of a revision while it is the newest."""
    return {
        "id": warning.id,
        "revision": warning.revision,
        "current": True,
        "standing": warning.change in ("raised", "amended") and (warning.end is None or warning.kind == "point"),
        "customer_id": warning.customer_id,
        "case_id": case_id,
        "output": warning.output,
        "verdict": verdict,
        "received_at": now,
        "body": wire.encode_warning(warning).decode(),
    }


def find_warning(tx: Connection, warning_id: str, revision: int) -> wire.Warning | None:
    """One revision as received."""
    at = tables.warnings.c.id == warning_id, tables.warnings.c.revision == revision
    body = tx.execute(select(tables.warnings.c.body).where(*at)).scalar()
    return None if body is None else wire.decode_warning(body.encode())


def find_warnings(tx: Connection, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], wire.Warning]:
    """Revisions as received, by id and number, as far as they are filed."""
    rows = tx.execute(_BODIES, {"ids": list({warning_id for warning_id, _ in wanted})}).all()
    return {(row.id, row.revision): wire.decode_warning(row.body.encode()) for row in rows if row[:2] in wanted}


def current_warnings(tx: Connection, warning_ids: Iterable[str]) -> dict[str, wire.Warning]:
    """The newest revision of each, by id."""
    wanted = tables.warnings.c.id.in_(list(warning_ids)), tables.warnings.c.current
    rows = tx.execute(select(tables.warnings.c.id, tables.warnings.c.body).where(*wanted))
    return {warning_id: wire.decode_warning(body.encode()) for warning_id, body in rows}


def due_cases(tx: Connection, now: datetime, limit: int = 200) -> list[str]:
    """Cases of which a step is due, the longest waiting first."""
    at = tables.deadlines.c.next_at
    query = select(tables.deadlines.c.case_id).where(at <= now).group_by(tables.deadlines.c.case_id)
    return list(tx.execute(query.order_by(func.min(at), tables.deadlines.c.case_id).limit(limit)).scalars())


def reviewed_cases(tx: Connection, after: str, holders: Collection[str] | None, limit: int = 200) -> list[str]:
    """Cases whose review is being waited for, in the order of their ids beyond `after`; of these holders and of those
    whom one of them has asked in the case to act for them, or all."""
    found = select(tables.deadlines.c.case_id).where(
        tables.deadlines.c.kind == "review", tables.deadlines.c.case_id > after
    )
    if holders is not None:
        given = tables.deadlines.alias()
        names = [f"delegation:{person}" for person in sorted(holders)]
        followed = select(given.c.case_id).where(given.c.kind == "delegation", given.c.name.in_(names))
        theirs = tables.deadlines.c.holder.in_(sorted(holders)), tables.deadlines.c.case_id.in_(followed)
        found = found.where(or_(*theirs))
    return list(tx.execute(found.distinct().order_by(tables.deadlines.c.case_id).limit(limit)).scalars())


def due_tasks(tx: Connection, now: datetime, limit: int = 200) -> list[ListedTask]:
    """Open entries of people's lists whose reminder is due, the longest waiting first."""
    due = tables.tasks.c.status == "open", tables.tasks.c.remind_at <= now
    query = select(tables.tasks).where(*due).order_by(tables.tasks.c.remind_at, tables.tasks.c.id).limit(limit)
    rows = tx.execute(query).mappings().all()
    return [
        ListedTask(row["id"], row["revision"], task_people(tx, row["id"]), row["due_at"], row["reminders"])
        for row in rows
    ]


def reminded(tx: Connection, task_id: str, remind_at: datetime | None) -> None:
    """People were reminded of the task, and will be again."""
    more = {"remind_at": remind_at, "reminders": tables.tasks.c.reminders + 1}
    tx.execute(update(tables.tasks).where(tables.tasks.c.id == task_id).values(more))


def set_task(tx: Connection, warning: wire.Warning, change: TaskChange, now: datetime) -> None:
    """The entry in people's lists follows the warning; what was done stays done unless the warning is back."""
    row: dict[str, Any] = {"revision": warning.revision, "department": change.department, "updated_at": now}
    known = tx.execute(select(tables.tasks.c.status).where(tables.tasks.c.id == warning.id)).scalar()
    if known is None and change.status != "open":
        return
    if change.status == "open" and known != "open":
        # That more became known of what is on the list already gives nobody more time.
        row |= {"due_at": change.due, "remind_at": change.remind_at, "reminders": 0}
    if change.owner is not None:
        row["owner"] = change.owner
    if known is None:
        added = {"customer_id": warning.customer_id, "status": change.status, "created_at": now}
        tx.execute(insert(tables.tasks).values(id=warning.id, **added, **row))
    else:
        back = warning.change == "raised" or (warning.pages_again and change.department is None)
        if known == "done" and not back:
            # Who did it and when stays as it was.
            return
        over = {"status": change.status, "done_by": None, **row}
        tx.execute(update(tables.tasks).where(tables.tasks.c.id == warning.id).values(over))
    recording.task_set(tx, warning, change, now)
    if change.status == "open":
        _set_people(tx, warning.id, change.people)


def _set_people(tx: Connection, task_id: str, people: Sequence[str]) -> None:
    tx.execute(delete(tables.task_people).where(tables.task_people.c.task_id == task_id))
    tx.execute(insert(tables.task_people), [{"task_id": task_id, "person": person} for person in people])


def task_people(tx: Connection, task_id: str) -> tuple[str, ...]:
    """In whose lists it is; empty when there is no such task, or it is not open."""
    joined = select(tables.task_people.c.person).join_from(tables.task_people, tables.tasks)
    query = joined.where(tables.tasks.c.id == task_id, tables.tasks.c.status == "open")
    return tuple(tx.execute(query.order_by(tables.task_people.c.person)).scalars())


def has_task(tx: Connection, task_id: str) -> bool:
    """Whether it has ever been on anybody's list."""
    return tx.execute(select(tables.tasks.c.id).where(tables.tasks.c.id == task_id)).first() is not None


def withdrawn_among(tx: Connection, warning_ids: Iterable[str]) -> set[str]:
    """Those whose newest revision takes them back."""
    current = current_warnings(tx, set(warning_ids))
    return {warning_id for warning_id, warning in current.items() if warning.change == "withdrawn"}


def finish_task(tx: Connection, task_id: str, actor: str, now: datetime, origin: Origin = SERVICE) -> None:
    """The open task is done."""
    at = tables.tasks.c.id == task_id, tables.tasks.c.status == "open"
    tx.execute(update(tables.tasks).where(*at).values(status="done", done_by=actor, updated_at=now))
    recording.task_done(tx, task_id, actor, now, origin)


def timeline_of(tx: Connection, case_id: str) -> list[RowMapping]:
    """The case's entries in order."""
    query = select(tables.timeline).where(tables.timeline.c.case_id == case_id).order_by(tables.timeline.c.sequence)
    return list(tx.execute(query).mappings())


def keep_poison(
    tx: Connection, at: tuple[str, int, int], record: tuple[bytes | None, bytes | None], error: str, now: datetime
) -> None:
    """Keep a record that is no warning: `at` is topic, partition, offset; `record` key and value. Again: no change."""
    topic, partition, position = at
    place = {"topic": topic, "partition": partition, "position": position}
    same = [tables.poison.c[name] == value for name, value in place.items()]
    if tx.execute(select(tables.poison.c.topic).where(*same)).first() is None:
        key, value = record
        tx.execute(insert(tables.poison).values(**place, key=key, value=value, error=error, received_at=now))


def unsent_case_events(tx: Connection, limit: int = 500) -> list[RowMapping]:
    """What the publisher has still to send, in the order it happened."""
    return list(tx.execute(select(tables.case_events).order_by(tables.case_events.c.id).limit(limit)).mappings())


def forget_case_events(tx: Connection, ids: list[int]) -> None:
    """They are acknowledged by the broker; the timeline keeps them for ever."""
    tx.execute(delete(tables.case_events).where(tables.case_events.c.id.in_(ids)))
