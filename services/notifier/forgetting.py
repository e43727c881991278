"""A customer is forgotten: what the notifier's database says of it in words is cleared, the cases' numbers stay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, or_, select, update

from schemas import warnings as wire
from services.common.database import Database
from services.notifier import channels_tables, directory_forgetting, recording, tables
from services.notifier.escaping import clean

ERASED = "已删除 / erased"
"""Stands where something was."""

SAYS_NOTHING = frozenset(
    {
        "settling",
        "deadlines",
        "held_pages",
        "tasks",
        "task_people",
        "users",
        "sessions",
        "recipients",
        "replicas",
        "throttle",
        "incidents",
        "greeting_consents",
        # The ledger holds ids and seals; what opens them is in ledger_private.
        "ledger",
        "ledger_head",
        "link_uses",
        # Of the directory: its changes by number, who owns whom by id, and what our own people prove and may.
        "directory_versions",
        "directory_files",
        "directory_gaps",
        "owner_events",
        "method_codes",
        "notifier_api_keys",
    }
)
"""Tables with ids, states and instants alone. Every other is in what `clear` returns; a test asks of each new one."""

_BOTH = wire.Bilingual(zh="已删除", en="erased")


def cases_of(database: Database, customer_id: str) -> list[str]:
    """Ids of its cases: rows of theirs are the customer's."""
    with database.reading() as tx:
        return list(tx.execute(_cases_of(customer_id)).scalars())


def said_of(database: Database, customer_id: str) -> list[str]:
    """The customer's name, and what people wrote about it."""
    mine = _cases_of(customer_id)
    with database.reading() as tx:
        names = tx.execute(select(tables.cases.c.customer_name).where(tables.cases.c.customer_id == customer_id))
        notes = tx.execute(
            select(tables.timeline.c.note).where(
                tables.timeline.c.case_id.in_(mine), tables.timeline.c.actor.is_not(None), tables.timeline.c.note != ""
            )
        )
        reasons = tx.execute(select(tables.holds.c.reason).where(tables.holds.c.customer_id == customer_id))
        states = tx.execute(select(tables.cases.c.state).where(tables.cases.c.customer_id == customer_id)).scalars()
        tasks = [todo["text"] for state in states for todo in orjson.loads(state).get("todos", ()) if todo["text"]]
        listed = directory_forgetting.names_of(tx, customer_id)
        texts = {*names.scalars(), *notes.scalars(), *reasons.scalars(), *tasks, *listed}
    return sorted(text for text in texts if text not in (customer_id, ERASED))


def clear(database: Database, customer_id: str, at: datetime | None = None) -> dict[str, int]:
    """Clear it; how many rows of each table were changed. May be done again. The ledger says that it was, and when."""
    mine, now = _cases_of(customer_id), at or datetime.now(UTC)
    with database.writing() as tx:
        names = set(
            tx.execute(select(tables.cases.c.customer_name).where(tables.cases.c.customer_id == customer_id)).scalars()
        )
        names |= directory_forgetting.names_of(tx, customer_id)
        versions = directory_forgetting.versions_with(tx, customer_id)
        named = tables.cases.c.customer_name != customer_id
        written = (tables.timeline.c.actor.is_not(None), tables.timeline.c.note != "", tables.timeline.c.note != ERASED)
        return {
            "inbox": _clear_inbox(tx, mine, names - {customer_id}),
            "cases": _changed(
                tx,
                update(tables.cases)
                .where(tables.cases.c.customer_id == customer_id, named)
                .values(customer_name=customer_id),
            )
            + _clear_tasks_of_cases(tx, customer_id),
            "timeline": _changed(
                tx, update(tables.timeline).where(tables.timeline.c.case_id.in_(mine), *written).values(note=ERASED)
            ),
            "holds": _changed(
                tx,
                update(tables.holds)
                .where(tables.holds.c.customer_id == customer_id, tables.holds.c.reason != ERASED)
                .values(reason=ERASED),
            ),
            "pages": _clear_pages(tx, customer_id, mine),
            "warnings": _clear_warnings(tx, customer_id),
            "case_events": _clear_case_events(tx, customer_id),
            **directory_forgetting.clear_directory(tx, customer_id, now),
            "ledger_private": recording.forget_customer(tx, customer_id, now, versions),
            "greetings": _clear_greetings(tx, customer_id),
            "mourning_days": _changed(
                tx,
                delete(channels_tables.mourning_days).where(channels_tables.mourning_days.c.customer_id == customer_id),
            ),
            "poison": _changed(tx, delete(tables.poison).where(tables.poison.c.key == customer_id.encode())),
        }


def _cases_of(customer_id: str) -> Any:
    return select(tables.cases.c.id).where(tables.cases.c.customer_id == customer_id)


def _clear_inbox(tx: Connection, mine: Any, names: Iterable[str]) -> int:
    """Messages of its cases, and others (digests, tasks) that name it."""
    inbox = tables.inbox.c
    # A message tells a name with what looks like a link in it taken apart.
    told = {said for name in names if name for said in (name, clean(name))}
    naming = [column.contains(name, autoescape=True) for name in told for column in (inbox.subject, inbox.text)]
    about = (or_(inbox.case_id.in_(mine), *naming), inbox.text != ERASED)
    return _changed(tx, update(tables.inbox).where(*about).values(subject=ERASED, text=ERASED))


def _clear_pages(tx: Connection, customer_id: str, mine: Any) -> int:
    """Why somebody had a page sent again or dropped."""
    pages, warnings = tables.pages.c, tables.warnings.c
    theirs = select(warnings.id).where(warnings.customer_id == customer_id)
    about = or_(pages.case_id.in_(mine), pages.warning_id.in_(theirs))
    written = pages.handled_note.is_not(None), pages.handled_note != "", pages.handled_note != ERASED
    return _changed(tx, update(tables.pages).where(about, *written).values(handled_note=ERASED))


def _clear_tasks_of_cases(tx: Connection, customer_id: str) -> int:
    """What people wrote is to be done; who has it and when stays."""
    table, changed = tables.cases, 0
    for row in tx.execute(select(table.c.id, table.c.state).where(table.c.customer_id == customer_id)).all():
        case = orjson.loads(row.state)
        written = [todo for todo in case.get("todos", ()) if todo["text"] not in ("", ERASED)]
        for todo in written:
            todo["text"] = ERASED
        if written:
            state = orjson.dumps(case).decode()
            changed += _changed(tx, update(table).where(table.c.id == row.id).values(state=state))
    return changed


def _clear_warnings(tx: Connection, customer_id: str) -> int:
    table = tables.warnings
    rows = tx.execute(
        select(table.c.id, table.c.revision, table.c.body).where(table.c.customer_id == customer_id)
    ).all()
    changed = [
        {"the_id": row.id, "the_revision": row.revision, "new": body}
        for row in rows
        if (body := _without_words(row.body)) != row.body
    ]
    if changed:
        one = (table.c.id == bindparam("the_id"), table.c.revision == bindparam("the_revision"))
        tx.execute(update(table).where(*one).values(body=bindparam("new")), changed)
    return len(changed)


def _without_words(body: str) -> str:
    """A warning without what it rests on: values and texts. Rule, severity and times are the case's numbers."""
    warning = wire.decode_warning(body.encode())
    evidence = warning.evidence.model_copy(update={"compared": [], "summary": _BOTH, "tree": None, "rise": None})
    return wire.encode_warning(warning.model_copy(update={"evidence": evidence})).decode()


def _clear_case_events(tx: Connection, customer_id: str) -> int:
    """Those that wait for the broker."""
    table = tables.case_events
    rows = tx.execute(select(table.c.id, table.c.body).where(table.c.customer_id == customer_id)).all()
    changed = 0
    for row in rows:
        event = orjson.loads(row.body)
        if event.pop("note", None) is not None:
            tx.execute(update(table).where(table.c.id == row.id).values(body=orjson.dumps(event)))
            changed += 1
    return changed


def _clear_greetings(tx: Connection, customer_id: str) -> int:
    """The day is somebody's birthday. That there was a greeting stays, so that nobody is greeted twice."""
    table = channels_tables.greetings
    some_day = date(1970, 1, 1)
    mine = table.c.customer_id == customer_id, table.c.day != some_day
    return _changed(tx, update(table).where(*mine).values(day=some_day, provider_id=None, error=None))


def _changed(tx: Connection, statement: Any) -> int:
    return int(tx.execute(statement).rowcount)
