"""PURE. Where the records of a partition's customers rest while nobody works on them.

`MemoryStore` keeps them in memory; `disk.py` has a store for more of them than memory holds. Both pass one suite,
tests/unit/rules/test_stores.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from services.rules.packing import Packer

FRESH_CUSTOMERS = 1_000
"""Written last, and not packed yet: whoever is written again and again is not packed each time."""

SQUEEZED_AT_ONCE = 250
"""Customers: one or two milliseconds."""

PACKED_BYTES = 16_000
"""A customer with larger records is not packed: to write one of its many records must not cost as much as all."""

Changes = Iterable[tuple[str, bytes | None]]
"""Segments with what they hold from now on; None takes them away."""


class Store(Protocol):
    """The records of all customers of one partition, by segment."""

    @property
    def offset(self) -> int:
        """The changelog record up to which the store was complete when it was opened or last committed; -1: none."""

    @property
    def note(self) -> bytes:
        """What was committed along with the offset; empty when nothing was."""

    @property
    def size_bytes(self) -> int:
        """About the size of all records."""

    @property
    def is_durable(self) -> bool:
        """Whether it outlives the process: only then are notes and briefs asked for."""

    def __len__(self) -> int:
        """How many customers there are."""

    def __contains__(self, customer_id: object) -> bool: ...

    def customers(self) -> Iterator[str]:
        """Everybody, in no order. Changes may come in between, and may or may not be seen."""

    def get(self, customer_id: str) -> Mapping[str, bytes]:
        """All records of a customer, empty for one who is not there. Good until the next change."""

    def record(self, customer_id: str, segment: str) -> bytes | None:
        """One of them."""

    def put(self, customer_id: str, changes: Changes, brief: bytes | None = None) -> None:
        """Changes some records. Whoever has none left is gone. `brief` tells, for `briefs`, what of the head is wanted
        when the store is opened."""

    def briefs(self) -> Iterator[tuple[str, bytes]]:
        """The customers that were in the store when it was opened, with what was last told of them."""

    def commit(self, offset: int, note: bytes) -> None:
        """The changelog holds every change so far, up to this record. What is not committed goes with the process."""

    def keep(self) -> None:
        """To be called several times a second, as long as the changelog is followed, for what can wait."""

    def close(self) -> None:
        """Lets go of everything. What was not committed is forgotten."""


class MemoryStore:
    """Records in memory.

    A customer that was not written for a while is one piece of bytes: a million of them must not be many million
    objects, which weigh more than what they hold and which the garbage collector visits. Pieces are squeezed later,
    when there is time: a recovery does not wait for it.
    """

    def __init__(self) -> None:
        self.offset = -1
        self.note = b""
        self.is_durable = False
        self.size_bytes = 0
        self._resting: dict[str, bytes | dict[str, bytes]] = {}
        self._fresh: dict[str, dict[str, bytes]] = {}
        self._loose: deque[str] = deque()
        self._packer = Packer()

    def __len__(self) -> int:
        return len(self._resting)

    def __contains__(self, customer_id: object) -> bool:
        return customer_id in self._resting

    def customers(self) -> Iterator[str]:
        """See Store."""
        return iter(list(self._resting))

    def get(self, customer_id: str) -> Mapping[str, bytes]:
        """See Store."""
        return self._records(customer_id)

    def record(self, customer_id: str, segment: str) -> bytes | None:
        """See Store."""
        return self._records(customer_id).get(segment)

    def put(self, customer_id: str, changes: Changes, brief: bytes | None = None) -> None:
        """See Store. There is nothing to open, so briefs are not kept."""
        records = self._records(customer_id)
        self._fresh.pop(customer_id, None)
        for segment, value in changes:
            self.size_bytes -= len(records.pop(segment, b""))
            if value is not None:
                records[segment] = value
                self.size_bytes += len(value)
        if not records:
            self._resting.pop(customer_id, None)
            return
        self._resting[customer_id] = b""
        self._fresh[customer_id] = records
        if len(self._fresh) > FRESH_CUSTOMERS:
            self._rest(next(iter(self._fresh)))

    def briefs(self) -> Iterator[tuple[str, bytes]]:
        """See Store."""
        return iter(())

    def commit(self, offset: int, note: bytes) -> None:
        """See Store."""
        self.offset, self.note = offset, note

    def keep(self) -> None:
        """See Store."""
        for _ in range(min(SQUEEZED_AT_ONCE, len(self._loose))):
            self._squeeze(self._loose.popleft())

    def _squeeze(self, customer_id: str) -> None:
        piece = self._resting.get(customer_id)
        if isinstance(piece, bytes) and piece:
            self._resting[customer_id] = self._packer.squeeze(piece)

    def close(self) -> None:
        """See Store."""
        self.__init__()  # type: ignore[misc]

    def _records(self, customer_id: str) -> dict[str, bytes]:
        fresh = self._fresh.get(customer_id)
        if fresh is not None:
            return fresh
        resting = self._resting.get(customer_id)
        if resting is None:
            return {}
        return resting if isinstance(resting, dict) else self._packer.unpack(resting)

    def _rest(self, customer_id: str) -> None:
        records = self._fresh.pop(customer_id)
        if sum(map(len, records.values())) > PACKED_BYTES:
            self._resting[customer_id] = records
            return
        self._resting[customer_id] = self._packer.pack(records)
        self._loose.append(customer_id)
        if len(self._loose) > 2 * len(self._resting) + FRESH_CUSTOMERS:
            # Some are here more than once: there has been no time for long.
            self._loose = deque(dict.fromkeys(self._loose))


def in_memory(_: int) -> Store:
    """The store of any partition, where none outlives the process."""
    return MemoryStore()
