"""PURE. A customer is erased: everything that the topics keep of it becomes a tombstone.

What comes of the customer later begins anew. The order is the host's concern: all that was applied before is committed
first, so that no event of the erased customer comes a second time and is taken for a new one.
"""

from __future__ import annotations

from services.rules.batch import table_key
from services.rules.port import ERASED_HEADER, Core, Outgoing
from services.rules.restoring import HEAD
from services.rules.stores import Store


def tombstones(customer_id: str, offset: int, store: Store) -> list[Outgoing]:
    """For the changelog. `offset` is that of the event that asks for it: on a recovery nothing older comes back, though
    a worker that was paused may write it once more."""
    headers = ((ERASED_HEADER, str(offset).encode()),)
    segments = [name for name in store.get(customer_id) if name != HEAD]
    # The head also where nothing is kept: what was cut short by a crash is made whole by doing it again.
    return [Outgoing(table_key(customer_id, name), None, headers) for name in [*segments, HEAD]]


def untold(customer_id: str, store: Store, core: Core) -> list[Outgoing]:
    """For the customers topic."""
    return [Outgoing(table_key(customer_id, name), None) for name in core.told(store.get(customer_id))]
