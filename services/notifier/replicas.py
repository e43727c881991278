"""Which notifiers work on the database: each holds a lease that it renews, and what a dead one claimed is in doubt."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from services.common.clock import Now
from services.common.database import Database
from services.common.errors import UserError
from services.notifier.tables import replicas

DEFAULT_LEASE_S = 30.0
RENEWALS = 5
"""In the time of one lease."""

# Made once: every dispatcher asks before each of its rounds.
_ALIVE = select(replicas.c.name).where(replicas.c.lease_until > bindparam("now"), replicas.c.name != bindparam("ours"))


class DatabaseInUse(UserError):
    """Another notifier works on this SQLite file. Several notifiers share one PostgreSQL."""


def lock_file(database: Path) -> int:
    """Hold a SQLite database for this process alone, for as long as it lives. Raises DatabaseInUse."""
    place = database.with_name(database.name + ".lock")
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(place, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DatabaseInUse(
            f"another notifier works on {database}: several share one PostgreSQL (BELLWETHER_DATABASE_URL)"
        ) from None
    return lock


def new_name() -> str:
    """Nobody else's, and people can tell from it which process it is."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"


class Replica:
    """This process. `wall` must be the machine's clock, whatever the notifier's own clock says: leases are about
    processes. Clocks of several machines may differ by less than half a lease."""

    def __init__(
        self,
        database: Database,
        wall: Now,
        name: str | None = None,
        lease_s: float = DEFAULT_LEASE_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name or new_name()
        self._database = database
        self._wall = wall
        self._lease = timedelta(seconds=lease_s)
        self._monotonic_s = monotonic_s
        self._until_s = -1.0

    @property
    def pause_s(self) -> float:
        """Between two renewals."""
        return self._lease.total_seconds() / RENEWALS

    def join(self, *, alone: bool) -> None:
        """Begin. `alone`: the database is this process's own (SQLite), so whoever else stands there is dead."""
        if alone:
            with self._database.writing() as tx:
                tx.execute(delete(replicas).where(replicas.c.name != self.name))
        self.renew()

    def renew(self) -> None:
        """Hold the lease for its whole time from now on."""
        begun_s, now = self._monotonic_s(), self._wall()
        until = now + self._lease
        with self._database.claiming() as tx:
            mine = replicas.c.name == self.name
            if tx.execute(update(replicas).where(mine).values(lease_until=until)).rowcount == 0:
                tx.execute(insert(replicas).values(name=self.name, started_at=now, lease_until=until))
        self._until_s = begun_s + self._lease.total_seconds()

    def holds(self) -> bool:
        """Whether the lease lasts. Who does not hold it any more (it was paused) must not send what it had claimed:
        somebody else may have judged it by now."""
        return self._monotonic_s() < self._until_s

    def leave(self) -> None:
        """End in order: nothing of ours is in flight."""
        with self._database.claiming() as tx:
            tx.execute(delete(replicas).where(replicas.c.name == self.name))

    def others(self, tx: Connection) -> set[str]:
        """Those beside us who hold a lease: what they claimed is not ours to judge."""
        return set(tx.execute(_ALIVE, {"now": self._wall(), "ours": self.name}).scalars())
