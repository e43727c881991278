"""What the host of partitions needs around it: a place in the consumer group, and somewhere to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.rules.port import Outgoing


class Cursor(Protocol):
    """The member of the consumer group, as far as the host needs it. Keys are partitions of the events topic."""

    async def committed(self) -> Mapping[int, int | None]:
        """For every assigned partition; None where nothing was ever committed."""

    async def bounds(self, partitions: Sequence[int]) -> Mapping[int, tuple[int, int]]:
        """The first offset that there is, and the one that the next record will get."""

    async def seek(self, positions: Mapping[int, int]) -> None: ...

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """False when the group has moved on: not an error."""


class Sink(Protocol):
    """Where records go. Returns the last one's offset when all are acknowledged, -1 for none; raises if one is not."""

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int: ...
