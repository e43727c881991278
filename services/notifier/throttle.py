"""What providers limit, kept in the database: however many notifiers there are, together they keep within it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.common.clock import Now
from services.common.database import Database
from services.notifier.channels.limits import Go, Limits, Usage, Wait, answered, blocked, decide
from services.notifier.tables import throttle

_USAGE: TypeAdapter[Usage] = TypeAdapter(Usage)
T = TypeVar("T")


class Throttle:
    """`now` must be the clock of the providers, which is the wall's. Every change of a scope's usage is a transaction
    of its own that locks the scope's row and nothing else."""

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    def reserve(self, limits: Limits, scope: str, messages: int, *, critical: bool) -> Go | Wait:
        """Whether the message may be sent now; if so it is counted already, also if we die with it."""

        def change(usage: Usage, now: datetime) -> tuple[Usage, Go | Wait]:
            verdict = decide(limits, usage, now, messages=messages, critical=critical)
            return verdict.usage, verdict

        return self._change(scope, change)

    def wait_s(self, verdict: Wait) -> float:
        """How long from now."""
        return max(0.0, (verdict.until - self._now()).total_seconds())

    def answered(self, scope: str, hold: tuple[datetime, ...]) -> None:
        """The provider had it by now."""
        if hold:
            self._change(scope, lambda usage, now: (answered(usage, hold, now), None))

    def blocked(self, limits: Limits, scope: str, after_s: float) -> None:
        """The provider says that it was too much."""
        self._change(scope, lambda usage, now: (blocked(limits, usage, now, after_s), None))

    def _change(self, scope: str, change: Callable[[Usage, datetime], tuple[Usage, T]]) -> T:
        with self._database.claiming() as tx:
            state = self._locked(tx, scope)
            usage = _USAGE.validate_json(state) if state else Usage()
            after, result = change(usage, self._now())
            if after != usage:
                kept = _USAGE.dump_json(after).decode()
                tx.execute(update(throttle).where(throttle.c.scope == scope).values(state=kept))
            return result

    def _locked(self, tx: Connection, scope: str) -> str:
        """The scope's row, ours until the transaction ends."""
        query = select(throttle.c.state).where(throttle.c.scope == scope).with_for_update()
        state: str | None = tx.execute(query).scalar()
        if state is not None:
            return state
        try:
            with tx.begin_nested():
                tx.execute(insert(throttle).values(scope=scope, state=""))
        except IntegrityError:
            # Another notifier made it a moment ago.
            made: str = tx.execute(query).scalar_one()
            return made
        return ""
