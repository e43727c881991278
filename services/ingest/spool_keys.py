"""PURE for whom something waits in the spool: counts over a fixed number of slots, so that it takes no more memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from zlib import crc32

SLOTS = 1 << 16


class WaitingKeys:
    """Which keys may have a record in the spool. Keys that share a slot wait for each other; no order suffers."""

    def __init__(self) -> None:
        self._counts = array("L", bytes(array("L").itemsize * SLOTS))

    def add(self, keys: Iterable[bytes]) -> None:
        """A record of each of these is in the spool, or on its way there."""
        for key in keys:
            self._counts[crc32(key) % SLOTS] += 1

    def remove(self, keys: Iterable[bytes]) -> None:
        """It is no longer; raises OverflowError where it never was."""
        for key in keys:
            self._counts[crc32(key) % SLOTS] -= 1

    def __contains__(self, key: bytes) -> bool:
        return self._counts[crc32(key) % SLOTS] > 0
