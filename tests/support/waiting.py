"""Waiting for something that another process does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEFAULT_DEADLINE_S = 30.0
POLL_S = 0.05


def wait_until(condition: Callable[[], T], what: str, deadline_s: float = DEFAULT_DEADLINE_S) -> T:
    """Ask again and again until the answer is true, and give that answer.

    Fails with `what` (as in "waited 30 s for <what>") and the last answer when the deadline passes. Exceptions of the
    condition are not swallowed: a condition that may meet a refused connection says so by returning something false.
    """
    give_up_at = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {deadline_s:g} s for {what}; the last answer was {answer!r}")
        time.sleep(POLL_S)


async def wait_until_async(condition: Callable[[], T], what: str, deadline_s: float = DEFAULT_DEADLINE_S) -> T:
    """The same on an event loop, for what its other tasks do."""
    give_up_at = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {deadline_s:g} s for {what}; the last answer was {answer!r}")
        await asyncio.sleep(POLL_S / 10)
