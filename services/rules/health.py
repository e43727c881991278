"""What a rules worker says of itself to those who watch it, and when it must be replaced."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

STALL_PATIENCE_S = 60.0
"""With work to do and none done for so long, the process is to be replaced."""

TURN_PATIENCE_S = 600.0
"""For one partition while others get on."""

TELL_EVERY_S = 5.0
"""Between two lines about a recovery."""

SILENCE_PATIENCE_S = 30.0
"""A broker that is started anew, or a partition whose leader moves, takes less."""

REBALANCE_PATIENCE_S = 240.0
"""For the group to settle: it may wait for another member as long as Faust's rebalance timeout, more than once."""


class Mark(NamedTuple):
    """How far something has come, whether there is more to do, and how long it may stand still with that."""

    reached: int
    waiting: bool
    patience_s: float = STALL_PATIENCE_S


def partition_marks(places: Mapping[int, tuple[int, bool]]) -> dict[str, Mark]:
    """The marks of a worker's partitions, by how far each has come and whether there is more.

    A busy worker takes its partitions in turn, so one that waits for the others is given longer than all together.
    """
    marks = {f"partition {n}": Mark(reached, waiting, TURN_PATIENCE_S) for n, (reached, waiting) in places.items()}
    done, waiting = sum(reached for reached, _ in places.values()), any(more for _, more in places.values())
    return {**marks, "events": Mark(done, waiting)}


class Stalls:
    """Notices what has work to do and does not get on. Time is an argument, in seconds of any steady clock."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[Mark, float]] = {}

    def update(self, marks: Mapping[str, Mark], now_s: float) -> None:
        """The present marks by name; names that are gone are forgotten."""
        since: dict[str, tuple[Mark, float]] = {}
        for name, mark in marks.items():
            before = self._since.get(name)
            stands = before is not None and mark.waiting and before[0].reached == mark.reached
            since[name] = (mark, before[1] if before is not None and stands else now_s)
        self._since = since

    def stalled(self, now_s: float) -> dict[str, str]:
        """Problems by name, in words."""
        return {
            name: f"no progress for {now_s - since_s:.0f} s at {mark.reached}"
            for name, (mark, since_s) in self._since.items()
            if mark.waiting and now_s - since_s > mark.patience_s
        }


class Silence:
    """Notices that Kafka tells nothing any more. It says several times a second where each partition ends, unless
    enough of it was fetched; a worker with nothing to do would not miss it otherwise."""

    def __init__(self) -> None:
        self.lasts_s = 0.0
        self._busy_s = 0.0

    def update(self, heard_s: Collection[float], now_s: float, *, busy: bool) -> None:
        """When each partition was last told of, and whether there is so much to do that nothing is asked for. Times are
        Unix times."""
        if busy:
            self._busy_s = now_s
        self.lasts_s = now_s - max(min(heard_s), self._busy_s) if heard_s else 0.0


class Recovery:
    """How far the changelogs have been read, in records. Read by the ops server's threads."""

    def __init__(self) -> None:
        self.total = 0
        """What the recovery under way, or the last one, had to read."""
        self.left = 0
        self._told_s = 0.0

    def update(self, left: int, now_s: float) -> str | None:
        """What is left now; a line for the log every few seconds while there is something."""
        if left > self.left:
            begins = self.left == 0
            self.total = left if begins else self.total + left - self.left
            self._told_s = now_s if begins else self._told_s
        self.left = left
        if left == 0 or now_s - self._told_s < TELL_EVERY_S:
            return None
        self._told_s = now_s
        return f"read {self.total - left:,} of {self.total:,} changelog records ({1 - left / self.total:.0%})"


class Health:
    """Read by the ops server's threads and the watchdog, written by the worker."""

    def __init__(self, phase: str) -> None:
        self.phase: str | None = phase
        """Why no work is done yet; None when it is."""
        self.recovering = False
        self.recovery = Recovery()
        self.stalls = Stalls()
        self.silence = Silence()

    def ready(self) -> dict[str, str]:
        """For /readyz."""
        problems = {"rules": self.phase} if self.phase is not None else {}
        if self.silence.lasts_s > SILENCE_PATIENCE_S:
            problems["kafka"] = f"has told nothing of some partition for {self.silence.lasts_s:.0f} s"
        return problems
