"""What was sealed is published only when the keys that sealed it are durable: what no key opens is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class MustAsk(Exception):
    """The keys in memory are not enough: do it again on a thread that may wait for a database."""


class Keeper(Protocol):
    """What seals with keys that must be kept; see sealing.KeyRing."""

    @property
    def has_new(self) -> bool:
        """Whether there is a key to keep."""

    def from_memory(self) -> AbstractContextManager[None]:
        """In it this thread waits for no database; MustAsk is raised instead."""

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


async def off_the_loop_if_needed(keeper: Keeper | None, work: Callable[[], _T]) -> _T:
    """What `work` makes, here where memory is enough, else on another thread: then it is done twice."""
    if keeper is None:
        return work()
    try:
        with keeper.from_memory():
            return work()
    except MustAsk:
        return await asyncio.to_thread(work)
