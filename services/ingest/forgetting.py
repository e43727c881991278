"""What ingest's database does when a customer is forgotten: who asked, how far it has come, and what is cleared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, Connection, Row, bindparam, delete, or_, select, tuple_, update

from services.common.database import Database
from services.ingest.imports.comparing import Item
from services.ingest.tables import dead_letters, external_ids, forgotten, merges, open_items, waiting_events


def ask(database: Database, customer_id: str, by: str, now: datetime) -> None:
    """From now on nothing of the customer is taken. Asked again, it begins anew; who asked first stays on record."""
    mine = forgotten.c.customer_id == customer_id
    with database.writing() as tx:
        known = tx.execute(select(forgotten.c.readmitted_at).where(mine)).one_or_none()
        if known is None:
            tx.execute(forgotten.insert().values(customer_id=customer_id, asked_at=now, asked_by=by))
        elif known.readmitted_at is not None:
            again = {"asked_at": now, "asked_by": by, "step": "", "done_at": None, "proof": None, "readmitted_at": None}
            tx.execute(update(forgotten).where(mine).values(**again))


def note_step(database: Database, customer_id: str, step: str) -> None:
    """How far it has come."""
    with database.writing() as tx:
        tx.execute(update(forgotten).where(forgotten.c.customer_id == customer_id).values(step=step))


def note_done(database: Database, customer_id: str, proof: str, now: datetime) -> None:
    """It is done, and this is the proof."""
    with database.writing() as tx:
        done = update(forgotten).where(forgotten.c.customer_id == customer_id)
        tx.execute(done.values(step="done", done_at=now, proof=proof))


def found(database: Database, customer_id: str) -> Row[Any] | None:
    """What is on record of it."""
    with database.reading() as tx:
        return tx.execute(select(forgotten).where(forgotten.c.customer_id == customer_id)).one_or_none()


def is_done(database: Database, customer_id: str) -> bool:
    """Whether the customer is forgotten to the end, and was not readmitted."""
    row = found(database, customer_id)
    return row is not None and row.done_at is not None and row.readmitted_at is None


def readmit(database: Database, customer_id: str, now: datetime) -> None:
    """Take the customer's events again."""
    with database.writing() as tx:
        tx.execute(update(forgotten).where(forgotten.c.customer_id == customer_id).values(readmitted_at=now))


def others_of(database: Database, customer_id: str) -> list[str]:
    """Ids that were found to be this customer's and merged into it, near and far."""
    known = [customer_id]
    with database.reading() as tx:
        for one in known:
            merged = select(merges.c.merged_id).where(merges.c.surviving_id == one).order_by(merges.c.merged_id)
            known += [other for other in tx.execute(merged).scalars() if other not in known]
    return known[1:]


def survivor_of(database: Database, customer_id: str) -> str:
    """The customer into whom this one was merged, and that one in turn; itself where it was not."""
    seen = [customer_id]
    with database.reading() as tx:
        while True:
            wanted = select(merges.c.surviving_id).where(merges.c.merged_id == seen[-1])
            into = tx.execute(wanted).scalar_one_or_none()
            if into is None or into in seen:
                return seen[-1]
            seen.append(into)


def names_of(database: Database, customer_id: str) -> list[tuple[str, str]]:
    """(source, external id) of the ids by which sources know the customer."""
    c = external_ids.c
    with database.reading() as tx:
        named = select(c.source, c.external_id).where(c.customer_id == customer_id).order_by(c.source, c.external_id)
        return [(row.source, row.external_id) for row in tx.execute(named)]


def clear(database: Database, customer_id: str) -> dict[str, int]:
    """Delete what waits of the customer, its dead letters, and its items in lists of open items; how many rows of each.

    Its external ids stay: by them what still comes under those ids is known for its, and refused.
    """
    with database.writing() as tx:
        waiting, letters = waiting_events.c, dead_letters.c
        waited = delete(waiting_events).where(_means(waiting.source, waiting.external_id, customer_id))
        # What the rules service refused has been through ingest: it names the customer by its own id.
        through = ~letters.origin.startswith("ingest") & (letters.customer_id == customer_id)
        refused = delete(dead_letters).where(through | _means(letters.source, letters.customer_id, customer_id))
        return {
            "waiting_events": _count(tx, waited),
            "dead_letters": _count(tx, refused),
            "open_items": _clear_items(tx, customer_id),
        }


def _clear_items(tx: Connection, customer_id: str) -> int:
    """An item tells whose it is in what was said of it, under the customer's id or under one of the list's source."""
    c, owned = open_items.c, external_ids.c
    named = select(owned.source, owned.external_id, owned.customer_id)
    owners = {
        (row.source, row.external_id): row.customer_id
        for row in tx.execute(named.where(or_(owned.customer_id == customer_id, owned.external_id == customer_id)))
    }
    subjects = {customer_id, *(external_id for _, external_id in owners)}
    # Cheap, and too much rather than too little: it may stand in another field.
    seems = or_(*(c.row.contains(orjson.dumps(one).decode(), autoescape=True) for one in subjects))
    mine = [
        {"the_list": row.list, "the_item": row.item}
        for row in tx.execute(select(c.list, c.item, c.row).where(seems))
        if any(_owner(row.list, subject, owners) == customer_id for subject in Item.from_json(row.row).subjects)
    ]
    if mine:
        tx.execute(delete(open_items).where(c.list == bindparam("the_list"), c.item == bindparam("the_item")), mine)
    return len(mine)


def _owner(name: str, subject: str, owners: Mapping[tuple[str, str], str]) -> str:
    source = name.rpartition("/")[0]
    return owners.get((source, subject), subject)


def _means(source: Column[Any], name: Column[Any], customer_id: str) -> ColumnElement[bool]:
    """Whether a source means the customer by a name: by an id of its own that is the customer's, or by the customer's
    id where that is nobody else's for the source."""
    c = external_ids.c
    given = select(c.source, c.external_id)
    its = tuple_(source, name).in_(given.where(c.customer_id == customer_id))
    anothers = tuple_(source, name).in_(given.where(c.customer_id != customer_id))
    return its | ((name == customer_id) & ~anothers)


def _count(tx: Connection, statement: Any) -> int:
    return int(tx.execute(statement).rowcount)
