"""What is remembered of one customer, and how an event changes it. PURE.

The state is a set of events by name, so the order in which they came and how often leaves no trace in it. Corrections
are resolved as events come in: `items(kind)` gives what is true given everything known. It is written as a head and
one segment a month of truth, and only what changed is written again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from schemas.codec import InvalidEvent
from services.rules.calendar import BEGINNING, NEVER, Calendar, Micros, Month, month_name
from services.rules.entries import Entry, Key

SCHEMA = 1
"""The version of the encoding; a change of any struct below or of Entry raises it and adds a migration."""


class Version(NamedTuple):
    """How much a record has seen: the applied offset, and the wake-ups since. Compared as a tuple."""

    offset: int
    revision: int


class Announced(msgspec.Struct, array_like=True):
    """An episode that was announced, as it stood in its newest warning. `change` is that warning's; `worst_…` are the
    greatest ever announced, so that only what is worse than all before pages again; `number` is the order of
    announcement among the customer's episodes."""

    rule: str
    subject: str
    id: str
    revision: int
    change: str
    start: Micros
    end: Micros | None
    severity: int
    run: int
    worst_severity: int
    worst_run: int
    first_detected_at: Micros
    historical: bool
    evidence: bytes
    number: int


class Head(msgspec.Struct, array_like=True):
    """Everything about a customer that is not an event. The first eight fields are read by `peek` alone."""

    schema: int
    offset: int
    revision: int
    clock: Micros
    wake_at: Micros | None
    unsent: list[bytes]
    customer_id: str
    book: str
    due: dict[str, Micros]
    announced: list[Announced]
    kept_from: Micros


class Segment(msgspec.Struct, array_like=True):
    """The events that are true in one month, with the version that the customer had when it was written."""

    schema: int
    offset: int
    revision: int
    entries: list[Entry]


class Prefix(msgspec.Struct, array_like=True):
    """The first fields of a head or segment: enough to compare versions."""

    schema: int
    offset: int
    revision: int


class HeadPrefix(msgspec.Struct, array_like=True):
    """What the runtime needs of a head without reading the customer."""

    schema: int
    offset: int
    revision: int
    clock: Micros
    wake_at: Micros | None
    unsent: list[bytes]
    customer_id: str
    book: str


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(Head)
_segment_decoder = msgspec.msgpack.Decoder(Segment)
_prefix_decoder = msgspec.msgpack.Decoder(Prefix)
_head_prefix_decoder = msgspec.msgpack.Decoder(HeadPrefix)

HEAD = ""
"""The name of the head among a customer's records; segments are named by their month, 2026-03."""


def read_prefix(record: bytes) -> Prefix:
    """The version fields of a head or a segment."""
    return _prefix_decoder.decode(record)


def read_head_prefix(record: bytes) -> HeadPrefix:
    """The first fields of a head."""
    return _head_prefix_decoder.decode(record)


class CustomerState:
    """One customer, opened for one batch: applied to in place, then encoded once.

    When anything but InvalidEvent escapes from a change, the object is half changed and must be thrown away.
    """

    def __init__(self, head: Head, calendar: Calendar) -> None:
        self.head = head
        self.calendar = calendar
        self.reconcile = False
        self.unsent: list[bytes] = []
        self._entries: dict[Key, Entry] = {}
        self._corrections: dict[Key, list[Entry]] = {}
        self._items: dict[str, list[Entry]] = {}
        self._months: dict[Month, dict[Key, Entry]] = {}
        self._dirty: set[Month] = set()
        self._changed = 0
        self._cache: dict[object, tuple[int, object]] = {}

    @classmethod
    def new(cls, customer_id: str, calendar: Calendar) -> CustomerState:
        """A customer of whom nothing is known."""
        return cls(Head(SCHEMA, -1, 0, BEGINNING, None, [], customer_id, "", {}, [], BEGINNING), calendar)

    @classmethod
    def decode(cls, records: Mapping[str, bytes], calendar: Calendar) -> CustomerState:
        """The customer from the head and the segments. A segment that is ahead of the head comes from a write that a
        crash cut off: its events are true (and will be delivered again), so all rules are evaluated again."""
        state = cls(_head_decoder.decode(records[HEAD]), calendar)
        for name, record in records.items():
            if name == HEAD:
                continue
            segment = _segment_decoder.decode(record)
            if (segment.offset, segment.revision) > (state.head.offset, state.head.revision):
                state.reconcile = True
            for entry in segment.entries:
                state._learn(entry)
        state._dirty.clear()
        return state

    @property
    def customer_id(self) -> str:
        return self.head.customer_id

    @property
    def size(self) -> int:
        """How many events are kept in memory."""
        return len(self._entries)

    def items(self, kind: str) -> list[Entry]:
        """The events of a kind that stand, given all corrections known, by when they are true. Not to be changed."""
        return self._items.get(kind, [])

    def find(self, key: Key) -> Entry | None:
        """The event of this name, standing or not."""
        return self._entries.get(key)

    def cached(self, name: object, changed: int) -> object | None:
        """What `remember` kept under this name, unless something changed since."""
        found = self._cache.get(name)
        return found[1] if found and found[0] == changed else None

    def remember(self, name: object, value: object) -> None:
        """Keeps a derived value until the next change of any event."""
        self._cache[name] = (self._changed, value)

    @property
    def changed(self) -> int:
        """Counts the changes since the state was opened."""
        return self._changed

    def add(self, entry: Entry) -> frozenset[str]:
        """Learns of an event; returns the kinds whose items changed (none for a repeated event).

        Raises InvalidEvent(id_reused) when an event of this name with another body is known.
        """
        known = self._entries.get(entry.key)
        if known is not None:
            if known.digest != entry.digest:
                raise InvalidEvent(
                    "id_reused", "another event with this source and id is known", (), entry.id, entry.source
                )
            return frozenset()
        return self._learn(entry)

    def chains(self) -> list[set[Key]]:
        """The events that corrections bind to each other, each chain whole."""
        chains: dict[Key | None, set[Key]] = {}
        for corrections in self._corrections.values():
            for entry in corrections:
                chain = chains.setdefault(self._root(entry), set())
                chain.update({entry.key, Key(entry.source, str(entry.supersedes))} & self._entries.keys())
        return list(chains.values())

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forgets events for good; they lie before the horizon and no rule can tell."""
        for entry in list(entries):
            if self._is_listed(entry):
                self._unlist(entry)
            del self._entries[entry.key]
            if entry.supersedes is not None:
                self._corrections.pop(Key(entry.source, entry.supersedes), None)
            month = self._month(entry)
            del self._months[month][entry.key]
            self._dirty.add(month)
            self._changed += 1

    def entries_before(self, at: Micros) -> list[Entry]:
        """Everything known that is true before `at`, standing or not."""
        last = self.calendar.month_of(at)
        return [
            entry
            for month, entries in self._months.items()
            if month <= last
            for entry in entries.values()
            if entry.at < at
        ]

    def encode(self) -> list[tuple[str, bytes | None]]:
        """The records that changed, in the order in which they must be written: segments, then the head."""
        head = self.head
        head.unsent = self.unsent
        records: list[tuple[str, bytes | None]] = []
        for month in sorted(self._dirty):
            entries = sorted(self._months.get(month, {}).values(), key=lambda entry: entry.order)
            segment = Segment(SCHEMA, head.offset, head.revision, entries)
            records.append((month_name(month), _encoder.encode(segment) if entries else None))
        records.append((HEAD, _encoder.encode(head)))
        self._dirty.clear()
        return records

    def _learn(self, entry: Entry) -> frozenset[str]:
        """Keeps the entry and lists what stands now in the place of what stood."""
        root = self._root(entry)
        # A correction may join two chains: what stood for itself, waiting for it, now stands or falls with the whole.
        stood = self._standing(root), self._standing(entry.key)
        self._keep(entry)
        stands = self._standing(root)
        changed: set[str] = set()
        for item in {id(item): item for item in stood if item is not None and item is not stands}.values():
            self._unlist(item)
            changed.add(item.kind)
        if stands is not None and all(item is not stands for item in stood):
            self._list(stands)
            changed.add(stands.kind)
        self._changed += bool(changed)
        return frozenset(changed)

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        month = self._month(entry)
        self._months.setdefault(month, {})[entry.key] = entry
        self._dirty.add(month)
        if entry.supersedes is not None:
            self._corrections.setdefault(Key(entry.source, entry.supersedes), []).append(entry)

    def _month(self, entry: Entry) -> Month:
        return self.calendar.month_of(entry.at)

    def _list(self, entry: Entry) -> None:
        insort(self._items.setdefault(entry.kind, []), entry, key=lambda item: item.order)

    def _unlist(self, entry: Entry) -> None:
        items = self._items[entry.kind]
        index = bisect_left(items, entry.order, key=lambda item: item.order)
        assert items[index] is entry, "an item is listed under its own order"
        del items[index]

    def _is_listed(self, entry: Entry) -> bool:
        items = self._items.get(entry.kind, [])
        index = bisect_left(items, entry.order, key=lambda item: item.order)
        return index < len(items) and items[index] is entry

    def _root(self, entry: Entry) -> Key | None:
        """The first event of the chain of corrections to which this one belongs; it may not be known yet.

        None for a ring of events that correct each other, and for what hangs on one: nothing of it stands.
        """
        key, seen = entry.key, {entry.key}
        current: Entry | None = entry
        while current is not None and current.supersedes is not None:
            key = Key(current.source, current.supersedes)
            if key in seen:
                return None
            seen.add(key)
            current = self._entries.get(key)
        return key

    def _standing(self, root: Key | None) -> Entry | None:
        """What stands in the place of `root`: itself, its newest correction's newest correction, or nothing."""
        key = root
        while key is not None:
            corrections = self._corrections.get(key)
            if not corrections:
                entry = self._entries.get(key)
                return entry if entry is not None and entry.data is not None else None
            key = max(corrections, key=lambda entry: (entry.time, entry.id)).key
        return None


def wake_at(due: Mapping[str, Micros]) -> Micros | None:
    """The next instant at which some rule's verdict can change with no event at all."""
    soonest = min(due.values(), default=NEVER)
    return soonest if soonest < NEVER else None
