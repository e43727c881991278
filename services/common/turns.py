"""Turns: of the threads that want something which only one may have, whoever has waited longest gets it next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock is taken again by whoever let go of it a moment ago, however long another has waited; a turn is handed on.
    Not to be taken twice by one thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many threads wait for theirs."""
        return len(self._waiting)

    @contextmanager
    def turn(self, longest_s: float) -> Iterator[bool]:
        """Ours while it lasts; False where it did not come in time, and then nobody is kept from anything."""
        ours = self._take(longest_s)
        try:
            yield ours
        finally:
            if ours:
                self._hand_on()

    def _take(self, longest_s: float) -> bool:
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        if gate.acquire(timeout=longest_s):
            return True
        with self._guard:
            if gate not in self._waiting:
                # It was handed to us at the last moment.
                return True
            self._waiting.remove(gate)
            return False

    def _hand_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
