"""The host of partitions: what is written in which order, from where we read, what may be committed. Knows no Faust.

For a batch of one partition:
  1. dead letters, forwarded events and snapshots are acknowledged: a state remembers an event or a wake-up as seen, so
     a crash after the state but before what comes of it would lose that;
  2. the states are acknowledged, each with the warnings it gave rise to (unsent);
  3. the warnings are acknowledged;
  4. the offset may be committed.
A crash anywhere repeats what follows the last finished step, and repeating is harmless. After an error nothing is
mended here: the process ends, and the next one starts from what is durable.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from schemas.topics import Topics
from services.rules.calendar import Micros
from services.rules.opened import OpenCustomers
from services.rules.partition import BatchResult, Partition
from services.rules.place import Follows, Place
from services.rules.port import Core, Outgoing, Record
from services.rules.runtime_metrics import RuntimeMetrics
from services.rules.stores import Store, in_memory
from services.rules.surroundings import Cursor, Sink
from services.rules.turns import Turns

log = logging.getLogger(__name__)

COMMIT_AGAIN_S = 0.1
"""After a commit that was refused."""

WAKE_LIMIT = 200
"""Wake-ups in one batch: events must not wait long behind them."""

LOADED_AT_ONCE = 5_000
"""Briefs of a store read between two turns of the event loop."""

RECHECK_AT_ONCE = 2_000
"""Heads looked at between two turns of the event loop: some milliseconds."""

DEAD_LETTER_PARTITION = 0


class NotCopartitioned(Exception):
    """The group assigned events and states apart; going on would apply events to empty states."""


class Overtaken(Exception):
    """Another worker has written states of a partition that we hold. One of us is late: what counts shows when the
    changelog is read again, and until then no warning may leave that would contradict another's."""


class LogReplaced(Exception):
    """The events topic is shorter than what was applied of it; new events would be taken for redelivered old ones."""


@dataclass(frozen=True)
class HostConfig:
    """`now` gives the wall's or the manual clock; `revoke_patience_s` bounds the wait for the batch in hand;
    `open_items` the items of customers who stay open between batches; `open_store` opens a partition's store."""

    topics: Topics
    partitions: int
    event_clock: bool
    now: Callable[[], Micros]
    revoke_patience_s: float = 5.0
    monotonic_s: Callable[[], float] = time.monotonic
    open_items: int = 0
    open_store: Callable[[int], Store] = in_memory


class Host:
    """All partitions of one worker. Of each one batch is in hand at a time, be it events or wake-ups."""

    def __init__(self, config: HostConfig, core: Core, sink: Sink, metrics: RuntimeMetrics) -> None:
        self.places: dict[int, Place] = {}
        self.cursor: Cursor | None = None
        self.opening = False
        self.failed = False
        self.taken_over = False
        self.restored = 0
        self._config = config
        self._core = core
        self._sink = sink
        self._metrics = metrics
        self._turns = Turns()
        self._hands: dict[int, asyncio.Lock] = {}
        self._epoch = 0
        self._opened = OpenCustomers(config.open_items)

    # ---- recovery

    def restore(self, number: int, records: Sequence[Record]) -> None:
        """Consecutive records of one partition of the changelog, for which `changelog_offset` was asked before. Others
        are left over from an earlier assignment: what came before them is forgotten."""
        place = self.places.get(number)
        if place is None:
            return
        stale = place.partition.restore(records)
        place.changelog_offset = max(place.changelog_offset, records[-1].offset)
        place.partition.commit(place.changelog_offset)
        self.restored += len(records)
        self._metrics.restored.inc(len(records))
        self._metrics.stale.inc(stale)

    def changelog_offset(self, number: int) -> int:
        """The last changelog record known to be in memory; -1 when there is none, also after a partition was forgotten.

        Never None: Faust would then go on where its own last recovery of the partition ended, and restore half a state.
        """
        return self._place(number).changelog_offset

    async def on_recovered(self, active: set[int], standby: set[int]) -> None:
        """The changelogs of `active` have been read: send what is unsent, find where to go on, wait for `open`.

        Raises NotCopartitioned; whatever the sink or the cursor raise.
        """
        epoch = self._epoch
        async with self._turns.alone():
            if epoch != self._epoch:
                # Taken away again while we waited. Forgetting anything now would pull it from under the next recovery.
                return
            for number in [number for number in self.places if number not in active | standby]:
                self._forget(number)
            for number in standby - active:
                self._place(number).stand_by()
            for number in sorted(active):
                await self._announce_unsent(number)
            await self._find_positions(active)
            self.opening = bool(active) and epoch == self._epoch
            self.taken_over = True
            log.info("recovered partitions %s, %d changelog records read", sorted(active), self.restored)
            self.restored = 0

    async def open(self) -> None:
        """Before the first fetch: put the cursor where it belongs, whatever was fetched and thrown away meanwhile."""
        self.opening = False
        positions = {
            number: place.next_offset for number, place in self.places.items() if place.next_offset is not None
        }
        await self._cursor().seek(positions)
        for place in self.places.values():
            place.ready = place.next_offset is not None

    def accepts(self, number: int) -> bool:
        """Whether fetched records of the partition are to be delivered."""
        return number in self.places and self.places[number].ready

    async def on_revoked(self) -> None:
        """Finish the batch in hand, commit, forget every partition whose memory may not be what the changelog has."""
        self.opening = False
        self._epoch += 1
        self._metrics.rebalances.inc()
        for place in self.places.values():
            place.ready = place.caught_up = False
        try:
            async with asyncio.timeout(self._config.revoke_patience_s), self._turns.alone():
                pass
        except TimeoutError:
            log.warning("partitions are taken away in the middle of a batch; it will be done again elsewhere")
        await self.commit()
        for number, place in list(self.places.items()):
            place.partition.forget_opened()
            if place.dirty:
                self._forget(number)

    # ---- work

    async def process(self, number: int, records: Sequence[Record]) -> None:
        """Fetched records of one partition, consecutive but for genuine holes. Any exception must end the process."""
        async with self._in_hand(number):
            place = self.places.get(number)
            if self.failed or place is None or not place.ready or not await self._continues(place, records):
                return
            # A batch ends where the partition says so. Between two, a revocation may have been asked for.
            records = [record for record in records if record.offset >= (place.next_offset or 0)]
            while records and place.ready:
                records = records[await self._apply(place, records) :]
                await asyncio.sleep(0)

    async def wake_due(self) -> None:
        """Wake-ups by the wall or manual clock, on partitions that have caught up with their events.

        Events that were published while nobody worked come first: they may be the contact whose absence would be
        reported.
        """
        if self._config.event_clock:
            return
        now = self._config.now()
        for place in list(self.places.values()):
            while self._may_wake(place) and place.partition.has_due(now):
                await self._wake(place, now)

    async def commit(self) -> None:
        """Exactly our cursor, for every partition where it has moved."""
        todo = {
            number: place.next_offset
            for number, place in self.places.items()
            if place.next_offset is not None and place.next_offset != place.committed
        }
        if todo and await self._cursor().commit(todo):
            for number, offset in todo.items():
                if number in self.places:
                    self.places[number].committed = offset

    async def use(self, core: Core) -> None:
        """Other rules from the next batch on; `recheck` then makes whoever the old ones judged due."""
        async with self._turns.alone():
            self._core = core
            for place in self.places.values():
                place.partition.use(core)

    def forget_opened(self) -> None:
        """Customers are opened from their records again. Between batches, like everything that is not awaited."""
        for place in self.places.values():
            place.partition.forget_opened()

    async def recheck(self) -> None:
        """Makes due whoever was judged by other rules or rates than those in force, a slice at a time."""
        places = list(self.places.values())
        waiting = {place.partition.number: place.partition.customers for place in places}
        for place in places:
            for left in place.partition.recheck(RECHECK_AT_ONCE):
                waiting[place.partition.number] = left
                self._metrics.recheck_left.set(sum(waiting.values()))
                await asyncio.sleep(0)

    def observe(self, number: int, position: int, highwater: int, *, idle: bool) -> None:
        """What the consumer sees of a partition: see Place.observe."""
        place = self.places.get(number)
        if place is not None and place.ready:
            place.observe(position, highwater, idle=idle)

    def keep_stores(self) -> None:
        """To be called now and then, as long as the changelogs are followed."""
        for place in self.places.values():
            place.partition.store.keep()

    def refresh_gauges(self) -> None:
        """Sizes, for the next scrape."""
        self._metrics.show(self.places, self._opened)

    # ---- inside

    def _place(self, number: int) -> Place:
        place = self.places.get(number)
        if place is None:
            clock = self._config.event_clock
            store = self._config.open_store(number)
            partition = Partition(
                number, self._config.partitions, self._core, event_clock=clock, opened=self._opened, store=store
            )
            place = self.places[number] = Place(partition, store.offset)
        return place

    def _forget(self, number: int) -> None:
        self.places.pop(number).partition.close()

    def _cursor(self) -> Cursor:
        if self.cursor is None:
            raise RuntimeError("the host has no cursor yet")
        return self.cursor

    async def _announce_unsent(self, number: int) -> None:
        place = self._place(number)
        for _ in place.partition.load(LOADED_AT_ONCE):
            await asyncio.sleep(0)
        claim = place.partition.claim()
        self._require_ours(place, await self._sink.send(self._config.topics.changelog, number, claim), len(claim))
        unsent = place.partition.recovered()
        await self._sink.send(self._config.topics.warnings, number, unsent)
        place.partition.sent(place.changelog_offset)
        place.partition.commit(place.changelog_offset)
        self._metrics.resent.inc(len(unsent))

    @staticmethod
    def _require_ours(place: Place, last: int, count: int) -> None:
        if not place.note_written(last, count):
            raise Overtaken(f"another worker has written states of partition {place.partition.number}")

    async def _find_positions(self, active: set[int]) -> None:
        committed = await self._cursor().committed() if active else {}
        if set(committed) != active:
            raise NotCopartitioned(f"events of {sorted(committed)} but states of {sorted(active)} were assigned")
        bounds = await self._cursor().bounds(sorted(active)) if active else {}
        for number, offset in committed.items():
            earliest, end = bounds[number]
            if offset is not None and offset > end:
                raise LogReplaced(
                    f"partition {number} of {self._config.topics.events} ends at {end} and was applied up to {offset}: "
                    "the topic was made anew, and its states do not fit it"
                )
            if offset is not None and offset < earliest:
                log.error("retention has deleted %d unapplied records of partition %d", earliest - offset, number)
            self._place(number).take_over(offset, earliest, end)

    async def _continues(self, place: Place, records: Sequence[Record]) -> bool:
        """False for records that were applied already, and for those beyond a hole that may not be genuine."""
        follows = place.follows(records, self._config.monotonic_s())
        if follows is Follows.HOLE and place.next_offset is not None:
            number, wanted = place.partition.number, place.next_offset
            self._metrics.holes.inc()
            log.warning(
                "partition %d continues at %d where %d was expected: reading again", number, records[0].offset, wanted
            )
            await self._cursor().seek({number: wanted})
        return follows is Follows.YES

    async def _apply(self, place: Place, records: Sequence[Record]) -> int:
        if place.partition.begins_with_control(records) and not await self._committed(place):
            return 0
        now = 0 if self._config.event_clock else self._config.now()
        behind = place.is_behind(records)
        result = await self._write(place, lambda: place.partition.apply_batch(records, now, behind=behind))
        place.next_offset = result.next_offset
        return result.consumed

    async def _committed(self, place: Place) -> bool:
        """Waits until all that was applied is committed; False when the partition was taken away before.

        An erased customer would learn again from events that come a second time.
        """
        while place.ready and place.committed != place.next_offset:
            await self.commit()
            if place.committed != place.next_offset:
                await asyncio.sleep(COMMIT_AGAIN_S)
        return place.ready

    async def _write(self, place: Place, decide: Callable[[], BatchResult]) -> BatchResult:
        topics, number = self._config.topics, place.partition.number
        place.dirty = True
        with self._metrics.batch_seconds.time():
            with self._metrics.decide_seconds.time():
                result = decide()
            await self._sink.send(topics.dead_letters, DEAD_LETTER_PARTITION, result.dead_letters)
            for home, records in _by_partition(result.forwards).items():
                await self._sink.send(topics.events, home, records)
            await self._sink.send(topics.customers, number, result.snapshots)
            with self._metrics.changelog_seconds.time():
                last = await self._sink.send(topics.changelog, number, place.partition.stamped(result.writes))
            self._require_ours(place, last, len(result.writes))
            place.partition.wrote(result, place.changelog_offset)
            await self._sink.send(topics.warnings, number, result.warnings)
            if result.warnings:
                place.partition.sent(place.changelog_offset)
        place.dirty = False
        self._metrics.count(result)
        return result

    async def _wake(self, place: Place, now: Micros) -> None:
        async with self._in_hand(place.partition.number):
            # Asked again: the partition may have been taken away while we waited.
            if self._may_wake(place):
                await self._write(place, lambda: place.partition.fire_due(now, WAKE_LIMIT))

    @asynccontextmanager
    async def _in_hand(self, number: int) -> AsyncIterator[None]:
        """One batch of a partition at a time, while those of others wait for their acknowledgements; and none after one
        that failed, whatever Faust still delivers."""
        async with self._hands.setdefault(number, asyncio.Lock()), self._turns.beside():
            try:
                yield
            except BaseException:
                self.failed = True
                raise

    def _may_wake(self, place: Place) -> bool:
        return place.ready and place.caught_up and not self.failed


def _by_partition(forwards: Sequence[tuple[int, Outgoing]]) -> dict[int, list[Outgoing]]:
    found: dict[int, list[Outgoing]] = {}
    for number, record in forwards:
        found.setdefault(number, []).append(record)
    return found
