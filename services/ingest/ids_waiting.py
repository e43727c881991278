"""Events that wait until somebody says whose they are, in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update

from services.ingest.ids import IdKey, Waiting
from services.ingest.ids_store import AT_ONCE
from services.ingest.tables import external_ids, mapped_sources, waiting_events

_TABLE = waiting_events.c


class Row(NamedTuple):
    """One event as it waits; `number` tells the order in which they came."""

    number: int
    source: str
    external_id: str
    event_id: str
    value: bytes
    received_at: datetime

    @property
    def key(self) -> IdKey:
        """The id it waits for."""
        return self.source, self.external_id


def known_events(tx: Connection, events: Iterable[Waiting]) -> dict[tuple[str, str], bytes]:
    """The bytes of those of `events` that wait already, by source and event id."""
    ids: dict[str, list[str]] = {}
    for one in events:
        ids.setdefault(one.source, []).append(one.event_id)
    found: dict[tuple[str, str], bytes] = {}
    for source, wanted in ids.items():
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            query = select(_TABLE.event_id, _TABLE.value).where(_TABLE.source == source, _TABLE.event_id.in_(some))
            found |= {(source, row.event_id): row.value for row in tx.execute(query)}
    return found


def add(tx: Connection, events: Sequence[Waiting], now: datetime) -> None:
    """They wait from now on, in this order behind all others."""
    rows = [
        {
            "source": one.source,
            "external_id": one.external_id,
            "event_id": one.event_id,
            "value": one.value,
            "received_at": now,
        }
        for one in events
    ]
    if rows:
        tx.execute(insert(waiting_events), rows)


def count_of(tx: Connection, source: str, limit: int) -> int:
    """How many events of the source wait; counts no further than `limit`."""
    some = select(_TABLE.number).where(_TABLE.source == source).limit(limit).subquery()
    return tx.execute(select(func.count()).select_from(some)).scalar_one()


def releasable(tx: Connection, held: Iterable[str], limit: int) -> list[Row]:
    """The first events whose customer is known by now and not among `held`; (source, id) keeps its order."""
    owner = func.coalesce(external_ids.c.customer_id, _TABLE.external_id)
    by_id = and_(external_ids.c.source == _TABLE.source, external_ids.c.external_id == _TABLE.external_id)
    joined = waiting_events.outerjoin(mapped_sources, mapped_sources.c.source == _TABLE.source).outerjoin(
        external_ids, by_id
    )
    known = or_(mapped_sources.c.source.is_(None), external_ids.c.customer_id.is_not(None))
    query = select(*waiting_events.c).select_from(joined).where(known, owner.not_in(list(held)))
    return [Row(*row) for row in tx.execute(query.order_by(_TABLE.number).limit(limit))]


def overdue(tx: Connection, before: datetime, limit: int) -> list[Row]:
    """The first events that have waited since before that instant."""
    query = select(*waiting_events.c).where(_TABLE.received_at < before)
    return [Row(*row) for row in tx.execute(query.order_by(_TABLE.number).limit(limit))]


def remove(tx: Connection, numbers: Sequence[int]) -> None:
    """They have gone out, or to the dead letters."""
    for start in range(0, len(numbers), AT_ONCE):
        tx.execute(delete(waiting_events).where(_TABLE.number.in_(numbers[start : start + AT_ONCE])))


def move(tx: Connection, moves: Mapping[int, str]) -> None:
    """These wait for another id of their source now."""
    for number, external_id in moves.items():
        tx.execute(update(waiting_events).where(_TABLE.number == number).values(external_id=external_id))


def list_waiting(tx: Connection, source: str | None, after: IdKey | None, limit: int) -> list[RowMapping]:
    """Ids for which events wait, in their order: source, external_id, events, oldest."""
    oldest = func.min(_TABLE.received_at, type_=_TABLE.received_at.type).label("oldest")
    query = select(_TABLE.source, _TABLE.external_id, func.count().label("events"), oldest)
    query = query.group_by(_TABLE.source, _TABLE.external_id).order_by(_TABLE.source, _TABLE.external_id).limit(limit)
    if source is not None:
        query = query.where(_TABLE.source == source)
    if after is not None:
        later = and_(_TABLE.source == after[0], _TABLE.external_id > after[1])
        query = query.where(or_(_TABLE.source > after[0], later))
    return list(tx.execute(query).mappings())


def total(tx: Connection) -> tuple[int, datetime | None]:
    """How many events wait, and since when the oldest does."""
    oldest = func.min(_TABLE.received_at, type_=_TABLE.received_at.type)
    row = tx.execute(select(func.count(), oldest).select_from(waiting_events)).one()
    return row[0], row[1]
