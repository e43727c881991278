"""PURE. Growing to more partitions: who moves where, what of a partition's log counts, what is to be copied.

The way of it, and why it may be killed anywhere, is told in docs/growing.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

import orjson

from schemas.topics import Topics, topic_specs
from services.common.errors import UserError
from services.rules.fencing import Fence, Standing
from services.rules.intake import Advance, Forward, judge
from services.rules.layout import LAYOUT_KEY, Layout, read_layout
from services.rules.partitioner import partition_of
from services.rules.port import CLOCK_KEY, OWN_KEYS, SEGMENT_MARK, Outgoing, Record
from services.rules.rebasing import body, rebased, version_of
from services.rules.records import Version

MOVED = "moved"
"""The header of a copy: the version that the original has."""

FIRST = Version(-1, 0)
"""Below every event of any partition: what comes there is new to a customer who has moved in."""

TORN = Version(-1, 1)
"""Of a segment that is ahead of its head: a crash cut the write off, and the core has to know it."""

_MARK = SEGMENT_MARK.encode()


class CannotGrow(UserError):
    """The topics are as they were; the message says what to do."""


@dataclass(frozen=True)
class Growth:
    """From `old` partitions to `new`; `begun`: an earlier run was cut off. With the same number there is nothing to do
    but to tidy up."""

    old: int
    new: int
    begun: bool

    def source(self, number: int) -> int:
        """Where the customers of partition `number` lived before."""
        return number % self.old


def grown_topics(topics: Topics) -> list[str]:
    """What is partitioned by customer, in the order in which it grows: the states before the events, so that producers
    find the new partitions when the states are there, and the warnings last, since no worker starts before."""
    return [topics.changelog, topics.customers, topics.cases, topics.events, topics.warnings]


def growth_of(topics: Topics, counts: Mapping[str, int], wanted: int) -> Growth:
    """What is to be done, given how many partitions each topic has. Raises CannotGrow."""
    for spec in topic_specs(topics.prefix):
        if spec.name not in counts:
            raise CannotGrow(f"topic {spec.name} does not exist: run `bellwether topics create` first")
    found = [counts[name] for name in grown_topics(topics)]
    old, top = counts[topics.warnings], max(found)
    begun = min(found) != top
    if begun and wanted != top:
        raise CannotGrow(f"a growth to {top} partitions was begun: finish it with `topics grow --partitions {top}`")
    if wanted < top:
        raise CannotGrow(f"there are {top} partitions already, and Kafka cannot take partitions away")
    if wanted % old:
        # Else customers would move among the old partitions too, whose clocks and offsets have run on without them.
        raise CannotGrow(f"from {old} partitions go to a multiple of {old}: then customers move to new ones only")
    return Growth(old, wanted, begun)


# ---- what a partition's log says


@dataclass(frozen=True)
class Form:
    """What kind of records a topic has. `guarded`: whose word counts is told by its epoch (fencing.py), and two states
    of one customer are worse than none."""

    version: Callable[[bytes], Version]
    body: Callable[[bytes], bytes]
    rebased: Callable[[bytes, Version], bytes]
    guarded: bool


STATES = Form(version_of, body, rebased, guarded=True)
SNAPSHOTS = Form(lambda _: FIRST, lambda value: value, lambda value, _: value, guarded=False)


class Kept(NamedTuple):
    """A record that a recovery would keep: where it lies, its version, its original's if it was moved here, and a
    checksum of all but the version."""

    at: int
    version: Version
    origin: Version | None
    checksum: int


class Index:
    """The records of one partition that a recovery would keep, of some customers: the last rightful word on each key,
    and of writers that tell no epoch the highest version."""

    def __init__(self, form: Form, wanted: Callable[[str], bool]) -> None:
        self.kept: dict[bytes, Kept] = {}
        self._form = form
        self._wanted = wanted
        self._fence = Fence()

    def take(self, record: Record) -> None:
        """The next record of the log; to be called for all of them, in their order."""
        standing = self._fence.standing(record)
        key, value = record.key, record.value
        if standing is Standing.OVERTAKEN or key is None or key[:1] == OWN_KEYS or not self._wanted(owner(key)):
            return
        if value is None:
            self.kept.pop(key, None)
            return
        version, known = self._form.version(value), self.kept.get(key)
        if known is None or standing is Standing.RIGHTFUL or version >= known.version:
            checksum = crc32(self._form.body(value), crc32(key))
            self.kept[key] = Kept(record.offset, version, _origin(record), checksum)

    @property
    def owners(self) -> set[str]:
        """Whoever has a record."""
        return {owner(key) for key in self.kept}

    def keys_heads_last(self) -> list[bytes]:
        """In the order in which they may go: whoever has a head has everything."""
        return sorted(self.kept, key=lambda key: (_MARK not in key, key))


def owner(key: bytes) -> str:
    """The customer of a key on the changelog or the customers topic."""
    return key.partition(_MARK)[0].decode("utf-8", "replace")


def _head_key(key: bytes) -> bytes:
    return key.partition(_MARK)[0]


def _origin(record: Record) -> Version | None:
    for name, value in record.headers:
        if name == MOVED:
            offset, revision = value.split(b" ")
            return Version(int(offset), int(revision))
    return None


# ---- what is to be done with those who live elsewhere


@dataclass
class Move:
    """`copies`: the version of each copy by the offset of its original. `newcomers`: customers whose head is not at
    their home yet. `contested`: customers who have a state of its own in both places, and nothing says which is right.
    """

    copies: dict[int, Version] = field(default_factory=dict)
    newcomers: int = 0
    contested: list[str] = field(default_factory=list)


def plan_move(form: Form, movers: Index, there: Mapping[bytes, Kept], *, laid_out: bool) -> Move:
    """What of the `movers` is to be copied to their homes, where `there` lies of them already.

    `laid_out`: the partition's own record says that it was moved before. Then a customer whose head at home is no copy
    has gone on from there, and what is found here was written by a worker that had been overtaken.
    """
    move = Move()
    for key, kept in movers.kept.items():
        head, at_home = movers.kept.get(_head_key(key)), there.get(_head_key(key))
        if at_home is not None and at_home.origin is None:
            if form.guarded and not laid_out and _MARK not in key:
                move.contested.append(owner(key))
            continue
        if at_home is None and _MARK not in key:
            move.newcomers += 1
        copy = there.get(key)
        if copy is None or copy.origin is None or copy.origin < kept.version:
            move.copies[kept.at] = TORN if head is not None and kept.version > head.version else FIRST
    return move


def copies_of(form: Form, records: Iterable[Record], move: Move, partitions: int) -> dict[int, list[Outgoing]]:
    """Those of the records that are to be copied, by the partition where their customers live."""
    found: dict[int, list[Outgoing]] = {}
    for record in records:
        version = move.copies.get(record.offset)
        if version is None or record.key is None or record.value is None:
            continue
        origin = form.version(record.value)
        copy = Outgoing(
            record.key,
            form.rebased(record.value, version),
            ((MOVED, f"{origin.offset} {origin.revision}".encode()),),
        )
        found.setdefault(partition_of(owner(record.key), partitions), []).append(copy)
    return found


def not_arrived(movers: Index, move: Move, there: Mapping[bytes, Kept]) -> list[str]:
    """Customers of whom a copy is missing at home, or is not what it should be: then nothing may be removed."""
    missing = set()
    for key, kept in movers.kept.items():
        copy = there.get(key)
        if kept.at in move.copies and (copy is None or (copy.origin, copy.checksum) != (kept.version, kept.checksum)):
            missing.add(owner(key))
    return sorted(missing)


# ---- how many there are


class Clock(NamedTuple):
    """A partition's event clock, in micros, and the version of its record."""

    version: Version
    at: int


@dataclass
class Census:
    """Of one partition: heads of customers who live here by the layout, and what lies here of others. `layout` is what
    the partition's own record says, None without one; `clock` the event clock's record; `epoch` its writer's."""

    at_home: int = 0
    away: int = 0
    away_records: int = 0
    away_bytes: int = 0
    layout: Layout | None = None
    clock: Clock | None = None
    epoch: int = 0


class Counter:
    """Counts one partition's log. A key counts when its last rightful record is no tombstone."""

    def __init__(self, number: int, partitions: int) -> None:
        self._number = number
        self._partitions = partitions
        self._heads: set[bytes] = set()
        self._away: dict[bytes, int] = {}
        self._layout: Layout | None = None
        self._clock: Clock | None = None
        self._fence = Fence()

    def take(self, record: Record) -> None:
        """The next record of the log."""
        key, value = record.key, record.value
        if key is None or self._fence.standing(record) is Standing.OVERTAKEN:
            return
        if key[:1] == OWN_KEYS:
            self._note_own(key, value)
        elif partition_of(owner(key), self._partitions) != self._number:
            self._away.pop(key, None)
            if value is not None:
                self._away[key] = len(value)
        elif _MARK not in key:
            self._heads.add(key) if value is not None else self._heads.discard(key)

    def _note_own(self, key: bytes, value: bytes | None) -> None:
        if key == LAYOUT_KEY:
            self._layout = None if value is None else read_layout(value)
        elif key == CLOCK_KEY and value is not None:
            clock = read_clock(value)
            self._clock = clock if self._clock is None else max(clock, self._clock)

    def census(self) -> Census:
        """What was counted."""
        away = sum(_MARK not in key for key in self._away)
        size = sum(self._away.values())
        return Census(len(self._heads), away, len(self._away), size, self._layout, self._clock, self._fence.epoch)


# ---- clocks and events


def read_clock(value: bytes) -> Clock:
    """The record of a partition's event clock."""
    document = orjson.loads(value)
    return Clock(Version(*map(int, document["version"])), int(document["clock"]))


def clock_records(growth: Growth, clocks: Mapping[int, Clock | None]) -> dict[int, Outgoing]:
    """The event clock of each new partition: that of the partition where its customers come from."""
    found: dict[int, Outgoing] = {}
    for number in range(growth.old, growth.new):
        clock = clocks.get(growth.source(number))
        if clock is not None:
            found[number] = Outgoing(CLOCK_KEY, orjson.dumps({"version": list(FIRST), "clock": clock.at}))
    return found


def forwards_of(records: Iterable[Record], number: int, growth: Growth) -> Iterator[tuple[int, Outgoing]]:
    """Of the events on an old partition that no worker has applied yet: those of customers who live elsewhere now.

    They are sent there before any worker starts, so that nobody is woken for a silence while his events wait. A word
    about the clock goes to the new partitions too. What is wrong with a record is for the workers to say.
    """
    heirs = [heir for heir in range(growth.old, growth.new) if growth.source(heir) == number]
    for record in records:
        try:
            wanted = judge(record, number, growth.new)
        except Exception:  # noqa: BLE001, S112 a worker meets it too, and gives it to the dead letters
            continue
        if isinstance(wanted, Forward):
            yield wanted.partition, wanted.record
        elif isinstance(wanted, Advance):
            for heir in heirs:
                yield heir, Outgoing(record.key, record.value, tuple(record.headers))


def first_few(names: Collection[str], limit: int = 3) -> str:
    """For a sentence: the first names, and how many more there are."""
    shown = ", ".join(sorted(names)[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
