"""The rules core as the runtime sees it: records in, records and warnings out. Synchronous, no I/O, no clock. PURE."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from schemas.events import Event
from services.rules.calendar import Micros
from services.rules.engine import SNAPSHOT, Engine
from services.rules.entries import Said
from services.rules.port import LONG_DUE
from services.rules.records import HEAD, Version, brief_of, read_head_prefix, read_prefix
from services.rules.reference import Reference
from services.rules.snapshots import Telling
from services.rules.state import CustomerState, wake_at
from services.rules.touching import ALL_MONTHS, touched_of
from services.rules.verdicts import judged_of

log = logging.getLogger(__name__)

ALL_TOLD = [f"{year}-{month:02d}" for year in range(2000, 2051) for month in range(1, 13)]
"""Every month of which reports may have been told."""


class Peek(NamedTuple):
    """What the runtime needs of a customer without opening it."""

    version: Version
    clock: Micros
    wake_at: Micros | None
    unsent: list[bytes]


class Written(NamedTuple):
    """The records to write, in this order (segments first, the head last; None is a tombstone), and what they mean."""

    records: list[tuple[str, bytes | None]]
    wake_at: Micros | None
    warnings: list[bytes]
    snapshots: list[tuple[str, bytes | None]]


class Core:
    """Opens, changes and closes one customer at a time. A closed state may be changed and closed again."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.max_items: int | None = None
        """How many events of one customer are kept; what comes beyond is refused."""
        self._tells = engine.settings.snapshot_every is not None

    @property
    def reference(self) -> Reference:
        """Rates, rankings and heartbeats; whoever feeds the core lets it learn between batches."""
        return self.engine.reference

    def open(self, customer_id: str, records: Mapping[str, bytes]) -> CustomerState:
        """The customer of these records. Segments without a head are what a crash left of the first write: their
        events come again, so the customer is opened as new."""
        if HEAD not in records:
            state = CustomerState.new(customer_id, self.engine.calendar, self.engine.rulebook.plan)
        else:
            state = CustomerState.decode(records, self.engine.calendar, self.engine.rulebook.plan)
        state.known.limit = self.max_items
        if self._tells:
            touched_of(state)
        if state.reconcile:
            # What the head has not seen was learned all the same: it will be known when it comes again.
            state.head.untold = [ALL_MONTHS]
        return state

    def apply(self, state: CustomerState, event: Event | Said, *, offset: int, now: Micros) -> None:
        """Learns of one event and asks the rules at once; see learn."""
        self.learn(state, event, offset=offset, now=now)
        self.settle(state)

    def learn(self, state: CustomerState, event: Event | Said, *, offset: int, now: Micros) -> None:
        """Takes in one event; the rules are asked by `settle`. Raises InvalidEvent when it must go to the dead letters
        (only the offset has changed). After any other exception the state must be thrown away."""
        book = state.head.book
        self.engine.learn(state, event, offset, now)
        if state.head.book != book:
            self._note(state, book)

    def settle(self, state: CustomerState) -> None:
        """Asks the rules what the events learned since the last time have changed. After an exception the state must be
        thrown away."""
        book = state.head.book
        self.engine.settle(state)
        self._note(state, book)

    def wake(self, state: CustomerState, *, now: Micros) -> None:
        """Announces what has become true by itself."""
        book = state.head.book
        self.engine.wake(state, now)
        self._note(state, book)

    def retire(self, state: CustomerState, *, now: Micros, merged_into: str, limit: int) -> bool:
        """Withdraws what was announced of a customer who turned out to be another, `limit` warnings at most; False when
        nothing is left to withdraw."""
        return self.engine.retire(state, now, merged_into, limit)

    def hear(self, state: CustomerState, feed: str, *, now: Micros) -> None:
        """A feed has told how far it is complete: the rules that wait for it are asked again."""
        self.engine.hear(state, feed, now)

    def unsent_bytes(self, state: CustomerState) -> int:
        """The size of the warnings gathered since `open` or the last `close`."""
        return sum(map(len, state.unsent))

    def wake_at(self, state: CustomerState) -> Micros | None:
        """What `close` would give now: under the event clock the runtime asks after every step of a batch."""
        return state.head.wake_at

    def close(self, state: CustomerState, *, tells: bool = True) -> Written:
        """The one encode for all changes since `open` or the last `close`; what was not settled is. Without `tells`
        reports that are due are put off, as is right where a long past is worked through."""
        if state.learned is not None:
            self.settle(state)
        if state.tells and not tells:
            state.tells = False
            self._note(state, state.head.book, put_off=True)
        snapshots = self._told(state) if state.tells else []
        warnings = state.unsent
        return Written(state.encode(), state.head.wake_at, warnings, snapshots)

    def _note(self, state: CustomerState, book: str, *, put_off: bool = False) -> None:
        """Reports are to be told of what a step changed, and of what other rules or rates make of the customer."""
        head, every = state.head, self.engine.settings.snapshot_every
        if every is None:
            head.untold = [ALL_MONTHS]
            return
        is_changed, months = touched_of(state).take()
        if months:
            head.untold = sorted(months.union(head.untold))
        if (is_changed or head.untold or head.book != book or put_off) and not state.tells:
            head.due.setdefault(SNAPSHOT, head.clock + every)
            head.wake_at = wake_at(head.due)

    def _told(self, state: CustomerState) -> list[tuple[str, bytes | None]]:
        head, state.tells = state.head, False
        try:
            telling = Telling.of(state)
            months = {*head.untold, *(telling.months if ALL_MONTHS in head.untold else ())} - {ALL_MONTHS}
            records = telling.records(judged_of(self.engine, state), head.clock, months, head.kept_from)
        except Exception as error:  # noqa: BLE001 that reports lack a customer must not cost it its warnings
            told = "%s while telling reports of a customer: they wait for its next change"
            log.error(told, type(error).__name__)  # noqa: TRY400 what it says may quote an event
            return []
        head.untold = []
        return records

    def size(self, state: CustomerState) -> int:
        """How many events it holds."""
        return state.size

    def peek(self, head: bytes) -> Peek:
        """A head's version, clock, wake-up and unsent warnings. A customer whom other rules judged last is due at once:
        a changed rule must not wait for the customer's next event."""
        prefix = read_head_prefix(head)
        is_judged = prefix.book == self.engine.book
        wake_at = prefix.wake_at if is_judged else LONG_DUE
        return Peek(Version(prefix.offset, prefix.revision), prefix.clock, wake_at, prefix.warnings())

    @staticmethod
    def brief(head: bytes) -> bytes:
        """As much of a head as `peek` needs, without its warnings."""
        return brief_of(head)

    @staticmethod
    def told(records: Mapping[str, bytes]) -> list[str]:
        """The names of what reports may have been told of a customer: months that are long forgotten were told once."""
        months = {name.partition(".")[0] for name in records if name != HEAD}
        return [*sorted(months.union(ALL_TOLD)), HEAD]

    @staticmethod
    def version(record: bytes) -> Version:
        """The version of a head or a segment."""
        prefix = read_prefix(record)
        return Version(prefix.offset, prefix.revision)
