"""Ids of sources, the sources that have such, and merges, in SQL. Every function works inside the caller's transaction.

Whatever changes whose an id is must call `changed`: replicas keep what they read until that number moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update

from services.ingest.ids import IdKey, Merge
from services.ingest.tables import external_ids, id_changes, mapped_sources, merges, waiting_events

AT_ONCE = 500
"""Values in one statement; SQLite takes 32,766, and longer ones are no faster."""

_NAME = "ids"


class IdRow(NamedTuple):
    """Whose an id of a source is."""

    source: str
    external_id: str
    customer_id: str


def generation(tx: Connection) -> int:
    """Moves with every change of whose an id is."""
    return tx.execute(select(id_changes.c.number).where(id_changes.c.name == _NAME)).scalar() or 0


def changed(tx: Connection) -> None:
    """What others keep in memory is no longer right once this transaction is committed."""
    moved = tx.execute(update(id_changes).where(id_changes.c.name == _NAME).values(number=id_changes.c.number + 1))
    if not moved.rowcount:
        tx.execute(insert(id_changes), {"name": _NAME, "number": 1})


def all_mapped(tx: Connection) -> frozenset[str]:
    """The sources whose subjects are ids of their own."""
    return frozenset(tx.execute(select(mapped_sources.c.source)).scalars())


def map_source(tx: Connection, source: str, now: datetime) -> bool:
    """From now on the subjects of its events are its own ids. False when that is so already."""
    if tx.execute(select(mapped_sources.c.source).where(mapped_sources.c.source == source)).first():
        return False
    tx.execute(insert(mapped_sources), {"source": source, "since": now})
    changed(tx)
    return True


def unmap_source(tx: Connection, source: str) -> bool:
    """From now on it sends customers' ids; what waits is sent under the ids that it bears."""
    gone = tx.execute(delete(mapped_sources).where(mapped_sources.c.source == source))
    changed(tx)
    return bool(gone.rowcount)


def find_ids(tx: Connection, keys: Iterable[IdKey]) -> dict[IdKey, str]:
    """Whose they are, as far as it is known."""
    table = external_ids.c
    found: dict[IdKey, str] = {}
    for source, some in _by_source(keys):
        query = select(table.external_id, table.customer_id)
        rows = tx.execute(query.where(table.source == source, table.external_id.in_(some)))
        found |= {(source, row.external_id): row.customer_id for row in rows}
    return found


def find_queued(tx: Connection, keys: Iterable[IdKey]) -> set[IdKey]:
    """Those of which events wait."""
    table = waiting_events.c
    found: set[IdKey] = set()
    for source, some in _by_source(keys):
        query = select(table.external_id).where(table.source == source, table.external_id.in_(some)).distinct()
        found |= {(source, external_id) for external_id in tx.execute(query).scalars()}
    return found


def _by_source(keys: Iterable[IdKey]) -> Iterator[tuple[str, list[str]]]:
    sources: dict[str, list[str]] = {}
    for source, external_id in keys:
        sources.setdefault(source, []).append(external_id)
    for source, ids in sources.items():
        for start in range(0, len(ids), AT_ONCE):
            yield source, ids[start : start + AT_ONCE]


def put_ids(tx: Connection, rows: Sequence[IdRow], now: datetime, by: str) -> None:
    """Says whose they are; (source, external_id) occurs once among `rows`. What was said before is replaced."""
    for source, ids in _by_source((row.source, row.external_id) for row in rows):
        tx.execute(delete(external_ids).where(external_ids.c.source == source, external_ids.c.external_id.in_(ids)))
    if rows:
        added = [{**row._asdict(), "changed_at": now, "changed_by": by} for row in rows]
        tx.execute(insert(external_ids), added)
        changed(tx)


def delete_id(tx: Connection, source: str, external_id: str) -> str | None:
    """Whose it was until now; None when it was nobody's. Later events of it wait."""
    table = external_ids.c
    at = table.source == source, table.external_id == external_id
    owner: str | None = tx.execute(select(table.customer_id).where(*at)).scalar()
    if owner is not None:
        tx.execute(delete(external_ids).where(*at))
        changed(tx)
    return owner


def list_ids(
    tx: Connection, source: str | None, customer_id: str | None, after: IdKey | None, limit: int
) -> list[RowMapping]:
    """Up to `limit` ids behind `after`, in their order."""
    table = external_ids.c
    query = select(external_ids).order_by(table.source, table.external_id).limit(limit)
    if source is not None:
        query = query.where(table.source == source)
    if customer_id is not None:
        query = query.where(table.customer_id == customer_id)
    if after is not None:
        later = and_(table.source == after[0], table.external_id > after[1])
        query = query.where(or_(table.source > after[0], later))
    return list(tx.execute(query).mappings())


def count_ids(tx: Connection) -> dict[str, int]:
    """How many ids of each source are known; mapped sources without any are there too."""
    counted = select(external_ids.c.source, func.count()).group_by(external_ids.c.source)
    known = {row[0]: row[1] for row in tx.execute(counted)}
    return {source: known.get(source, 0) for source in sorted({*known, *all_mapped(tx)})}


def all_merges(tx: Connection) -> dict[str, Merge]:
    """Every merge, by the id that was merged away."""
    rows = tx.execute(select(merges.c.merged_id, merges.c.surviving_id, merges.c.done_at))
    return {row.merged_id: Merge(row.surviving_id, row.done_at is not None) for row in rows}


def add_merge(tx: Connection, merged: str, surviving: str, now: datetime) -> None:
    """A merge that is still to be done."""
    tx.execute(insert(merges), {"merged_id": merged, "surviving_id": surviving, "at": now, "resent": 0})
    changed(tx)
