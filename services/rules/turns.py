"""Work that may go on side by side, and what needs all of it to rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Whoever wants to be alone waits until the others are done, and lets nobody begin meanwhile."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._busy = 0
        self._rest = asyncio.Event()
        self._rest.set()

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """With others, but never while somebody is alone."""
        async with self._door:
            self._busy += 1
            self._rest.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._rest.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """With nobody else."""
        async with self._door:
            await self._rest.wait()
            yield
