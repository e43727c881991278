"""Has the topic of cases told of the ledger's end where no case's event has done it for a minute.

Deliveries, links, changes of the directory are rows of the ledger that no case event tells of. Who can write to the
database could cut them off the end with its record, and nobody would notice, until the next event of any case.
"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, select

from services.common.clock import Now
from services.common.database import Database
from services.notifier import ledger
from services.notifier.chain import anchor_due
from services.notifier.tables import ledger as table

PAUSE_S = 10.0


class Anchoring:
    """Any number of notifiers may do it: together they write no more anchors than one."""

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    def step(self) -> bool:
        """Write an anchor for the publisher, if one is due; what writes at the moment waits for nothing but that."""
        with self._database.reading() as tx:
            due = self._is_due(tx)
        if due:
            with self._database.writing() as tx:
                # Another notifier may have been first.
                if self._is_due(tx):
                    ledger.append_anchor(tx, self._now())
        return False

    def _is_due(self, tx: Connection) -> bool:
        first = _first_untold(tx)
        return first is not None and anchor_due(first, self._now())


def _first_untold(tx: Connection) -> datetime | None:
    """When the first row behind the last one that is published was written; None where there is none."""
    # Both along the primary key: they read the rows behind the last published one, of a minute at most.
    last = (
        tx.execute(select(table.c.sequence).where(ledger.PUBLISHED).order_by(table.c.sequence.desc()).limit(1)).scalar()
        or 0
    )
    query = select(table.c.body).where(table.c.sequence > last).order_by(table.c.sequence).limit(1)
    body = tx.execute(query).scalar()
    return None if body is None else _written_at(body)


def _written_at(body: str) -> datetime:
    try:
        return datetime.fromisoformat(orjson.loads(body)["at"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError, OverflowError):
        # Somebody has rewritten it: that is for the verifying to say, and no reason to anchor less.
        return datetime.min.replace(tzinfo=UTC)
