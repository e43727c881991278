"""The rules core as the runtime sees it: records in, records and warnings out. Synchronous, no I/O, no clock. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.events import Event
from services.rules.calendar import Micros
from services.rules.engine import Engine
from services.rules.port import LONG_DUE
from services.rules.reference import Reference
from services.rules.state import HEAD, CustomerState, Version, read_head_prefix, read_prefix


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
        self.reference = Reference()

    def open(self, customer_id: str, records: Mapping[str, bytes]) -> CustomerState:
        """The customer of these records. Segments without a head are what a crash left of the first write: their
        events come again, so the customer is opened as new."""
        if HEAD not in records:
            return CustomerState.new(customer_id, self.engine.calendar)
        return CustomerState.decode(records, self.engine.calendar)

    def apply(self, state: CustomerState, event: Event, *, offset: int, now: Micros) -> None:
        """Applies one event; raises InvalidEvent when it must go to the dead letters (only the offset has changed).
        After any other exception the state must be thrown away."""
        self.engine.apply(state, event, offset, now)

    def wake(self, state: CustomerState, *, now: Micros) -> None:
        """Announces what has become true by itself."""
        self.engine.wake(state, now)

    def unsent_bytes(self, state: CustomerState) -> int:
        """The size of the warnings gathered since `open` or the last `close`."""
        return sum(map(len, state.unsent))

    def wake_at(self, state: CustomerState) -> Micros | None:
        """What `close` would give now: under the event clock the runtime asks after every step of a batch."""
        return state.head.wake_at

    def close(self, state: CustomerState) -> Written:
        """The one encode for all changes since `open` or the last `close`."""
        written = Written(state.encode(), state.head.wake_at, state.unsent, [])
        state.unsent = []
        return written

    def size(self, state: CustomerState) -> int:
        """How many events it holds."""
        return state.size

    def peek(self, head: bytes) -> Peek:
        """A head's version, clock, wake-up and unsent warnings. A customer whom other rules judged last is due at once:
        a changed rule must not wait for the customer's next event."""
        prefix = read_head_prefix(head)
        is_judged = prefix.book == self.engine.rulebook.fingerprint
        wake_at = prefix.wake_at if is_judged else LONG_DUE
        return Peek(Version(prefix.offset, prefix.revision), prefix.clock, wake_at, prefix.unsent)

    @staticmethod
    def version(record: bytes) -> Version:
        """The version of a head or a segment."""
        prefix = read_prefix(record)
        return Version(prefix.offset, prefix.revision)
