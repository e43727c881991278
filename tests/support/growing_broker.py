"""A broker in memory for `topics grow`: what is written to it, and a kill at any write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from schemas.topics import Topics
from services.rules.growing import CannotGrow, grown_topics
from services.rules.port import Outgoing
from tests.support.records import Rec

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
            self._write_or_die(lambda number=number, some=some: self._put_half(topic, number, some))
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
