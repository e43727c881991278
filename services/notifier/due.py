"""What time has made due, in one look at the tables: asked ten times a second, it is mostly nothing."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, exists, func, select

from services.common.columns import UtcInstant
from services.notifier.tables import deadlines, holds, settling, tasks

_NOW = bindparam("now", type_=UtcInstant)
_NOT_BEGUN = settling.c.round_at.is_(None)
_LOOK = select(
    exists().where(deadlines.c.next_at <= _NOW),
    exists().where(tasks.c.status == "open", tasks.c.remind_at <= _NOW),
    exists().where(holds.c.next_at <= _NOW),
    exists().where(settling.c.round_at.is_not(None)),
    select(func.min(settling.c.first_at)).where(_NOT_BEGUN).scalar_subquery(),
    select(func.max(settling.c.last_at)).where(_NOT_BEGUN).scalar_subquery(),
)


class Due(NamedTuple):
    """Whether a step of a case is, a reminder of a task, a hold (it is over, or its pause is); whether a round of what
    settled is not decided to its end (a crash may have cut it short). Of what waits for calm and for a round: when the
    first of it was first received, and when the last revision of any was."""

    steps: bool
    reminders: bool
    holds: bool
    round: bool
    oldest: datetime | None
    newest: datetime | None

    @property
    def waiting(self) -> tuple[datetime, datetime] | None:
        """From when to when what waits came in; None when nothing does."""
        return None if self.oldest is None or self.newest is None else (self.oldest, self.newest)


def look(tx: Connection, now: datetime) -> Due:
    """What is due at `now`."""
    return Due(*tx.execute(_LOOK, {"now": now}).one())
