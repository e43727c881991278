"""How far merges are, in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, RowMapping, or_, select, update

from services.ingest import ids_store
from services.ingest.tables import forgotten, merges

_TABLE = merges.c


@dataclass(frozen=True, slots=True)
class Work:
    """A merge that is to be gone on with: `progress` is the next offset by partition of the events topic. Of a customer
    who `is_forgotten` nothing is sent again."""

    merged: str
    surviving: str
    at: datetime
    progress: dict[int, int]
    resent: int
    is_forgotten: bool


def claim_first(tx: Connection, who: str, now: datetime, until: datetime) -> Work | None:
    """The oldest merge that is not done, for `who` alone until that instant; None when there is none, or another is at
    it. They are done one after the other: what is merged into a customer must be there when that one is merged."""
    query = select(merges).where(_TABLE.done_at.is_(None)).order_by(_TABLE.at, _TABLE.merged_id).limit(1)
    row = tx.execute(query).mappings().first()
    if row is None or (row["claimed_by"] not in (None, who) and row["claimed_until"] > now):
        return None
    at = update(merges).where(_TABLE.merged_id == row["merged_id"])
    tx.execute(at.values(claimed_by=who, claimed_until=until))
    progress = {int(number): offset for number, offset in orjson.loads(row["progress"] or "{}").items()}
    query = select(forgotten.c.customer_id).where(forgotten.c.customer_id == row["merged_id"])
    is_forgotten = tx.execute(query).first() is not None
    return Work(row["merged_id"], row["surviving_id"], row["at"], progress, row["resent"], is_forgotten)


def save(tx: Connection, merged: str, who: str, progress: Mapping[int, int], resent: int, until: datetime) -> bool:
    """So far it has come. False when another has taken it over."""
    mine = _TABLE.merged_id == merged, or_(_TABLE.claimed_by == who, _TABLE.claimed_by.is_(None))
    written = orjson.dumps({str(number): offset for number, offset in progress.items()}).decode()
    values = {"progress": written, "resent": resent, "claimed_until": until}
    return bool(tx.execute(update(merges).where(*mine).values(values)).rowcount)


def finish(tx: Connection, merged: str, now: datetime) -> None:
    """Its events lie with the surviving customer, and those that waited for that may go."""
    open_one = _TABLE.merged_id == merged, _TABLE.done_at.is_(None)
    tx.execute(update(merges).where(*open_one).values(done_at=now, claimed_by=None, claimed_until=None))
    ids_store.changed(tx)


def count_open(tx: Connection) -> int:
    """Merges that are not done."""
    return len(tx.execute(select(_TABLE.merged_id).where(_TABLE.done_at.is_(None))).all())


def list_merges(tx: Connection, limit: int) -> list[RowMapping]:
    """The newest first."""
    return list(tx.execute(select(merges).order_by(_TABLE.at.desc(), _TABLE.merged_id).limit(limit)).mappings())
