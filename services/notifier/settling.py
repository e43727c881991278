"""Warnings that wait until things are calm, in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, literal, or_, select, update

from schemas import warnings as wire
from services.notifier.case import Verdict
from services.notifier.tables import settling, warnings

_DECIDED = (
    update(warnings)
    .where(warnings.c.id == bindparam("warning"), warnings.c.current)
    .values(verdict=bindparam("said"), case_id=func.coalesce(bindparam("held_by"), warnings.c.case_id))
)


@dataclass(frozen=True)
class Waiting:
    """One that is to be decided now: its newest revision, and whether any that nobody acted on calls people."""

    warning: wire.Warning
    worse: bool


def is_waiting(tx: Connection, warning_id: str) -> bool:
    """Whether it waits."""
    found = select(settling.c.warning_id).where(settling.c.warning_id == warning_id)
    return tx.execute(found).first() is not None


def wait(tx: Connection, warning: wire.Warning, now: datetime) -> None:
    """It waits from now on, or goes on waiting with another revision."""
    worse = warning.change == "raised" or warning.pages_again
    at = settling.c.warning_id == warning.id
    again = update(settling).where(at).values(last_at=now, worse=or_(settling.c.worse, literal(worse)))
    if tx.execute(again).rowcount == 0:
        tx.execute(insert(settling).values(warning_id=warning.id, first_at=now, last_at=now, worse=worse))


def count(tx: Connection) -> int:
    """How many wait."""
    return tx.execute(select(func.count()).select_from(settling)).scalar_one()


def begin_round(tx: Connection, until: datetime, now: datetime) -> None:
    """Those first received up to `until` are to be decided."""
    chosen = settling.c.round_at.is_(None), settling.c.first_at <= until
    tx.execute(update(settling).where(*chosen).values(round_at=now))


def take(tx: Connection, limit: int) -> Iterator[tuple[datetime, Waiting]]:
    """The next of an open round with the round's instant, oldest round first. They wait no longer."""
    query = select(settling).where(settling.c.round_at.is_not(None))
    rows = tx.execute(
        query.order_by(settling.c.round_at, settling.c.first_at, settling.c.warning_id).limit(limit)
    ).all()
    ids = [row.warning_id for row in rows]
    tx.execute(delete(settling).where(settling.c.warning_id.in_(ids)))
    current = select(warnings.c.id, warnings.c.body).where(warnings.c.id.in_(ids), warnings.c.current)
    bodies = {row.id: row.body for row in tx.execute(current)}
    for row in rows:
        yield row.round_at, Waiting(wire.decode_warning(bodies[row.warning_id].encode()), row.worse)


def decided(tx: Connection, taken: Sequence[tuple[str, str | None, Verdict]]) -> None:
    """What became of those that waited: id, case and verdict of each. A case that held one before holds it on where no
    other does."""
    if taken:
        rows = [{"warning": warning_id, "held_by": case_id, "said": verdict} for warning_id, case_id, verdict in taken]
        tx.execute(_DECIDED, rows)
