"""Whose ids are, in memory: what was looked up in the database stays right until somebody changes it.

The database counts the changes; every replica asks for that number once a second, so that a change made elsewhere is
seen within REFRESH_S. Nothing here is asked on the event loop but what is in memory (`MustLook` otherwise).

Order does not hang on that second. An event is only ever kept back in a transaction that finds its id unknown, or
others of it waiting; once an id is known and nothing of it waits, nothing can begin to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from schemas.codec import InvalidEvent
from services.common.clock import Now
from services.common.database import Database
from services.ingest import ids_store, ids_waiting
from services.ingest.ids import IdKey, Joining, Merge, MustLook, Place, Waiting, is_held, why_not_joined
from services.ingest.ids_vault import OpenVault, Vault
from services.ingest.ids_waiting import Row
from services.ingest.publisher import TryLater

REFRESH_S = 1.0
"""How often the database is asked whether anything has changed."""

STALE_S = 10.0
"""After so long without an answer what is in memory is no longer used."""

MAX_CACHED = 200_000
"""Ids in memory, about 250 bytes each; the first to come goes first."""

MAX_WAITING = 100_000
"""Events of one source that may wait; a file of its ids is missing when there are more."""


@dataclass(slots=True)
class Kept:
    """What became of events that wait and of merges. With `again` nothing was kept: what is known has changed, and the
    request is to be judged anew. `refused` by the event's place in the request."""

    again: bool = False
    refused: dict[int, InvalidEvent] = field(default_factory=dict)


@dataclass(slots=True)
class _Memory:
    generation: int = -1
    mapped: frozenset[str] = frozenset()
    merges: dict[str, Merge] = field(default_factory=dict)
    places: dict[IdKey, Place] = field(default_factory=dict)


class Registry:
    """What this replica knows of ids and merges. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        now: Now,
        monotonic_s: Callable[[], float] = time.monotonic,
        max_waiting: int = MAX_WAITING,
        vault: Vault | None = None,
    ) -> None:
        """`vault` seals what waits."""
        self._vault = vault or OpenVault()
        self.database = database
        self.now = now
        self._monotonic_s = monotonic_s
        self.max_waiting = max_waiting
        self._lock = threading.Lock()
        self._memory = _Memory()
        self._asked_s = float("-inf")

    # ---- in memory: these never wait

    @property
    def mapped(self) -> frozenset[str]:
        """The sources that have ids of their own, as last heard."""
        return self._memory.mapped

    @property
    def merges(self) -> dict[str, Merge]:
        """All merges, as last heard. Not to be changed."""
        return self._memory.merges

    @property
    def generation(self) -> int:
        """The number of the last change that was heard of."""
        return self._memory.generation

    def require_fresh(self) -> None:
        """Raises MustLook when the database has not been heard for STALE_S."""
        if self._monotonic_s() - self._asked_s > STALE_S:
            raise MustLook(set())

    def require(self, keys: Iterable[IdKey]) -> None:
        """Raises MustLook with those that are not in memory."""
        places = self._memory.places
        missing = {key for key in keys if key not in places}
        if missing:
            raise MustLook(missing)

    def place(self, key: IdKey) -> Place:
        """What is known of an id. Raises MustLook."""
        found = self._memory.places.get(key)
        if found is None:
            raise MustLook({key})
        return found

    # ---- with the database: these may wait for it, and raise TryLater

    def refresh(self) -> int:
        """Asks whether anything has changed; returns the number of the last change."""
        with _reachable(), self.database.reading() as tx, self._lock:
            return self._hear(tx)

    def look_up(self, keys: Iterable[IdKey]) -> None:
        """Brings these into memory."""
        with _reachable(), self.database.reading() as tx:
            # First the number: what is read after it may be newer, and never older.
            with self._lock:
                generation = self._hear(tx)
            places = _places(tx, keys, self._memory.mapped)
            with self._lock:
                if generation != self._memory.generation:
                    # Somebody heard of a change meanwhile. Whoever asked will ask again.
                    return
                known = self._memory.places
                for key, place in places.items():
                    known.pop(key, None)
                    known[key] = place
                while len(known) > MAX_CACHED:
                    del known[next(iter(known))]

    def keep(self, waiting: Sequence[Waiting], joinings: Sequence[Joining]) -> Kept:
        """Makes durable what waits and who was merged. Raises TryLater where too much waits."""
        kept, waiting = Kept(), self._vault.shut(waiting)
        with _reachable(), self.database.writing() as tx:
            merges = ids_store.all_merges(tx)
            gone = _no_longer_waiting(tx, waiting, merges)
            if gone:
                kept.again = True
            else:
                self._wait(tx, waiting, kept)
                self._join(tx, joinings, merges, kept)
        if kept.again:
            with self._lock:
                for key in gone:
                    self._memory.places.pop(key, None)
            self.refresh()
        elif joinings:
            self.refresh()
        return kept

    def opened(self, rows: Sequence[Row]) -> list[Row]:
        """Waiting events as they came. Raises TryLater, NotSealed."""
        return [row._replace(value=self._vault.open(row.source, row.event_id, row.value)) for row in rows]

    # ---- inside

    def _hear(self, tx: Connection) -> int:
        generation = ids_store.generation(tx)
        if generation > self._memory.generation:
            self._memory = _Memory(generation, ids_store.all_mapped(tx), ids_store.all_merges(tx))
        self._asked_s = self._monotonic_s()
        return generation

    def _wait(self, tx: Connection, waiting: Sequence[Waiting], kept: Kept) -> None:
        known = ids_waiting.known_events(tx, waiting)
        added: dict[tuple[str, str], Waiting] = {}
        for one in waiting:
            name = one.source, one.event_id
            before = known.get(name) or (added[name].value if name in added else None)
            if before is None:
                added[name] = one
            elif before != one.value:
                sentence = "an event of this source and id waits already, and it is another"
                kept.refused[one.index] = InvalidEvent("id_reused", sentence, (), one.event_id, one.source)
        ids_waiting.add(tx, list(added.values()), self.now())
        for source in {one.source for one in added.values()}:
            if ids_waiting.count_of(tx, source, self.max_waiting + 1) > self.max_waiting:
                # Leaving the transaction by an exception takes it all back.
                raise too_many_waiting(source, self.max_waiting)

    def _join(self, tx: Connection, joinings: Sequence[Joining], merges: dict[str, Merge], kept: Kept) -> None:
        for one in joinings:
            problem = why_not_joined(one.merged, one.surviving, merges)
            if problem is not None:
                kept.refused[one.index] = InvalidEvent("merge_refused", problem)
            elif one.merged not in merges:
                ids_store.add_merge(tx, one.merged, one.surviving, self.now())
                merges[one.merged] = Merge(one.surviving, done=False)


def too_many_waiting(source: str, limit: int) -> TryLater:
    """Nothing more of the source may wait."""
    sentence = (
        f"{limit} events of {source} wait because nobody has said whose its ids are: "
        "`bellwether ids waiting` lists them, `bellwether ids load` takes a file of them"
    )
    return TryLater("too_many_waiting", sentence, after_s=60)


def _places(tx: Connection, keys: Iterable[IdKey], mapped: frozenset[str]) -> dict[IdKey, Place]:
    wanted = list(dict.fromkeys(keys))
    owners = ids_store.find_ids(tx, [key for key in wanted if key[0] in mapped])
    queued = ids_store.find_queued(tx, wanted)
    return {key: Place(owners.get(key) if key[0] in mapped else key[1], key in queued) for key in wanted}


def _no_longer_waiting(tx: Connection, waiting: Sequence[Waiting], merges: dict[str, Merge]) -> set[IdKey]:
    """Ids of which events can be sent by now: keeping one back would let the next overtake it."""
    places = _places(tx, {one.key for one in waiting}, ids_store.all_mapped(tx)) if waiting else {}
    return {
        key
        for key, (customer_id, queued) in places.items()
        if customer_id is not None and not queued and not is_held(customer_id, merges)
    }


@contextmanager
def _reachable() -> Iterator[None]:
    """Turns the database's absence into a sentence for senders."""
    try:
        yield
    except SQLAlchemyError as error:
        sentence = "whose the events are could not be looked up: the database does not answer"
        raise TryLater("database_unavailable", sentence, after_s=5) from error
