"""The real core, broken by some events half-way through, and deadly where it is told."""

from __future__ import annotations

from typing import Any

from services.rules.calendar import Micros
from services.rules.core import Core
from tests.chaos.load import POISON
from tests.chaos.points import Grave


class Poisoned(ArithmeticError):
    """What the core of a worker under test says to some events."""


class FragileCore:
    """Everything but what breaks is the real core's."""

    def __init__(self, real: Core, grave: Grave | None = None) -> None:
        self._real = real
        self._grave = grave
        self._broken: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def learn(self, state: Any, event: Any, *, offset: int, now: Micros) -> None:
        """See Core."""
        self._real.learn(state, event, offset=offset, now=now)
        if event.id.startswith(POISON):
            if len(event.id) % 2:
                raise Poisoned(event.id)
            self._broken.add(state.customer_id)
        if self._grave is not None:
            self._grave.pass_("after", "apply")

    def settle(self, state: Any) -> None:
        """See Core."""
        self._real.settle(state)
        if state.customer_id in self._broken:
            self._broken.remove(state.customer_id)
            raise Poisoned(state.customer_id)

    def close(self, state: Any, **how: Any) -> Any:
        """See Core."""
        if self._grave is not None:
            self._grave.pass_("before", "close")
        written = self._real.close(state, **how)
        if self._grave is not None:
            self._grave.pass_("after", "close")
        return written
