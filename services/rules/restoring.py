"""PURE. The changelog read again: what of it is still true, and what a partition notes there of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.rules.calendar import Micros
from services.rules.fencing import Fence, Standing
from services.rules.layout import LAYOUT_KEY, Layout, read_layout
from services.rules.port import CLOCK_KEY, ERASED_HEADER, OWN_KEYS, SEGMENT_MARK, SENT_KEY, Core, Outgoing, Record
from services.rules.stores import Store

HEAD = ""
"""The segment name of a customer's head record."""


MAX_ERASED = 10_000
"""Erased customers whom a partition remembers; a paused worker's writes come within hours."""


class OwnRecords:
    """What a partition keeps beside its customers: its clock, and which warnings may not have been sent.

    A batch's states are written when the warnings of the batch before are acknowledged. So a record that says up to
    where warnings were sent, ahead of the next batch's states, spares a recovery from sending those of everybody again.
    """

    def __init__(self, note: bytes = b"") -> None:
        """As `note` told it."""
        found: dict[str, Any] = orjson.loads(note) if note else {}
        self.clock: Micros = found.get("clock", 0)
        self.unsent: dict[str, int] = found.get("unsent", {})
        """Customers whose newest head counts warnings as unsent, with its place in the changelog."""
        self.erased: dict[str, int] = found.get("erased", {})
        """Customers who were erased, with the offset of the event that said so, while the changelog remembers it."""
        self.layout: Layout | None = Layout(*found["layout"]) if found.get("layout") else None
        """For how many partitions its states were laid out, if the topics have ever grown."""
        self._version = (int(found["version"][0]), int(found["version"][1])) if found else (-1, 0)
        self._sent: int = found.get("sent", -1)
        self._marked = self._sent
        self.fence = Fence(found.get("epoch", 0), (key.encode() for key in found.get("shadows", ())))

    def note_erased(self, customer_id: str, offset: int) -> None:
        """The event at this offset erased the customer."""
        self.erased.pop(customer_id, None)
        self.erased[customer_id] = offset
        while len(self.erased) > MAX_ERASED:
            del self.erased[next(iter(self.erased))]

    def note(self) -> bytes:
        """For a store that outlives the process."""
        return orjson.dumps(
            {
                "clock": self.clock,
                "version": self._version,
                "unsent": self.unsent,
                "erased": self.erased,
                "sent": self._sent,
                "layout": self.layout and [*self.layout],
                "epoch": self.fence.epoch,
                "shadows": [key.decode() for key in self.fence.shadows],
            }
        )

    @property
    def forwarded(self) -> int:
        """Events below this offset that belong elsewhere were sent there when the topics grew."""
        return 0 if self.layout is None else self.layout.forwarded

    def move(self, to: Micros) -> None:
        """The clock goes on, never back."""
        self.clock = max(self.clock, to)

    @property
    def applied(self) -> int:
        """The event up to which the clock has come."""
        return self._version[0]

    def clock_record(self, applied: int) -> Outgoing:
        """The clock as it is after the event at this offset."""
        self._version = (applied, self._version[1] + 1)
        return Outgoing(CLOCK_KEY, orjson.dumps({"version": self._version, "clock": self.clock}))

    def note_unsent(self, customer_id: str, offset: int | None) -> None:
        """The customer's newest head, at this place of the changelog, has unsent warnings; None: it has none."""
        if offset is not None and offset > self._sent:
            self.unsent[customer_id] = offset
        else:
            self.unsent.pop(customer_id, None)

    def sent(self, offset: int) -> None:
        """The warnings of all heads up to this place have been sent."""
        if offset > self._sent:
            self._sent = offset
            self.unsent = {customer_id: place for customer_id, place in self.unsent.items() if place > offset}

    def mark(self) -> list[Outgoing]:
        """What is to be written ahead of the next states."""
        if self._marked == self._sent:
            return []
        self._marked = self._sent
        return [self.mark_record()]

    def mark_record(self) -> Outgoing:
        """How far warnings have been sent."""
        return Outgoing(SENT_KEY, orjson.dumps({"offset": self._sent}))

    def restore(self, key: bytes, value: bytes | None) -> bool:
        """One of the partition's own records; False for one that was overtaken. Others than these are not ours."""
        if value is None:
            return True
        if key == SENT_KEY:
            self.sent(int(orjson.loads(value)["offset"]))
            self._marked = max(self._marked, self._sent)
        elif key == LAYOUT_KEY:
            self.layout = read_layout(value)
        elif key == CLOCK_KEY:
            document = orjson.loads(value)
            version = (int(document["version"][0]), int(document["version"][1]))
            if version < self._version:
                return False
            self._version, self.clock = version, int(document["clock"])
        return True


@dataclass(slots=True)
class Found:
    """What some records of the changelog change: by customer the segments, and the places of heads. `stale` counts
    records that an overtaken writer has left behind."""

    customers: dict[str, dict[str, bytes | None]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    stale: int = 0


def sorted_out(records: Sequence[Record], store: Store, core: Core, own: OwnRecords) -> Found:
    """What consecutive records of the changelog change in the store; what they tell of the partition is taken in."""
    found = Found()
    for record in records:
        key, value = record.key, record.value
        if key is None:
            continue
        standing = own.fence.standing(record)
        if standing is Standing.OVERTAKEN:
            # A worker that was paused while its partitions moved on writes what it had in hand when it wakes up.
            found.stale += 1
            continue
        if key[:1] == OWN_KEYS:
            found.stale += not own.restore(key, value)
            continue
        customer_id, _, segment = key.decode().partition(SEGMENT_MARK)
        changes = found.customers.get(customer_id)
        if changes is None:
            changes = found.customers[customer_id] = {}
        if value is None:
            _note_erased(record, customer_id, own)
        elif standing is Standing.UNKNOWN and _is_stale(customer_id, segment, value, changes, store, core, own):
            found.stale += 1
            continue
        changes[segment] = value
        if segment == HEAD:
            found.heads[customer_id] = record.offset
    return found


def _note_erased(record: Record, customer_id: str, own: OwnRecords) -> None:
    for name, value in record.headers:
        if name == ERASED_HEADER:
            own.note_erased(customer_id, int(value))


def _is_stale(
    customer_id: str,
    segment: str,
    value: bytes,
    changes: Mapping[str, bytes | None],
    store: Store,
    core: Core,
    own: OwnRecords,
) -> bool:
    known = changes[segment] if segment in changes else store.record(customer_id, segment)
    if known is not None:
        return core.version(value) < core.version(known)
    erased = own.erased.get(customer_id)
    return erased is not None and core.version(value)[0] <= erased
