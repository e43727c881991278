"""PURE. One batch of a partition: customers opened once, events and wake-ups applied in order, customers closed once.

A customer is taken as an earlier batch left it open, else opened from its records. What its events change is asked once
for all of them where time stands still in a batch; where the events carry their own time, after each.

What the core cannot take costs its own event and nothing else: the customer's state is thrown away and rebuilt from
its records and the steps of this batch, one at a time, without those that fail alone.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.codec import InvalidEvent
from services.rules.calendar import Micros
from services.rules.due import DueQueue
from services.rules.entries import Said
from services.rules.intake import Apply, dead_letters, dead_wake
from services.rules.opened import Shelf
from services.rules.port import SEGMENT_MARK, Core, CustomerState, Outgoing, Record, Written
from services.rules.stores import Store

log = logging.getLogger(__name__)

MAX_WORK = 12_000
"""What one batch may cost: bounds how long the event loop stands still, a second or so, and the memory of the writes.
The unit is an event that is learned, some tens of microseconds. Only a backlog makes such batches; the more of a
customer's events one holds, the less each costs."""

ASKING = 5
"""What it costs to ask the rules, after an event, a wake-up or several events, in units of MAX_WORK."""

MAX_EVENTS_ASKED_ALONE = MAX_WORK // (1 + ASKING)
"""Events of one batch where the rules are asked after each."""

MAX_LEARNED = 256
"""Events of one customer of which the rules are asked at once: bounds the warnings that come of it."""

MAX_OPENED_BYTES = 32 << 20
"""Records of the customers that one batch has to decode."""

MAX_UNSENT_BYTES = 300_000
"""Warnings that one customer's head may gather before the batch is closed: a head carries them until they are sent."""

MAX_RECORD_BYTES = 950_000
"""One table record; Kafka's limit is 1 MiB with the overhead of its batch."""


class RecordTooLarge(Exception):
    """The core wrote a record that Kafka would refuse; the event that made it so is treated as poison."""


class NoProgress(Exception):
    """After a wake-up the core asked for another one that is already due: it would be woken for ever."""


class Step(NamedTuple):
    """One thing done to a customer; `event` and `record` are None for a wake-up."""

    event: Said | None
    record: Record | None
    offset: int
    now: Micros


@dataclass(slots=True)
class Opened:
    """A customer's state in this batch, and what brought it there. `learned` counts the events of which the rules were
    not asked yet. `muted`: not to be woken before its next event; `failed`: something raised, so the state is not used
    in another batch."""

    state: CustomerState
    steps: list[Step] = field(default_factory=list)
    learned: int = 0
    muted: bool = False
    failed: bool = False


@dataclass(slots=True)
class Closed:
    """What a batch leaves behind. `writes` hold each customer's segments before its head; `snapshots` are what the
    customers topic is to say."""

    written: dict[str, Written] = field(default_factory=dict)
    writes: list[Outgoing] = field(default_factory=list)
    warnings: list[Outgoing] = field(default_factory=list)
    snapshots: list[Outgoing] = field(default_factory=list)


class Batch:
    """The customers that one batch touches. `dead_letters` and `applied` grow while it runs."""

    def __init__(
        self,
        core: Core,
        partition: int,
        store: Store,
        due: DueQueue,
        shelf: Shelf,
        *,
        tracks_due: bool,
        tells: bool = True,
    ) -> None:
        """`tracks_due`: ask the rules and keep the due queue right after every step and not only at the end; the event
        clock needs it.
        Without `tells` nothing is said on the customers topic.
        `shelf` holds customers whom earlier batches left open."""
        self._core = core
        self._partition = partition
        self._store = store
        self._due = due
        self._shelf = shelf
        self._tracks_due = tracks_due
        self._tells = tells
        self._opened: dict[str, Opened] = {}
        self._opened_bytes = 0
        self._unsent_bytes = 0
        self._work = 0
        self.applied = 0
        self.woken = 0
        self.decoded = 0
        self.dead_letters: list[Outgoing] = []

    @property
    def full(self) -> bool:
        """Whether the batch must be closed before anything else is done."""
        return (
            self._work >= MAX_WORK or self._opened_bytes >= MAX_OPENED_BYTES or self._unsent_bytes >= MAX_UNSENT_BYTES
        )

    @property
    def touched(self) -> Iterable[str]:
        """Whoever was opened."""
        return self._opened.keys()

    def refuse(self, record: Record, error: BaseException) -> None:
        """The record goes to the dead letters."""
        self._work += 1
        self.dead_letters += dead_letters(record, self._partition, error)

    def apply(self, record: Record, wanted: Apply, now: Micros) -> None:
        """One event; whatever the core says of it, the batch goes on."""
        self._work += 1
        opened = self._open(wanted.customer_id)
        step = Step(wanted.event, record, record.offset, now)
        try:
            self._core.learn(opened.state, wanted.event, offset=record.offset, now=now)
        except InvalidEvent as error:
            self.dead_letters += dead_letters(record, self._partition, error)
            opened.steps.append(step)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 the core's own fault must not stop the partition's other customers
            self._poisoned(record, error)
            self._rebuild(wanted.customer_id, opened)
        else:
            self.applied += 1
            opened.steps.append(step)
            opened.muted = False
            opened.learned += 1
        if self._tracks_due or opened.learned >= MAX_LEARNED:
            self._settle(wanted.customer_id, opened)
        self._track(wanted.customer_id, opened)

    def wake(self, customer_id: str, now: Micros) -> None:
        """One wake-up, already taken from the due queue."""
        self._work += ASKING
        opened = self._open(customer_id)
        self._settle(customer_id, opened)
        try:
            self._core.wake(opened.state, now=now)
            self._require_progress(opened.state, now)
        except Exception as error:  # noqa: BLE001 as in apply
            self._wake_failed(customer_id, opened, now, error)
            self._rebuild(customer_id, opened)
        else:
            self.woken += 1
            opened.steps.append(Step(None, None, -1, now))
        self._track(customer_id, opened)

    def close(self) -> Closed:
        """Closes every customer once. What no step of this batch explains is raised: the records are broken."""
        closed = Closed()
        for customer_id, opened in self._opened.items():
            self._settle(customer_id, opened)
            written = self._close(customer_id, opened)
            if written is None:
                continue
            closed.written[customer_id] = written
            key = customer_id.encode()
            closed.writes += [Outgoing(table_key(customer_id, name), value) for name, value in written.records]
            closed.warnings += [Outgoing(key, warning) for warning in written.warnings]
            closed.snapshots += [Outgoing(table_key(customer_id, name), value) for name, value in written.snapshots]
            self._due.set(customer_id, None if opened.muted else written.wake_at)
            if not opened.failed:
                self._shelf.keep(customer_id, opened.state, self._core.size(opened.state))
        return closed

    def _open(self, customer_id: str) -> Opened:
        opened = self._opened.get(customer_id)
        if opened is None:
            state = self._shelf.take(customer_id)
            if state is None:
                state = self._decoded(customer_id)
            opened = self._opened[customer_id] = Opened(state)
            if not self._tracks_due:
                self._work += ASKING
        return opened

    def _decoded(self, customer_id: str) -> CustomerState:
        records = self._store.get(customer_id)
        self._opened_bytes += sum(map(len, records.values()))
        self.decoded += 1
        return self._core.open(customer_id, records)

    def _track(self, customer_id: str, opened: Opened) -> None:
        self._unsent_bytes = max(self._unsent_bytes, self._core.unsent_bytes(opened.state))
        if self._tracks_due:
            self._due.set(customer_id, None if opened.muted else self._core.wake_at(opened.state))

    def _require_progress(self, state: CustomerState, now: Micros) -> None:
        again = self._core.wake_at(state)
        if again is not None and again <= now:
            raise NoProgress(f"woken at {now}, to be woken again at {again}")

    def _poisoned(self, record: Record, error: Exception) -> None:
        # The message of a foreign exception may quote the event: it goes to the dead letter, the log gets the place.
        log.error(
            "%s while applying the record at offset %d of partition %d: it goes to the dead letters",
            type(error).__name__,
            record.offset,
            self._partition,
        )
        self.dead_letters += dead_letters(record, self._partition, error)

    def _wake_failed(self, customer_id: str, opened: Opened, now: Micros, error: Exception) -> None:
        log.error(
            "%s in a wake-up on partition %d: its customer sleeps until its next event",
            type(error).__name__,
            self._partition,
        )
        self.dead_letters.append(dead_wake(customer_id, now, self._partition, error))
        opened.muted = True

    def _settle(self, customer_id: str, opened: Opened) -> None:
        """Asks the rules of what was learned; when that fails, event by event."""
        if not opened.learned:
            return
        opened.learned = 0
        if self._tracks_due:
            self._work += ASKING
        try:
            self._core.settle(opened.state)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 as in apply; whose fault it is shows now
            self._rebuild(customer_id, opened)

    def _rebuild(self, customer_id: str, opened: Opened) -> None:
        """The state from its records and its steps, without those that fail alone; these are told."""
        opened.failed, opened.learned = True, 0
        while True:
            # Work as well: many broken events of one customer must not make a batch without end.
            self._work += ASKING * len(opened.steps)
            state = self._core.open(customer_id, self._store.get(customer_id))
            for number, step in enumerate(opened.steps):
                try:
                    self._repeat(state, step)
                except MemoryError:
                    raise
                except Exception as error:  # noqa: BLE001 as in apply
                    del opened.steps[number]
                    self._failed(customer_id, opened, step, error)
                    break
            else:
                opened.state = state
                return

    def _replay(self, customer_id: str, steps: list[Step]) -> CustomerState:
        state = self._core.open(customer_id, self._store.get(customer_id))
        for step in steps:
            self._repeat(state, step)
        return state

    def _repeat(self, state: CustomerState, step: Step) -> None:
        if step.event is None:
            self._core.wake(state, now=step.now)
            return
        try:
            self._core.learn(state, step.event, offset=step.offset, now=step.now)
        except InvalidEvent:
            # It was refused, and reported, the first time as well.
            return
        self._core.settle(state)

    def _failed(self, customer_id: str, opened: Opened, step: Step, error: Exception) -> None:
        """A step that seemed to go well is to blame."""
        if step.record is None:
            self.woken -= 1
            self._wake_failed(customer_id, opened, step.now, error)
        else:
            self.applied -= 1
            self._poisoned(step.record, error)

    def _close(self, customer_id: str, opened: Opened) -> Written | None:
        """None when every step of this batch failed: nothing is to be written."""
        while opened.steps:
            try:
                return self._checked_close(opened.state)
            except Exception as error:  # noqa: BLE001 as in apply
                self._drop_first_bad(customer_id, opened, error)
        return None

    def _checked_close(self, state: CustomerState) -> Written:
        written = self._core.close(state, tells=self._tells)
        for name, value in written.records:
            if value is not None and len(value) > MAX_RECORD_BYTES:
                raise RecordTooLarge(f'segment "{name}" has {len(value)} bytes; at most {MAX_RECORD_BYTES} fit')
        return written

    def _drop_first_bad(self, customer_id: str, opened: Opened, error: Exception) -> None:
        """Finds the step after which closing fails, and goes on without it."""
        self._checked_close(self._replay(customer_id, []))  # raises: no event of this batch is to blame
        lengths = range(1, len(opened.steps) + 1)
        bad = bisect_left(lengths, 1, key=lambda length: self._fails(customer_id, opened.steps[:length]))
        self._failed(customer_id, opened, opened.steps.pop(bad), error)
        self._rebuild(customer_id, opened)

    def _fails(self, customer_id: str, steps: list[Step]) -> bool:
        try:
            self._checked_close(self._replay(customer_id, steps))
        except Exception:  # noqa: BLE001 whether it fails is the question
            return True
        return False


def table_key(customer_id: str, segment: str) -> bytes:
    """Of a record in the table or on the customers topic: the head's and the snapshot's is the customer id alone."""
    return (f"{customer_id}{SEGMENT_MARK}{segment}" if segment else customer_id).encode()
