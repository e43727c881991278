"""PURE. One partition: its customers' records, its due queue and its clock. Knows neither Kafka nor Faust."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from schemas.codec import InvalidEvent
from services.rules.batch import Batch
from services.rules.calendar import Micros
from services.rules.due import DueQueue
from services.rules.intake import Advance, Forward, judge
from services.rules.opened import OpenCustomers
from services.rules.port import CLOCK_KEY, LONG_DUE, SEGMENT_MARK, Core, Outgoing, Record

HEAD = ""
"""The segment name of a customer's head record."""


@dataclass(slots=True)
class BatchResult:
    """What a batch wants written.

    Order matters (see host.py): `dead_letters`, `forwards` and `snapshots` first, then `writes`, then `warnings`, then
    `next_offset` may be committed. `next_offset` is None for wake-ups; `consumed` counts the records taken from the
    front, `decoded` the customers that had to be opened from their records.
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
    decoded: int = 0


class Partition:
    """State of one partition. Methods that apply change memory at once: write their result, or forget the partition.

    `stale` counts changelog records that an overtaken writer left behind; `state_bytes` the size of all records.
    `unjudged` are customers whom other rules or other rates judged last, and who are due for that.
    """

    def __init__(
        self, number: int, partitions: int, core: Core, *, event_clock: bool, opened: OpenCustomers | None = None
    ) -> None:
        """`opened` keeps customers open between batches, for all partitions of a worker; without it none stays open."""
        self.number = number
        self.clock: Micros = 0
        self.due = DueQueue()
        self.stale = 0
        self.state_bytes = 0
        self.unjudged: set[str] = set()
        self._partitions = partitions
        self._core = core
        self._event_clock = event_clock
        self._shelf = (OpenCustomers(0) if opened is None else opened).shelf()
        self._customers: dict[str, dict[str, bytes]] = {}
        self._clock_version = (-1, 0)
        self._restored: set[str] = set()

    @property
    def customers(self) -> int:
        """How many customers live here."""
        return len(self._customers)

    def records_of(self, customer_id: str) -> dict[str, bytes]:
        """A copy of the customer's records by segment."""
        return dict(self._customers.get(customer_id, {}))

    def restore(self, key: bytes, value: bytes | None) -> None:
        """One changelog record. Of two versions the higher stays, whoever wrote last."""
        if key == CLOCK_KEY:
            self._restore_clock(value)
            return
        customer_id, _, segment = key.decode().partition(SEGMENT_MARK)
        # Whoever wrote this has gone on from there.
        self._shelf.take(customer_id)
        records = self._customers.setdefault(customer_id, {})
        old = records.get(segment)
        if value is not None and old is not None and self._core.version(value) < self._core.version(old):
            # A worker that was paused while its partitions moved on writes what it had in hand when it wakes up.
            self.stale += 1
            return
        self._put(customer_id, segment, value)
        if segment == HEAD:
            self._restored.add(customer_id)

    def recovered(self) -> list[Outgoing]:
        """Call when the changelog has been read: rebuilds the due queue of what was restored.

        Returns the warnings that the restored heads still count as unsent, keyed by customer, to be sent again.
        """
        unsent: list[Outgoing] = []
        for customer_id in sorted(self._restored):
            head = self._customers.get(customer_id, {}).get(HEAD)
            if head is None:
                self._set_due(customer_id, None)
                continue
            peek = self._core.peek(head)
            self._set_due(customer_id, peek.wake_at)
            unsent += [Outgoing(customer_id.encode(), warning) for warning in peek.unsent]
        self._restored.clear()
        return unsent

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
        waiting = list(self._customers)
        for start in range(0, len(waiting), customers_at_once):
            for customer_id in waiting[start : start + customers_at_once]:
                if self._is_unjudged(customer_id):
                    self._set_due(customer_id, LONG_DUE)
            yield max(0, len(waiting) - start - customers_at_once)

    def _is_unjudged(self, customer_id: str) -> bool:
        head = self._customers.get(customer_id, {}).get(HEAD)
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
            self._write_clock(result)
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
            self._customers,
            self.due,
            self._shelf,
            tracks_due=self._event_clock,
            tells=tells,
        )

    def _take(self, record: Record, batch: Batch, forwards: list[tuple[int, Outgoing]], now: Micros) -> bool:
        """False when the batch was full before the record was reached; it is then untouched."""
        try:
            wanted = judge(record, self.number, self._partitions)
        except InvalidEvent as error:
            batch.refuse(record, error)
            return True
        except Exception as error:  # noqa: BLE001 a decoder that breaks on a record must not stop the partition
            batch.refuse(record, error)
            return True
        if isinstance(wanted, Forward):
            forwards.append((wanted.partition, wanted.record))
            return True
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
                self.clock = max(self.clock, to)
                return True
            self.clock = max(self.clock, due.at)
            self._wake(due.customer_id, self.clock, batch)
        return False

    def _finish(self, batch: Batch) -> BatchResult:
        closed = batch.close()
        for customer_id, written in closed.written.items():
            for segment, value in written.records:
                self._put(customer_id, segment, value)
        for customer_id in self.unjudged.intersection(batch.touched):
            # An event that was refused, or known already, makes nobody judged.
            self.unjudged.discard(customer_id)
            if self._is_unjudged(customer_id):
                self._set_due(customer_id, LONG_DUE)
        return BatchResult(
            closed.writes,
            closed.warnings,
            closed.snapshots,
            batch.dead_letters,
            applied=batch.applied,
            woken=batch.woken,
            decoded=batch.decoded,
        )

    def _put(self, customer_id: str, segment: str, value: bytes | None) -> None:
        records = self._customers.setdefault(customer_id, {})
        self.state_bytes -= len(records.pop(segment, b""))
        if value is not None:
            records[segment] = value
            self.state_bytes += len(value)
        elif not records:
            del self._customers[customer_id]

    def _write_clock(self, result: BatchResult) -> None:
        # After the states: a clock that is ahead of a lost state would pass over that state's wake-ups.
        version = ((result.next_offset or 0) - 1, self._clock_version[1] + 1)
        self._clock_version = version
        result.writes.append(Outgoing(CLOCK_KEY, orjson.dumps({"version": version, "clock": self.clock})))

    def _restore_clock(self, value: bytes | None) -> None:
        if value is None:
            return
        document = orjson.loads(value)
        version = (int(document["version"][0]), int(document["version"][1]))
        if version < self._clock_version:
            self.stale += 1
            return
        self._clock_version, self.clock = version, int(document["clock"])
