"""A worker under measurement: started, watched to the end of its topic, checked, and gone."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil

from deploy.process import Child, start_child
from tests.bench.figures import Lap, Sample, lap
from tests.bench.meter import Late
from tests.bench.sizes import PARTITIONS
from tests.bench.stage import ROOT, Look, Stage
from tests.support.commands import bellwether_env

START_DEADLINE_S = 120.0
RACE_DEADLINE_S = 900.0
STOP_GRACE_S = 30.0


class WrongResult(Exception):
    """A worker has not counted what there was: its time means nothing."""


class Unavailable(Exception):
    """A worker cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class Course:
    """What is to be worked through: so many events on a topic, of so many customers."""

    topic: str
    events: int
    customers: int


@dataclass(frozen=True)
class Finish:
    """What a race found; `more` is whatever else the worker tells."""

    lap: Lap
    more: dict[str, float] = field(default_factory=dict)


class Worker(ABC):
    """A process that works through a course. Subclasses say how it is started, watched and checked."""

    name: ClassVar[str]
    poll_s: ClassVar[float] = 0.05
    """How often it is asked how far it is."""

    def __init__(self, stage: Stage, course: Course, label: str) -> None:
        """`label` is unique to this run: it names the group, topics and files."""
        self.stage = stage
        self.course = course
        self.label = label
        self.folder = stage.work / label
        self.log = self.folder / "log"
        self.child: Child | None = None

    # -- for subclasses

    @abstractmethod
    def argv(self) -> list[str]:
        """The command."""

    def env(self) -> dict[str, str]:
        """What it is told beside our own environment."""
        return {
            "BENCH_KAFKA": self.stage.bootstrap,
            "BENCH_TOPIC": self.course.topic,
            "BENCH_GROUP": self.label,
            "BENCH_PARTITIONS": str(PARTITIONS),
            "BENCH_DIR": str(self.folder / "data"),
        }

    def first(self) -> Sample | None:
        """The first sample with anything done, as the worker itself tells it."""
        self.process()
        line = self.said("first")
        return Sample(float(line[0]), 1, float(line[1])) if line else None

    def done(self, look: Look) -> int:
        """How many events have been done for good."""
        return look.committed(self.label, self.course.topic)

    def check(self, look: Look, last: Sample) -> dict[str, float]:
        """Raises WrongResult. What it gives is told with the figures. After a lap that was cut it is still at work."""
        return {}

    def clean(self) -> None:
        """Takes away what it left on the broker."""
        self.stage.delete_topics(self.label)

    # -- the same for all

    def start(self) -> None:
        """Begin."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        env = bellwether_env(self.env())
        self.child = start_child(self.name, self.argv(), log_file=self.log, env=env, cwd=self.cwd())

    def cwd(self) -> Path:
        """Where it runs: other people's software leaves files behind."""
        return ROOT

    def process(self) -> Child:
        """The child. Raises Late, with its last words, when it has ended."""
        if self.child is None:
            raise RuntimeError(f"{self.name} was not started")
        if (code := self.child.exit_code()) is not None:
            raise Late(f"{self.name} ended with code {code}:\n{self.child.log_tail(40)}")
        return self.child

    def cpu_s(self) -> float:
        """CPU seconds of the process since its start."""
        times = psutil.Process(self.process().pid).cpu_times()
        return float(times.user + times.system)

    def resident_bytes(self) -> int:
        """Its memory."""
        return int(psutil.Process(self.process().pid).memory_info().rss)

    def said(self, word: str) -> list[str] | None:
        """The rest of the line that begins with the word."""
        with suppress(FileNotFoundError):
            for line in self.log.read_text(errors="replace").splitlines():
                if line.startswith(f"{word} "):
                    return line.split()[1:]
        return None

    def stop(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.stop(STOP_GRACE_S)

    def last(self, look: Look, until_s: float) -> Sample | None:
        """The sample with everything done, once it is, or the first one after that instant (epoch)."""
        self.process()
        done = self.done(look)
        self.stage.meter.reach(done)
        sample = Sample(time.time(), done, self.cpu_s())
        return sample if self.is_whole(sample) or sample.at_s >= until_s else None

    def is_whole(self, sample: Sample) -> bool:
        """Whether everything is done."""
        return sample.done >= self.course.events


def race(worker: Worker) -> Finish:
    """One lap of one worker, cut where it takes too long. Raises Late, WrongResult."""
    meter = worker.stage.meter
    look = worker.stage.look()
    meter.begin(f"{worker.label}: {worker.name}", worker.course.events)
    try:
        worker.start()
        # While it starts nothing but its own log or page is looked at.
        first = meter.wait(f"{worker.name}'s first event", worker.first, START_DEADLINE_S)
        until_s = first.at_s + worker.stage.sizes.lap_s
        last = meter.wait(
            f"{worker.name}'s last event", lambda: worker.last(look, until_s), RACE_DEADLINE_S, worker.poll_s
        )
        more = worker.check(look, last)
    finally:
        worker.stop()
        look.close()
    worker.clean()
    return Finish(lap(first, last, cut=not worker.is_whole(last)), more)


def python_argv(module: str, *arguments: str) -> list[str]:
    """One of our modules under this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def require_count(name: str, found: Mapping[Any, int], course: Course, done: int) -> None:
    """What is done was counted: all events, and every customer's, when all are done. Raises WrongResult."""
    counted = sum(found.values())
    is_whole = done >= course.events
    if not done <= counted <= course.events or (is_whole and len(found) != course.customers):
        raise WrongResult(
            f"{name} has counted {counted} events of {len(found)} customers, "
            f"where {done} of {course.events} were done, of {course.customers} customers"
        )
