"""Several child processes that live and end together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from deploy.process import Child, start_child

T = TypeVar("T")

POLL_S = 0.1
TAIL_LINES = 15


class ChildDied(Exception):
    """A child ended although nobody asked it to. The message names it and shows the end of its log."""

    def __init__(self, child: Child, code: int) -> None:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        super().__init__(f"{child.name} {how}; the end of {child.log_file}:\n{child.log_tail(TAIL_LINES)}")
        self.child = child


class NotInTime(Exception):
    """What was waited for did not happen before the deadline."""


class Supervisor:
    """Starts children, notices when one dies, and stops them all within a bounded time."""

    def __init__(self, log_dir: Path, env: Mapping[str, str]) -> None:
        self._log_dir = log_dir
        self._env = dict(env)
        self._children: list[Child] = []

    @property
    def children(self) -> tuple[Child, ...]:
        """In the order of their start."""
        return tuple(self._children)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a command; its output goes to <log_dir>/<name>.log."""
        child = start_child(name, command, log_file=self._log_dir / f"{name}.log", env=self._env)
        self.adopt(child)
        return child

    def adopt(self, child: Child) -> None:
        """Watch and stop a child that somebody else started."""
        self._children.append(child)

    def check(self) -> None:
        """Raises ChildDied when a child is gone."""
        for child in self._children:
            code = child.exit_code()
            if code is not None:
                raise ChildDied(child, code)

    def wait_for(self, condition: Callable[[], T], what: str, deadline_s: float) -> T:
        """Ask `condition` until its answer is true, and give that answer.

        Raises:
            ChildDied: a child ended meanwhile; waiting on would be in vain.
            NotInTime: `deadline_s` seconds passed.
        """
        give_up_at = time.monotonic() + deadline_s
        while True:
            self.check()
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > give_up_at:
                raise NotInTime(f"waited {deadline_s:g} s for {what} in vain; the logs are in {self._log_dir}")
            time.sleep(POLL_S)

    def stop(self, grace_s: float) -> None:
        """Stop all, the newest first: what depends on something was started after it.

        Each has `grace_s` seconds from its SIGTERM, then it is killed.
        """
        while self._children:
            child = self._children[-1]
            child.stop(grace_s)
            # Only now: an interrupted stop is taken up again with this child.
            self._children.pop()
