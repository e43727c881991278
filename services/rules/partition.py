"""PURE. One partition: its customers' records, its due queue and its clock. Knows neither Kafka nor Faust."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.codec import InvalidEvent
from schemas.control import CONTROL_KEY
from services.rules.batch import Batch, table_key
from services.rules.calendar import Micros
from services.rules.due import DueQueue
from services.rules.erasing import tombstones, untold
from services.rules.intake import Advance, Erase, Forward, judge
from services.rules.layout import require_layout
from services.rules.opened import OpenCustomers
from services.rules.port import LONG_DUE, OWN_KEYS, SEGMENT_MARK, Core, Outgoing, Record
from services.rules.restoring import HEAD, OwnRecords, sorted_out
from services.rules.stores import Changes, MemoryStore, Store

RETIRED_AT_ONCE = 100
"""Warnings of a merged customer withdrawn in one step, some kilobytes each: a head carries them until they are sent."""


@dataclass(slots=True)
class BatchResult:
    """What a batch wants written.

    Order matters (see host.py): `dead_letters`, `forwards` and `snapshots` first, then `writes`, then `warnings`, then
    `next_offset` may be committed. `next_offset` is None for wake-ups; `consumed` counts the records taken from the
    front, `decoded` the customers that had to be opened from their records, `written` those that were closed.
    """

    writes: list[Outgoing]
    warnings: list[Outgoing]
    snapshots: list[Outgoing] = field(default_factory=list)
    dead_letters: list[Outgoing] = field(default_factory=list)
    forwards: list[tuple[int, Outgoing]] = field(default_factory=list)
    next_offset: int | None = None
    consumed: int = 0
    applied: int = 0
    woken: int = 0
    erased: int = 0
    decoded: int = 0
    written: int = 0


class Partition:
    """State of one partition. Methods that apply change memory at once: write their result, or forget the partition.

    `unjudged` are customers whom other rules or other rates judged last, and who are due for that.
    """

    def __init__(
        self,
        number: int,
        partitions: int,
        core: Core,
        *,
        event_clock: bool,
        opened: OpenCustomers | None = None,
        store: Store | None = None,
    ) -> None:
        """`opened` keeps customers open between batches, for all partitions of a worker; without it none stays open.
        `store` may hold what an earlier process left in it; without one the records are in memory."""
        self.number = number
        self.due = DueQueue()
        self.unjudged: set[str] = set()
        self.store: Store = MemoryStore() if store is None else store
        self._partitions = partitions
        self._core = core
        self._event_clock = event_clock
        self._shelf = (OpenCustomers(0) if opened is None else opened).shelf()
        self._own = OwnRecords(self.store.note)
        self._unread = self.store.briefs()

    @property
    def customers(self) -> int:
        """How many customers live here."""
        return len(self.store)

    @property
    def state_bytes(self) -> int:
        """The size of all records."""
        return self.store.size_bytes

    @property
    def clock(self) -> Micros:
        """Under the event clock, how far it has come."""
        return self._own.clock

    def records_of(self, customer_id: str) -> dict[str, bytes]:
        """A copy of the customer's records by segment."""
        return dict(self.store.get(customer_id))

    # ---- recovery

    def restore(self, records: Sequence[Record]) -> int:
        """Consecutive records of the changelog. The last rightful word counts (see fencing); of two versions by workers
        that tell no epoch the higher stays, whoever wrote last.

        Returns how many of them an overtaken writer has left behind. Raises LayoutChanged.
        """
        found = sorted_out(records, self.store, self._core, self._own)
        require_layout(self._own.layout, self._partitions)
        for customer_id, changes in found.customers.items():
            # Whoever wrote this has gone on from there.
            self._shelf.take(customer_id)
            self._take_in(customer_id, changes, found.heads.get(customer_id, 0))
        return found.stale

    def _take_in(self, customer_id: str, changes: dict[str, bytes | None], offset: int) -> None:
        if HEAD in changes:
            head = changes[HEAD]
            peek = None if head is None else self._core.peek(head)
            self._set_due(customer_id, None if peek is None else peek.wake_at)
            self._own.note_unsent(customer_id, offset if peek is not None and peek.unsent else None)
        self._put(customer_id, changes.items())

    def load(self, customers_at_once: int) -> Iterator[None]:
        """Makes due whom the store held when it was opened. To be run to its end before `recovered`; yields after every
        so many customers."""
        unread, self._unread = self._unread, iter(())
        for number, (customer_id, brief) in enumerate(unread, 1):
            self._set_due(customer_id, self._core.peek(brief).wake_at)
            if number % customers_at_once == 0:
                yield

    def recovered(self) -> list[Outgoing]:
        """Call when the changelog has been read. Returns the warnings that may not have been sent, keyed by customer,
        in no order but each customer's own. When they have been sent, call `sent`."""
        unsent = []
        for customer_id in self._own.unsent:
            head = self.store.record(customer_id, HEAD)
            warnings = [] if head is None else self._core.peek(head).unsent
            unsent += [Outgoing(customer_id.encode(), warning) for warning in warnings]
        return unsent

    def claim(self) -> list[Outgoing]:
        """What makes the partition ours when it lies right behind all that was restored; see fencing. Call when the
        changelog has been read."""
        own, fence = self._own, self._own.fence
        fence.claim()
        again = [Outgoing(key, self._value_of(key)) for key in sorted(fence.shadows) if key[:1] != OWN_KEYS]
        fence.shadows.clear()
        # Last, since a recovery must not end with a tombstone.
        return fence.stamped([*again, own.clock_record(own.applied)])

    def _value_of(self, key: bytes) -> bytes | None:
        customer_id, _, segment = key.decode().partition(SEGMENT_MARK)
        return self.store.record(customer_id, segment)

    # ---- what has been written

    def stamped(self, writes: Sequence[Outgoing]) -> list[Outgoing]:
        """States as they are to be written while the partition is ours."""
        return self._own.fence.stamped(writes)

    def commit(self, offset: int) -> None:
        """The changelog is known up to this record, and holds all that was decided so far."""
        self.store.commit(offset, self._own.note() if self.store.is_durable else b"")

    def wrote(self, result: BatchResult, offset: int) -> None:
        """The changelog has the batch's states, and is known up to this record; warnings are still to be sent."""
        if self.store.is_durable:
            for warning in result.warnings:
                self._own.note_unsent((warning.key or b"").decode(), offset)
        if result.writes:
            self.commit(offset)

    def sent(self, offset: int) -> None:
        """The warnings of all states up to this record of the changelog have been sent."""
        self._own.sent(offset)

    def close(self) -> None:
        """Forgets everything that is not in a store that outlives it."""
        self.forget_opened()
        self.store.close()

    def forget_opened(self) -> None:
        """Every customer is opened from its records the next time."""
        self._shelf.clear()

    def use(self, core: Core) -> None:
        """Other rules from the next batch on; `recheck` tells whom they have to judge anew."""
        self._core = core
        self.forget_opened()

    def recheck(self, customers_at_once: int) -> Iterator[int]:
        """Makes due whoever was judged by other rules or rates than those in force. Yields after every so many
        customers how many are still to be looked at; batches may come in between.
        """
        waiting = list(self.store.customers())
        for start in range(0, len(waiting), customers_at_once):
            for customer_id in waiting[start : start + customers_at_once]:
                if self._is_unjudged(customer_id):
                    self._set_due(customer_id, LONG_DUE)
            yield max(0, len(waiting) - start - customers_at_once)

    def _is_unjudged(self, customer_id: str) -> bool:
        head = self.store.record(customer_id, HEAD)
        return head is not None and self._core.peek(head).wake_at == LONG_DUE

    def _set_due(self, customer_id: str, wake_at: Micros | None) -> None:
        self.due.set(customer_id, wake_at)
        if wake_at == LONG_DUE:
            self.unjudged.add(customer_id)
        else:
            self.unjudged.discard(customer_id)

    def _wake(self, customer_id: str, now: Micros, batch: Batch) -> None:
        # Whatever comes of it: a customer with whom the rules in force cannot deal must not be woken for ever.
        self.unjudged.discard(customer_id)
        batch.wake(customer_id, now)

    def apply_batch(self, records: Sequence[Record], now: Micros, *, behind: bool = False) -> BatchResult:
        """As many records from the front as one batch takes: `consumed` of them, at least one step further each call.

        Args:
            records: consecutive records of the events topic, in the order of their offsets; at least one.
            now: the instant of the wall or manual clock; not looked at under the event clock.
            behind: many more records wait. On the events' own time, where a year may pass in seconds, reports are told
                once what waits has been taken in.
        """
        erase = self._erase_at(records[0])
        if erase is not None:
            return self._retire(erase, records[0].offset, now) or self._erase(erase.customer_id, records[0].offset)
        batch = self._batch(tells=not (behind and self._event_clock))
        forwards: list[tuple[int, Outgoing]] = []
        consumed = 0
        for record in records:
            if batch.full or not self._take(record, batch, forwards, now):
                break
            consumed += 1
        result = self._finish(batch)
        result.forwards = forwards
        result.consumed = consumed
        # Cut inside a record (a long advance of the clock): that record comes first again.
        result.next_offset = records[consumed - 1].offset + 1 if consumed else records[0].offset
        if self._event_clock:
            # After the states: a clock that is ahead of a lost state would pass over that state's wake-ups.
            result.writes.append(self._own.clock_record((result.next_offset or 0) - 1))
        return result

    def begins_with_control(self, records: Sequence[Record]) -> bool:
        """Whether everything before is to be committed before these records are applied."""
        return records[0].key == CONTROL_KEY

    def _erase_at(self, record: Record) -> Erase | None:
        if record.key != CONTROL_KEY:
            return None
        try:
            wanted = judge(record, self.number, self._partitions)
        except InvalidEvent:
            return None
        return wanted if isinstance(wanted, Erase) else None

    def _retire(self, erase: Erase, offset: int, now: Micros) -> BatchResult | None:
        """Before a merged customer is erased its warnings are withdrawn: steps of their own, since warnings leave from
        states that are kept. The record comes again until nothing is left to withdraw: None."""
        customer_id, records = erase.customer_id, self.records_of(erase.customer_id)
        if erase.merged_into is None or HEAD not in records:
            return None
        now = self.clock if self._event_clock else now
        state = self._shelf.take(customer_id) or self._core.open(customer_id, records)
        if not self._core.retire(state, now=now, merged_into=erase.merged_into, limit=RETIRED_AT_ONCE):
            return None
        written = self._core.close(state, tells=False)
        self._put(customer_id, written.records)
        # Nothing may be announced of it again.
        self._set_due(customer_id, None)
        key = customer_id.encode()
        writes = [Outgoing(table_key(customer_id, name), value) for name, value in written.records]
        warnings = [Outgoing(key, warning) for warning in written.warnings]
        return BatchResult([*self._own.mark(), *writes], warnings, next_offset=offset)

    def _erase(self, customer_id: str, offset: int) -> BatchResult:
        result = BatchResult(tombstones(customer_id, offset, self.store), [], consumed=1, next_offset=offset + 1)
        result.snapshots = untold(customer_id, self.store, self._core)
        result.erased = 1
        self._own.note_erased(customer_id, offset)
        self._shelf.take(customer_id)
        self._put(customer_id, [(name, None) for name in self.records_of(customer_id)])
        self._set_due(customer_id, None)
        # Recovery ends with the log's last record, and compaction takes tombstones away.
        result.writes.append(self._own.mark_record())
        return result

    def has_due(self, now: Micros) -> bool:
        """Whether `fire_due(now)` would find something to do."""
        first = None if self._event_clock else self.due.first()
        return first is not None and first.at <= now

    def fire_due(self, now: Micros, limit: int) -> BatchResult:
        """Wakes up to `limit` customers who are due by `now`, each once. For the wall and manual clocks."""
        batch = self._batch()
        for _ in range(limit):
            due = None if batch.full else self.due.take(now)
            if due is None:
                break
            self._wake(due.customer_id, now, batch)
        return self._finish(batch)

    def _batch(self, *, tells: bool = True) -> Batch:
        return Batch(
            self._core,
            self.number,
            self.store,
            self.due,
            self._shelf,
            tracks_due=self._event_clock,
            tells=tells,
        )

    def _take(self, record: Record, batch: Batch, forwards: list[tuple[int, Outgoing]], now: Micros) -> bool:
        """False when the batch was full before the record was reached; it is then untouched."""
        try:
            wanted = judge(record, self.number, self._partitions)
        except Exception as error:  # noqa: BLE001 nor may a decoder that breaks on a record stop the partition
            batch.refuse(record, error)
            return True
        if isinstance(wanted, Forward):
            if record.offset >= self._own.forwarded:
                forwards.append((wanted.partition, wanted.record))
            return True
        if isinstance(wanted, Erase):
            # It comes first in the next batch, and is all of it.
            return False
        if isinstance(wanted, Advance):
            return not self._event_clock or self._advance(wanted.to, batch)
        if self._event_clock:
            if not self._advance(wanted.time, batch):
                return False
            now = self.clock
        batch.apply(record, wanted, now)
        return True

    def _advance(self, to: Micros, batch: Batch) -> bool:
        """Moves the event clock, firing what falls due on the way. False when the batch filled up before the end."""
        while not batch.full:
            due = self.due.take(to)
            if due is None:
                self._own.move(to)
                return True
            self._own.move(due.at)
            self._wake(due.customer_id, self.clock, batch)
        return False

    def _finish(self, batch: Batch) -> BatchResult:
        closed = batch.close()
        for customer_id, written in closed.written.items():
            self._put(customer_id, written.records)
        for customer_id in self.unjudged.intersection(batch.touched):
            # An event that was refused, or known already, makes nobody judged.
            self.unjudged.discard(customer_id)
            if self._is_unjudged(customer_id):
                self._set_due(customer_id, LONG_DUE)
        return BatchResult(
            [*self._own.mark(), *closed.writes] if closed.writes else [],
            closed.warnings,
            closed.snapshots,
            batch.dead_letters,
            applied=batch.applied,
            woken=batch.woken,
            decoded=batch.decoded,
            written=len(closed.written),
        )

    def _put(self, customer_id: str, changes: Changes) -> None:
        changes = list(changes)
        head = dict(changes).get(HEAD) if self.store.is_durable else None
        self.store.put(customer_id, changes, None if head is None else self._core.brief(head))
