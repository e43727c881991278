"""PURE. The record in a changelog partition that says for how many partitions its states are laid out.

`bellwether topics grow` writes it (docs/growing.md). A worker that was told another number must not touch the
partition, and one that restores a partition with this record leaves alone the customers who live elsewhere by now.
"""

from __future__ import annotations

import orjson

from services.common.errors import UserError
from services.rules.port import Outgoing

LAYOUT_KEY = b"\x00layout"
"""Its key; no customer id begins with a control character."""


class LayoutChanged(UserError):
    """The topics have grown since this worker looked."""


def layout_record(partitions: int) -> Outgoing:
    """The states of this partition are those of customers who live here when there are so many partitions."""
    return Outgoing(LAYOUT_KEY, orjson.dumps({"partitions": partitions}))


def read_layout(value: bytes) -> int:
    """The number of partitions in a layout record."""
    return int(orjson.loads(value)["partitions"])


def require_layout(found: int | None, partitions: int) -> None:
    """Raises LayoutChanged for states that are laid out for another number of partitions."""
    if found not in (None, partitions):
        raise LayoutChanged(
            f"the states are laid out for {found} partitions and this worker for {partitions}: "
            f"set BELLWETHER_PARTITIONS={found}"
        )
