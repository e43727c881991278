"""What was sealed is published only when the keys that sealed it are durable: what no key opens is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Keeper(Protocol):
    """What seals with keys that must be kept; see sealing.KeyRing."""

    @property
    def has_new(self) -> bool:
        """Whether there is a key to keep."""

    def mark(self) -> int:
        """Taken before something is sealed."""

    def keep(self, mark: int) -> None:
        """Return when the keys are durable with which anything was sealed since; raises TryLater."""


async def with_keys_kept(keeper: Keeper | None, work: Callable[[], Awaitable[_T]]) -> _T:
    """What `work` makes, which may now be published. Raises TryLater, and then it is to be thrown away."""
    if keeper is None:
        return await work()
    mark = keeper.mark()
    made = await work()
    # Off the event loop, for it waits for a disk. Mostly there is nothing new.
    if keeper.has_new or keeper.mark() != mark:
        await asyncio.to_thread(keeper.keep, mark)
    return made
