"""What is remembered of one customer, and how an event changes it. PURE.

All events of a customer that is open are in memory, with the series that facts read, kept up to date as events come.
It is written as a head and segments by month of truth, and only what changed is written again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.rules.announcements import Announcements
from services.rules.calendar import BEGINNING, NEVER, Calendar, Micros
from services.rules.courses import Courses
from services.rules.entries import Entry, Item, Key
from services.rules.known import Known
from services.rules.records import HEAD, SCHEMA, Head, Version, read_head, write_head
from services.rules.segments import SMALL_BYTES, Segments
from services.rules.series import Events, Feed, Pick, Series, Source, events_of

OPEN_WEIGHT = 5
"""What an open customer without any event weighs, in events: its series are there though they are empty."""


class Moved(NamedTuple):
    """The items of a source that went, and those that came."""

    gone: list[Item]
    come: list[Item]


@dataclass(eq=False, slots=True)
class _Fed:
    """A derived series' keeper, and the picks of it that are kept. `is_stale`: it was told of a change."""

    feed: Feed
    series: list[tuple[Pick, Series]] = field(default_factory=list)
    is_stale: bool = False


@dataclass(frozen=True)
class Plan:
    """What a rulebook reads: the derived series that events of a kind change. They are watched from the first event
    on, since a step must know what it changed in them. `timed`: those that time alone changes too."""

    derived: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    timed: tuple[Source, ...] = ()


class CustomerState:
    """One customer, opened: applied to in place, written down after each batch.

    When anything but InvalidEvent escapes from a change, the object is half changed and must be thrown away. `tells`:
    the next write is to tell reports of the customer. `learned`: events were learned of which the rules were not asked
    yet, and whether they are history; None when there are none.
    """

    def __init__(self, head: Head, calendar: Calendar, plan: Plan) -> None:
        self.head = head
        self.calendar = calendar
        self.plan = plan
        self.reconcile = False
        self.tells = False
        self.learned: bool | None = None
        self.unsent: list[bytes] = []
        self.courses = Courses()
        self.known = Known()
        self.segments = Segments(calendar, self.known.entries)
        self.announced = Announcements(self.segments)
        self._items: dict[str, list[Entry]] = {}
        self._series: dict[Pick, Series] = {}
        self._raw: dict[str, list[tuple[Pick, Series]]] = {}
        self._feeds: dict[Source, _Fed] = {}
        self._fed_by: dict[str, list[_Fed]] = {}
        self._planned: set[str] = set()
        self._moved: dict[Source, Moved] = {}

    @classmethod
    def new(cls, customer_id: str, calendar: Calendar, plan: Plan | None = None) -> CustomerState:
        """A customer of whom nothing is known."""
        head = Head(SCHEMA, -1, 0, BEGINNING, None, [], customer_id, "", {}, [], BEGINNING)
        return cls(head, calendar, plan or Plan())

    @classmethod
    def decode(cls, records: Mapping[str, bytes], calendar: Calendar, plan: Plan | None = None) -> CustomerState:
        """The customer from the head, and the segments if it has any. A segment that is ahead of the head comes from a
        write that a crash cut off: its events are true (and will come again), so all rules are evaluated again."""
        head = read_head(records[HEAD])
        state = cls(head, calendar, plan or Plan())
        learned: list[Entry] = []
        for name in sorted(records):
            if name != HEAD:
                segment = state.segments.read(name, records[name])
                if (segment.offset, segment.revision) > (head.offset, head.revision):
                    state.reconcile = True
                learned += segment.entries
                for one in segment.announced:
                    state.announced.read(one, is_shelved=True)
        learned += head.entries
        state.segments.read_head(head.entries, head.closed)
        for one in head.closed:
            state.announced.read(one, is_shelved=True)
        for one in head.announced:
            state.announced.read(one, is_shelved=False)
        head.entries, head.closed = [], []
        head.numbered = max([head.numbered, *(one.number for one in state.announced)])
        state._learn_all(learned)
        for source in state.plan.timed:
            if any(map(state.items, source.kinds)):
                state.feed(source)
        return state

    def _learn_all(self, entries: Iterable[Entry]) -> None:
        """Takes in what was known before; it is no news, and nobody reads it yet. Derived series are made when they are
        asked for, or an event is about to change them."""
        known, items = self.known, self._items
        for entry in known.read(entries):
            kind = entry.kind
            if kind in items:
                items[kind].append(entry)
            else:
                items[kind] = [entry]
        for of_kind in items.values():
            if len(of_kind) > 1:
                of_kind.sort(key=_order)

    @property
    def customer_id(self) -> str:
        return self.head.customer_id

    @property
    def size(self) -> int:
        """How much it weighs in memory, in events of about 10 kB with all that is worked out from them."""
        return len(self.known.entries) + OPEN_WEIGHT

    def items(self, kind: str) -> list[Entry]:
        """The events of a kind that stand, given all corrections known, by when they are true. Not to be changed."""
        return self._items.get(kind, [])

    def find(self, key: Key) -> Entry | None:
        """The event of this name, standing or not."""
        return self.known.entries.get(key)

    def add(self, entry: Entry) -> None:
        """Learns of an event. Raises InvalidEvent when an event of this name with another body is known."""
        if self.known.is_new(entry):
            self.segments.add(entry)
            self._learn(entry)

    def _learn(self, entry: Entry) -> None:
        change = self.known.learn(entry)
        for item in change.fell:
            self._stand(item, stands=False)
        for item in change.rose:
            self._stand(item, stands=True)

    def _stand(self, entry: Entry, *, stands: bool) -> None:
        kind = entry.kind
        if kind not in self._planned:
            self._planned.add(kind)
            for source in self.plan.derived.get(kind, ()):
                self.feed(source)
        items = self._items.setdefault(kind, [])
        if not stands:
            del items[bisect_left(items, entry.order, key=_order)]
        elif not items or entry.at > items[-1].at:
            items.append(entry)
        else:
            insort(items, entry, key=_order)
        for pick, series in self._raw.get(kind, ()):
            if pick.where(entry):
                series.add(entry) if stands else series.remove(entry)
        for fed in self._fed_by.get(kind, ()):
            fed.is_stale = True
            fed.feed.change(entry, stands=stands)
        source = events_of(kind)
        moved = self._moved.get(source)
        if moved is None:
            moved = self._moved[source] = Moved([], [])
        (moved.come if stands else moved.gone).append(entry)

    # -- series

    def series(self, pick: Pick) -> Series:
        """The items of a pick, of all subjects; the pick names none."""
        series = self._series.get(pick)
        if series is None:
            series = self._series[pick] = self._begin(pick)
        return series

    def _begin(self, pick: Pick) -> Series:
        series, source = Series(), pick.source
        if isinstance(source, Events):
            self._raw.setdefault(source.kind, []).append((pick, series))
            items: Iterable[Item] = self.items(source.kind)
        else:
            items = self.feed(source).items
            self._feeds[source].series.append((pick, series))
        for item in items:
            if pick.where(item):
                series.add(item)
        return series

    def feed(self, source: Source) -> Feed:
        """The keeper of a derived series."""
        fed = self._feeds.get(source)
        if fed is None:
            fed = self._feeds[source] = _Fed(source.feed(self))
            for kind in source.kinds:
                self._fed_by.setdefault(kind, []).append(fed)
            fed.feed.refresh(self.head.clock)
        return fed.feed

    def moved(self, now: Micros) -> dict[Source, Moved]:
        """The items that came or went since the last call, by their source. Brings derived series up to date."""
        for source, fed in self._feeds.items():
            if not fed.is_stale and not fed.feed.goes_with_time:
                continue
            fed.is_stale = False
            gone, come = fed.feed.refresh(now)
            if not gone and not come:
                continue
            for pick, series in fed.series:
                for item in gone:
                    if pick.where(item):
                        series.remove(item)
                for item in come:
                    if pick.where(item):
                        series.add(item)
            self._moved[source] = Moved(gone, come)
        moved, self._moved = self._moved, {}
        return moved

    # -- forgetting and writing

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forgets events for good; they lie before the horizon and no rule can tell."""
        entries = list(entries)
        # All fall before any is dropped: without its correction the corrected one would seem to stand.
        for entry in [entry for entry in entries if self.known.stands(entry)]:
            self._stand(entry, stands=False)
        for entry in entries:
            self.known.drop(entry)
            self.segments.drop(entry)

    def entries_before(self, at: Micros) -> list[Entry]:
        """Everything known that is true before `at`, standing or not."""
        return self.segments.before(at)

    def encode(self) -> list[tuple[str, bytes | None]]:
        """The records that changed, in the order in which they must be written: segments, then the head. What is unsent
        is part of this write and no more of the next."""
        head = self.head
        head.unsent, self.unsent = self.unsent, []
        # In which order an open customer came to know it is not how one opened anew does: the same is the same bytes.
        head.due = dict(sorted(head.due.items()))
        head.announced = self.announced.for_head()
        head.entries, head.closed = self.segments.in_head()
        record = write_head(head)
        if (head.entries or head.closed) and len(record) - sum(map(len, head.unsent)) > SMALL_BYTES:
            self.segments.leave_head()
            head.entries, head.closed = [], []
            record = write_head(head)
        records = self.segments.written(Version(head.offset, head.revision))
        records.append((HEAD, record))
        head.unsent, head.entries, head.closed = [], [], []
        return records


def wake_at(due: Mapping[str, Micros]) -> Micros | None:
    """The next instant at which some rule's verdict can change with no event at all."""
    soonest = min(due.values(), default=NEVER)
    return soonest if soonest < NEVER else None


def _order(entry: Entry) -> tuple[Micros, Micros, str, str]:
    return entry.order
