"""PURE. Whose records of a changelog count: a worker that slept while its partition moved on must undo nothing.

Whoever takes a partition over writes under the next higher epoch, first of all a claim right behind what it has read.
A reader drops what comes later under a lower one. Who finds others' records among its own has no right to go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from services.rules.port import EPOCH_HEADER, Outgoing, Record


class Standing(Enum):
    """What is known of the writer of a record."""

    RIGHTFUL = "it held the partition: its word is newer than all before"
    OVERTAKEN = "others had taken the partition over already"
    UNKNOWN = "it says nothing of itself, as workers of earlier versions do"


class Fence:
    """The epoch of one partition. `shadows` are keys whose last record in the log does not count: compaction would
    leave just that one, so what counts is written again with the next claim."""

    def __init__(self, epoch: int = 0, shadows: Iterable[bytes] = ()) -> None:
        self.epoch = epoch
        self.shadows = set(shadows)
        self._header = (EPOCH_HEADER, b"%d" % epoch)

    def standing(self, record: Record) -> Standing:
        """Of the next record of the changelog; call for each in its order."""
        for header in record.headers:
            if header[0] == EPOCH_HEADER:
                return self._of(record.key or b"", int(header[1]))
        return Standing.UNKNOWN

    def _of(self, key: bytes, epoch: int) -> Standing:
        if epoch < self.epoch:
            self.shadows.add(key)
            return Standing.OVERTAKEN
        if epoch > self.epoch:
            self._set(epoch)
        self.shadows.discard(key)
        return Standing.RIGHTFUL

    def claim(self) -> None:
        """From here on we write under the next epoch."""
        self._set(self.epoch + 1)

    def stamped(self, records: Iterable[Outgoing]) -> list[Outgoing]:
        """The records as they are to be written."""
        return [Outgoing(one.key, one.value, (*one.headers, self._header)) for one in records]

    def _set(self, epoch: int) -> None:
        self.epoch = epoch
        self._header = (EPOCH_HEADER, b"%d" % epoch)
