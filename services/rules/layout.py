"""PURE. The record in a changelog partition that says for how many partitions its states are laid out.

`bellwether topics grow` writes it (docs/growing.md). A worker that was told another number must not touch the
partition.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from services.common.errors import UserError
from services.rules.port import OWN_KEYS, Outgoing

LAYOUT_KEY = OWN_KEYS + b"layout"
"""Its key."""


class LayoutChanged(UserError):
    """The topics have grown since this worker looked."""


class Layout(NamedTuple):
    """The states of a partition are those of customers who live here when there are so many partitions. Events below
    `forwarded` that belong elsewhere have been sent there already."""

    partitions: int
    forwarded: int = 0


def layout_record(layout: Layout) -> Outgoing:
    """As it is written."""
    return Outgoing(LAYOUT_KEY, orjson.dumps(layout._asdict()))


def read_layout(value: bytes) -> Layout:
    """What a layout record says."""
    return Layout(**orjson.loads(value))


def require_layout(found: Layout | None, partitions: int) -> None:
    """Raises LayoutChanged for states that are laid out for another number of partitions."""
    if found is not None and found.partitions != partitions:
        raise LayoutChanged(
            f"the states are laid out for {found.partitions} partitions and this worker for {partitions}: "
            f"set BELLWETHER_PARTITIONS={found.partitions}"
        )
