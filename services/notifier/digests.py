"""PURE: which of many pages a digest tells: by customer, the gravest first, at most a page of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from schemas import warnings as wire
from schemas.warnings import SEVERITIES
from services.notifier.case import PageKind
from services.notifier.grouping import REPORTS

MAX_LINES = 45
"""Of all customers together: what fits on a page, or on a screen or two of a phone."""

SHOWN_OF_A_CUSTOMER = 3


class Told(Protocol):
    """A page with the warning that it is about."""

    @property
    def warning(self) -> wire.Warning: ...

    @property
    def kind(self) -> PageKind: ...

    @property
    def key(self) -> str: ...


T = TypeVar("T", bound=Told)


@dataclass(frozen=True)
class Block(Generic[T]):
    """One customer's pages, the gravest first, of which the first few are `shown`."""

    notices: tuple[T, ...]

    @property
    def shown(self) -> tuple[T, ...]:
        return self.notices[:SHOWN_OF_A_CUSTOMER]

    @property
    def left_out(self) -> int:
        return len(self.notices) - len(self.shown)

    @property
    def lines(self) -> int:
        """How many lines of text it takes: its label, its pages, how many more there are, its link, a blank one."""
        return len(self.shown) + (4 if self.left_out else 3)


@dataclass(frozen=True)
class Digest(Generic[T]):
    """`ordered` has what there is to tell; `blocks` are the customers that fit, of `customers`; `left_out` counts what
    is told of the others."""

    ordered: tuple[T, ...]
    blocks: tuple[Block[T], ...]
    customers: int

    @property
    def left_out(self) -> int:
        return len(self.ordered) - sum(len(block.notices) for block in self.blocks)


def digest_of(notices: Sequence[T], customer_name: Callable[[str], str], max_lines: int = MAX_LINES) -> Digest[T]:
    """Customers by their gravest page, then by how many they have, then by name. Of several pages about one warning
    only the last is told: it got worse before anybody heard of it. Pages that tell of a lost one are each told."""
    newest = {(notice.key if notice.kind in REPORTS else notice.warning.id): notice for notice in notices}
    by_customer: dict[str, list[T]] = {}
    for notice in newest.values():
        by_customer.setdefault(notice.warning.customer_id, []).append(notice)
    blocks = [Block(tuple(sorted(mine, key=_weight))) for mine in by_customer.values()]
    blocks.sort(key=lambda one: (_weight(one.notices[0]), -len(one.notices), _name(one, customer_name)))
    fitting, lines = 0, 0
    for block in blocks:
        lines += block.lines
        # The first one is always told: a digest of nothing but a link says nothing.
        if fitting and lines > max_lines:
            break
        fitting += 1
    ordered = tuple(notice for block in blocks for notice in block.notices)
    return Digest(ordered, tuple(blocks[:fitting]), len(blocks))


def _weight(notice: Told) -> int:
    return -SEVERITIES.index(notice.warning.severity)


def _name(block: Block[T], customer_name: Callable[[str], str]) -> str:
    return customer_name(block.notices[0].warning.customer_id)
