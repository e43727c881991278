"""PURE. Customers that stay open between batches: a bounded number of items, the least recently used are let go.

Opening a customer decodes all that is kept of it; one whose events keep coming is opened once. A state is taken out
while a batch works on it and put back only when the batch has closed it well: whatever goes wrong in between, the next
batch opens the customer from its records.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import count

from services.rules.port import CustomerState

Key = tuple[int, str]


class OpenCustomers:
    """Those of all partitions of one worker. `limit` is the number of items; 0 keeps nobody open."""

    def __init__(self, limit: int) -> None:
        self.items = 0
        self._limit = limit
        self._kept: OrderedDict[Key, tuple[CustomerState, int]] = OrderedDict()
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._kept)

    def shelf(self) -> Shelf:
        """A place of its own for one partition's customers."""
        return Shelf(self, next(self._numbers))

    def take(self, key: Key) -> CustomerState | None:
        """The state, which is no longer kept then; None when it is not here."""
        state, size = self._kept.pop(key, (None, 0))
        self.items -= size
        return state

    def keep(self, key: Key, state: CustomerState, items: int) -> None:
        """Keeps a state of so many items, and lets go of those that were not used for longest."""
        self.take(key)
        # Nobody is free, else a million customers of whom little is known would be kept.
        size = items + 1
        if size > self._limit:
            return
        self._kept[key] = state, size
        self.items += size
        while self.items > self._limit:
            _, (_, dropped) = self._kept.popitem(last=False)
            self.items -= dropped

    def clear(self, number: int) -> None:
        """Forgets all customers of one shelf."""
        for key in [key for key in self._kept if key[0] == number]:
            self.take(key)


class Shelf:
    """One partition's open customers. A partition made anew has a shelf of its own, with nothing on it."""

    def __init__(self, all_open: OpenCustomers, number: int) -> None:
        self._all = all_open
        self._number = number

    def take(self, customer_id: str) -> CustomerState | None:
        """See OpenCustomers."""
        return self._all.take((self._number, customer_id))

    def keep(self, customer_id: str, state: CustomerState, items: int) -> None:
        """See OpenCustomers."""
        self._all.keep((self._number, customer_id), state, items)

    def clear(self) -> None:
        """Forgets all."""
        self._all.clear(self._number)
