"""A broker in memory for `topics grow`: what is written to it, and a kill at any write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from schemas.control import CONTROL_KEY
from schemas.topics import Topics
from services.rules.fencing import Fence, Standing
from services.rules.growing import CannotGrow, grown_topics, owner
from services.rules.intake import advance_record
from services.rules.layout import LAYOUT_KEY, Layout, read_layout
from services.rules.partitioner import partition_of
from services.rules.port import CLOCK_KEY, EPOCH_HEADER, Outgoing
from services.rules.rebasing import body, version_of
from services.rules.records import SCHEMA, Head, Segment, Version, encoder, write_head
from services.rules.restoring import OwnRecords
from tests.support.records import Rec, at, customer_on
from tests.support.standin_core import payment

OLD, NEW = 2, 4
TOPICS = Topics("t")
STATES, SNAPSHOTS = TOPICS.changelog, TOPICS.customers
CUSTOMERS = [f"C-{number}" for number in range(24)]
TORN = customer_on(3, partitions=NEW)
"""Lives on 1 of 2 and on 3 of 4; a crash left a segment of it ahead of its head."""


def head(customer_id: str, offset: int, revision: int = 0, unsent: tuple[bytes, ...] = ()) -> bytes:
    due = {"R1": 5}
    return write_head(
        Head(SCHEMA, offset, revision, 7, 99, list(unsent), customer_id, "book", due, [], 0, numbered=offset)
    )


def segment(offset: int, revision: int = 0) -> bytes:
    return encoder.encode(Segment(SCHEMA, offset, revision, []))


def state(key: bytes, value: bytes | None, epoch: int | None = 3) -> Outgoing:
    """As a worker writes it, and without an epoch as workers of earlier versions did."""
    return Outgoing(key, value, () if epoch is None else ((EPOCH_HEADER, b"%d" % epoch),))


def a_broker() -> GrowingBroker:
    """Two partitions with every customer's head, its former head, a segment, and a snapshot with a month."""
    broker = GrowingBroker(TOPICS, OLD)
    for number, customer_id in enumerate(CUSTOMERS):
        home, key = partition_of(customer_id, OLD), customer_id.encode()
        month = key + b"\x1f2026-03"
        for offset in (1_000 * number, 1_000 * number + 500):
            epoch = number // 6 or None
            broker.put(STATES, home, state(month, segment(offset), epoch))
            broker.put(STATES, home, state(key, head(customer_id, offset, unsent=(b"a warning",)), epoch))
            broker.put(SNAPSHOTS, home, Outgoing(month, b"counters"))
            broker.put(SNAPSHOTS, home, Outgoing(key, f"snapshot {offset}".encode()))
        event = payment(customer_id, f"E-{number}", at(number))
        broker.put(TOPICS.events, home, Outgoing(key, event))
        broker.put(TOPICS.events, home, Outgoing(key, payment(customer_id, f"late-{number}", at(number))))
    broker.put(STATES, 1, state(TORN.encode() + b"\x1f2026-04", segment(90_000)))
    for customer_id in CUSTOMERS[:8]:
        # Of a worker that was overtaken: later in the log, of a higher version, and of no account.
        late = state(customer_id.encode(), head(customer_id, 99_000), epoch=1)
        broker.put(STATES, partition_of(customer_id, OLD), late)
    for number in range(OLD):
        broker.put(TOPICS.events, number, advance_record(at(number)))
        broker.put(STATES, number, Outgoing(CLOCK_KEY, OwnRecords().clock_record(80_000).value))
        broker.put(STATES, number, Outgoing(b"gone", head("gone", 3)))
        broker.put(STATES, number, Outgoing(b"gone", None))
        broker.applied[number] = len(broker.parts[TOPICS.events][number]) // 2
    return broker


def kept(broker: GrowingBroker, topic: str) -> dict[bytes, tuple[int, bytes]]:
    """Where each key lies and what a reader has of it, as in a recovery; nothing lies in two places."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for number, log in enumerate(broker.parts[topic]):
        mine: dict[bytes, bytes] = {}
        fence = Fence()
        for record in log:
            key, standing = record.key or b"", fence.standing(record)
            if standing is Standing.OVERTAKEN or key[:1] == b"\x00":
                continue
            if record.value is None:
                mine.pop(key, None)
            elif standing is Standing.RIGHTFUL or topic == SNAPSHOTS or not is_older(record.value, mine.get(key)):
                mine[key] = record.value
        assert not mine.keys() & found.keys(), f"in two places: {mine.keys() & found.keys()}"
        found |= {key: (number, value) for key, value in mine.items()}
    return found


def is_older(value: bytes, other: bytes | None) -> bool:
    return other is not None and version_of(value) < version_of(other)


READ_AT_ONCE = 7
"""Few, so that what belongs together comes in several lists."""


class Killed(BaseException):
    """The command ended here."""


class GrowingBroker:
    """`kill_at`: the write (of one partition's records, or of more partitions) at which the command is killed;
    `halved`: the first half of its records arrives."""

    def __init__(self, topics: Topics, partitions: int) -> None:
        self.topics = topics
        self.parts: dict[str, list[list[Rec]]] = {
            name: [[] for _ in range(partitions)] for name in grown_topics(topics)
        }
        self.others = {topics.dead_letters: 1, topics.reference: 1, topics.rulebook: 1}
        self.applied: dict[int, int] = {}
        self.workers: list[str] = []
        self.kill_at: int | None = None
        self.halved = False
        self.on_write: Callable[[int], None] = lambda _: None
        self.writes = 0

    def put(self, topic: str, number: int, record: Outgoing) -> int:
        """Appends a record and gives its offset."""
        log = self.parts[topic][number]
        log.append(Rec(len(log), record.key, record.value, record.headers))
        return len(log) - 1

    # ---- what the command asks

    @asynccontextmanager
    async def logs(self) -> AsyncIterator[GrowingBroker]:
        yield self

    def counts(self) -> dict[str, int]:
        return {**{name: len(parts) for name, parts in self.parts.items()}, **self.others}

    def require_no_workers(self) -> None:
        if self.workers:
            raise CannotGrow(f"there are {self.workers}")

    def committed(self) -> dict[int, int]:
        return dict(self.applied)

    def enlarge(self, names: Sequence[str], partitions: int) -> None:
        for name in names:
            self._write_or_die()
            self.parts[name] += [[] for _ in range(partitions - len(self.parts[name]))]

    async def read(
        self, topic: str, number: int, advance: Callable[[int], None] = lambda _: None, start: int | None = None
    ) -> AsyncIterator[list[Any]]:
        log = self.parts[topic][number][start or 0 :]
        for first in range(0, len(log), READ_AT_ONCE):
            advance(len(log[first : first + READ_AT_ONCE]))
            yield log[first : first + READ_AT_ONCE]

    async def sizes(self, topic: str, partitions: int) -> dict[int, int]:
        return {number: len(self.parts[topic][number]) for number in range(partitions)}

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        return await self.sizes(topic, partitions)

    async def write(self, topic: str, records: Mapping[int, Sequence[Outgoing]]) -> None:
        for number, some in records.items():
            self._write_or_die(partial(self._put_half, topic, number, some))
            for record in some:
                self.put(topic, number, record)

    def _put_half(self, topic: str, number: int, records: Sequence[Outgoing]) -> None:
        for record in records[: len(records) // 2] if self.halved else ():
            self.put(topic, number, record)

    def _write_or_die(self, last_words: Callable[[], None] = lambda: None) -> None:
        if self.writes == self.kill_at:
            last_words()
            raise Killed
        self.on_write(self.writes)
        self.writes += 1


@contextmanager
def no_bar(*_: object) -> Iterator[Callable[[int], None]]:
    """Nobody watches."""
    yield lambda _: None


def require_grown(broker: GrowingBroker, before: GrowingBroker) -> None:
    """Everything of `before` is at home in `broker`, and what waited will be heard there."""
    assert set(broker.parts) == set(before.parts)
    assert {len(parts) for parts in broker.parts.values()} == {NEW}
    for topic in (STATES, SNAPSHOTS):
        old, new = kept(before, topic), kept(broker, topic)
        assert new.keys() == old.keys()
        for key, (number, value) in new.items():
            was_at, was = old[key]
            assert number == partition_of(owner(key), NEW)
            if topic == SNAPSHOTS or number == was_at:
                assert value == was
            else:
                assert body(value) == body(was)
                assert version_of(value) == (Version(-1, 1) if key.endswith(b"2026-04") else Version(-1, 0))
    waiting: dict[bytes | None, bytes | None] = {}
    for log, applied in zip(before.parts[TOPICS.events], before.applied.values(), strict=False):
        waiting |= {record.value: record.key for record in log[applied:] if record.key != CONTROL_KEY}
    for event, customer in waiting.items():
        home = partition_of((customer or b"").decode(), NEW)
        assert event in [record.value for record in broker.parts[TOPICS.events][home]]
    for number, log in enumerate(broker.parts[STATES]):
        assert log[-1].value is not None
        layout = read_layout([one.value for one in log if one.key == LAYOUT_KEY][-1] or b"")
        assert layout == Layout(NEW, len(before.parts[TOPICS.events][number]) if number < OLD else 0)
        words = [one.value for one in broker.parts[TOPICS.events][number] if one.key == CONTROL_KEY]
        assert set(words) == {advance_record(at(number % OLD)).value}
        assert number < OLD or any(one.key == CLOCK_KEY for one in log)
