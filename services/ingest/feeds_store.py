"""When sources were heard, and what is expected of them, in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, union, update

from services.ingest.feeds import MAX_FEEDS, Expected, Feed, Heard
from services.ingest.tables import api_keys, feeds, mapped_sources

MAX_KNOWN = 200
"""Sources that are named in metrics."""

_f = feeds.c


def note(tx: Connection, heard: Mapping[str, Heard]) -> int:
    """Add what was heard; how many sources could not be added for want of room.

    Sources of which nothing is expected are at most MAX_FEEDS: without keys anybody may send under any name.
    """
    rows = {row.source: row for row in tx.execute(select(feeds).where(_f.source.in_(heard)))}
    free = MAX_FEEDS - tx.execute(select(func.count()).where(_f.expected_minutes.is_(None))).scalar_one()
    left_out = 0
    for source, seen in heard.items():
        row = rows.get(source)
        if row is not None:
            tx.execute(update(feeds).where(_f.source == source).values(_columns(_heard(row).and_(seen))))
        elif free > 0:
            free -= 1
            tx.execute(feeds.insert().values(source=source, **_columns(seen)))
        else:
            left_out += 1
    return left_out


def expect(tx: Connection, source: str, expected: Expected | None, by: str) -> None:
    """From now on, or no longer."""
    values: dict[str, Any] = {"expected_minutes": None, "expected_since": None, "working_days": False}
    if expected is not None:
        minutes = int(expected.period / timedelta(minutes=1))
        values = {"expected_minutes": minutes, "expected_since": expected.since, "working_days": expected.working_days}
    values["expected_by"] = by
    if not tx.execute(update(feeds).where(_f.source == source).values(values)).rowcount:
        tx.execute(feeds.insert().values(source=source, **values))


def remove(tx: Connection, source: str) -> bool:
    """Forget a source that is gone; False when it was not known."""
    return bool(tx.execute(delete(feeds).where(_f.source == source)).rowcount)


def every(tx: Connection) -> list[Feed]:
    """All feeds by name."""
    return [_feed(row) for row in tx.execute(select(feeds).order_by(_f.source))]


def known_sources(tx: Connection, now: datetime) -> list[str]:
    """Sources that somebody named: by a key, by ids of theirs, or by expecting something. At most MAX_KNOWN."""
    works = (api_keys.c.revoked_at.is_(None)) & or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    named = union(
        select(_f.source).where(_f.expected_minutes.is_not(None)),
        select(api_keys.c.source).where(works),
        select(mapped_sources.c.source),
    ).subquery()
    return list(tx.execute(select(named.c.source).order_by(named.c.source).limit(MAX_KNOWN)).scalars())


def _feed(row: Row[Any]) -> Feed:
    if row.expected_minutes is None:
        return Feed(row.source, _heard(row))
    expected = Expected(timedelta(minutes=row.expected_minutes), row.expected_since, row.working_days)
    return Feed(row.source, _heard(row), expected)


def _heard(row: Row[Any]) -> Heard:
    return Heard(row.last_event_at, row.last_heartbeat_at, row.complete_until)


def _columns(heard: Heard) -> dict[str, datetime | None]:
    return {
        "last_event_at": heard.event_at,
        "last_heartbeat_at": heard.heartbeat_at,
        "complete_until": heard.complete_until,
    }
