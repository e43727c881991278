"""How far the benchmark is, for whoever waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

T = TypeVar("T")

POLL_S = 0.02


class Late(Exception):
    """Something did not come about in time; the message says what was waited for."""


class Meter:
    """A bar over all sections, and one for what is being waited for."""

    def __init__(self, sections: int) -> None:
        self.console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=self.console)
        self._all = self._progress.add_task("benchmark", total=sections)
        self._now = self._progress.add_task("starting", total=1)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def section_done(self) -> None:
        """One section more."""
        self._progress.advance(self._all)

    def say(self, what: str) -> None:
        """A line that stays."""
        self._progress.console.print(what, highlight=False, markup=False, soft_wrap=True)

    def begin(self, what: str, total: float = 1) -> None:
        """Something new is waited for."""
        if not self.console.is_terminal:
            # There a bar is only shown at its end.
            self.say(f"- {what}")
        self._progress.reset(self._now, description=what, total=total)

    def reach(self, done: float) -> None:
        """So much of it is there."""
        self._progress.update(self._now, completed=done)

    def wait(self, what: str, ask: Callable[[], T | None], deadline_s: float, poll_s: float = POLL_S) -> T:
        """Ask until the answer is true, and give it. Raises Late."""
        give_up_at = time.monotonic() + deadline_s
        while not (answer := ask()):
            if time.monotonic() > give_up_at:
                raise Late(f"waited {deadline_s:g} s for {what}")
            time.sleep(poll_s)
        return answer
