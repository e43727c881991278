"""What a rules worker says of itself to those who watch it, and when it must be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

STALL_PATIENCE_S = 60.0
"""With work to do and none done for so long, the process is to be replaced."""


class Mark(NamedTuple):
    """How far something has come, and whether there is more to do."""

    reached: int
    waiting: bool


class Stalls:
    """Notices what has work to do and does not get on. Time is an argument, in seconds of any steady clock."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[int, float]] = {}

    def update(self, marks: Mapping[str, Mark], now_s: float) -> None:
        """The present marks by name; names that are gone are forgotten."""
        since: dict[str, tuple[int, float]] = {}
        for name, mark in marks.items():
            before = self._since.get(name)
            moved = before is None or before[0] != mark.reached or not mark.waiting
            since[name] = (mark.reached, now_s) if moved or before is None else before
        self._since = since

    def stalled(self, now_s: float) -> dict[str, str]:
        """Problems by name, in words."""
        return {
            name: f"no progress for {now_s - since_s:.0f} s at {reached}"
            for name, (reached, since_s) in self._since.items()
            if now_s - since_s > STALL_PATIENCE_S
        }


class Health:
    """Read by the ops server's threads and the watchdog, written by the worker."""

    def __init__(self, phase: str) -> None:
        self.phase: str | None = phase
        """Why no work is done yet; None when it is."""
        self.stalls = Stalls()

    def ready(self) -> dict[str, str]:
        """For /readyz."""
        return {"rules": self.phase} if self.phase is not None else {}
