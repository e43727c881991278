"""Where a worker under test dies: at the n-th time that a write of some kind passes."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PLACES = ("dead_letters", "events", "customers", "changelog", "warnings")
"""Topics to which a worker writes; `events` is a forward."""

STAGES = ("before", "torn", "unacknowledged", "after")
"""`torn`: some records are written and others not, if possible within one customer; `unacknowledged`: written, and the
worker does not learn of it."""


@dataclass(frozen=True)
class Point:
    """Dies at the `nth` time, counted from 1."""

    stage: str
    place: str
    nth: int

    def __str__(self) -> str:
        return f"{self.stage}:{self.place}:{self.nth}"


def parse_point(text: str) -> Point | None:
    """As `str` wrote it; None for an empty text."""
    if not text:
        return None
    stage, place, nth = text.split(":")
    return Point(stage, place, int(nth))


FREQUENT = ("changelog", "changelog", "changelog", "warnings", "warnings", "customers", "close", "apply", "commit")
RARE = ("dead_letters", "events", "restore")


def draw_point(rng: random.Random, *, soon: bool = False) -> Point:
    """Places that pass often, now and then one that may never pass again. `soon`: among the first writes,
    for the end of a run."""
    place = rng.choice(FREQUENT if soon or rng.random() < 0.8 else RARE)
    nth = 1 if place in RARE else rng.randint(1, 2 if soon else 5)
    if place in PLACES:
        return Point(rng.choice(STAGES), place, nth)
    if place == "apply":
        return Point("after", place, rng.randint(1, 10 if soon else 150))
    return Point(rng.choice(("before", "after")), place, nth)


class Grave:
    """Counts what passes, and ends the process where it was told to. The file tells who died where."""

    def __init__(self, point: Point | None, seed: int, file: Path) -> None:
        self.rng = random.Random(seed)
        self._point = point
        self._file = file
        self._passed: Counter[tuple[str, str]] = Counter()

    def is_at(self, stage: str, place: str) -> bool:
        """Whether this passing is the fatal one."""
        self._passed[stage, place] += 1
        point = self._point
        return point is not None and point == Point(stage, place, self._passed[stage, place])

    def pass_(self, stage: str, place: str) -> None:
        """Does not return when this is the fatal one."""
        if self.is_at(stage, place):
            self.die()

    def die(self) -> None:
        """As `kill -9` from outside, at once."""
        with self._file.open("a") as file:
            file.write(f"{self._point}\n")
        os.kill(os.getpid(), signal.SIGKILL)
