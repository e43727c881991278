"""A customer is forgotten: the directory keeps who owns it, and its name in no version.

A file that names it and is imported again later brings the name back: it is the file that has to forget it first.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import orjson
from sqlalchemy import Connection, Table, select, update

from services.notifier import directory_store
from services.notifier.directory_entries import Said
from services.notifier.directory_tables import directory_claims, directory_entries

FORGET = "forget"
"""The source that says of a forgotten customer what is left to say."""


def names_of(tx: Connection, customer_id: str) -> set[str]:
    """What it was called, in any version and by any source."""
    named = [*_named(tx, directory_claims, customer_id), *_named(tx, directory_entries, customer_id)]
    return {orjson.loads(body)["name"] for body in named} - {customer_id}


def versions_with(tx: Connection, customer_id: str) -> list[int]:
    """The versions of the directory in which its name was written."""
    query = select(directory_entries.c.version, directory_entries.c.body).where(
        directory_entries.c.kind == "customer",
        directory_entries.c.id == customer_id,
        directory_entries.c.body.is_not(None),
    )
    return sorted(row.version for row in tx.execute(query) if "name" in orjson.loads(row.body))


def clear_directory(tx: Connection, customer_id: str, now: datetime) -> dict[str, int]:
    """Clear the name, so that notifiers that run hear of it too; how many rows of each table were changed."""
    entries = directory_entries.c
    current = select(entries.body).where(entries.kind == "customer", entries.id == customer_id, entries.current)
    body = tx.execute(current).scalar_one_or_none()
    if body is not None and "name" in orjson.loads(body):
        directory_store.claim(tx, FORGET, [Said("customer", customer_id, _nameless(body))], now, FORGET)
    changed = {"directory_claims": directory_claims, "directory_entries": directory_entries}
    return {name: _clear(tx, table, customer_id) for name, table in changed.items()}


def _named(tx: Connection, table: Table, customer_id: str) -> Iterator[str]:
    query = select(table.c.body).where(table.c.kind == "customer", table.c.id == customer_id, table.c.body.is_not(None))
    return (body for body in tx.execute(query).scalars() if "name" in orjson.loads(body))


def _clear(tx: Connection, table: Table, customer_id: str) -> int:
    changed = 0
    for body in set(_named(tx, table, customer_id)):
        mine = (table.c.kind == "customer", table.c.id == customer_id, table.c.body == body)
        changed += tx.execute(update(table).where(*mine).values(body=directory_store.text_of(_nameless(body)))).rowcount
    return changed


def _nameless(body: str) -> dict[str, object]:
    return {name: value for name, value in orjson.loads(body).items() if name != "name"}
