"""One run: workers that a supervisor starts anew, a load, faults from a seed, and the verdict at the end."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kafka.errors import KafkaError

from deploy.ports import LOOPBACK, free_port
from deploy.process import Child, start_child
from schemas.codec import parse
from schemas.topics import Topics, topic_specs
from services.common.clock import set_manual_clock
from services.rules import control
from tests.chaos.load import Load, core, instants, learn_all
from tests.chaos.points import Point, draw_point
from tests.chaos.verdict import Verdict, judge
from tests.chaos.world import Topic, World
from tests.support.commands import ROOT, bellwether_env

PARTITIONS = 4
SESSION_S = 4.0
DONE_DEADLINE_S = 240.0
VERDICT_DEADLINE_S = 60.0
WELL_DEADLINE_S = 180.0
POLL_S = 0.3

TODAY = ("tests.chaos.worker",)
PRODUCT = ("services.cli", "rules", "run")


@dataclass
class Slot:
    """A place for a worker, in which one after another lives. With a `tree` it is the product's own, of the sources
    that lie there."""

    number: int
    port: int
    child: Child | None = None
    wanted: bool = True
    tree: Path | None = None
    starts: int = 0


class Run:
    """A scenario's hands: it sends, kills, stops, cuts, and waits."""

    def __init__(
        self, name: str, seed: int, folder: Path, world: World, load: Load, *, workers: int, manual: bool
    ) -> None:
        self.name, self.seed, self.folder, self.world, self.load = name, seed, folder, world, load
        self.rng = random.Random(f"{name} {seed}")
        self.clock = folder / "clock" if manual else None
        self.codes: Counter[str] = Counter()
        self.points: Callable[[], Point | None] = lambda: None
        # Where customers rest, and whether others stand by, belongs to what a seed decides.
        self.extra_env = {
            "BELLWETHER_STORE": self.rng.choice(("memory", "rocksdb")),
            "BELLWETHER_STANDBYS": self.rng.choice(("0", "1")),
        }
        self.slots = [Slot(number, free_port()) for number in range(workers)]
        prefix = f"chaos-{uuid.uuid4().hex[:8]}"
        self.topics = Topics(prefix)
        self.topic = Topic(world, self.topics, PARTITIONS, topic_specs(prefix, PARTITIONS))
        self.graves = folder / "graves.txt"
        self._over = threading.Event()
        self._lock = threading.RLock()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._began_s = time.monotonic()

    # ---- workers

    def start(self) -> None:
        """The reference data lies there before any worker looks for it."""
        reference = [(key.encode(), value, 0) for key, value in self.load.reference]
        self.topic.put(self.topics.reference, reference)
        if self.clock is not None:
            set_manual_clock(self.clock, parse(self.load.events[0]).time)
        self._supervisor.start()

    def stop(self) -> None:
        """No worker is left."""
        self._over.set()
        if self._supervisor.is_alive():
            self._supervisor.join(30)
        for slot in self.slots:
            if slot.child is not None:
                slot.child.kill()

    def _supervise(self) -> None:
        while not self._over.wait(0.1):
            with self._lock:
                for slot in self.slots:
                    self._look_after(slot)

    def _look_after(self, slot: Slot) -> None:
        code = None if slot.child is None else slot.child.exit_code()
        if code is not None:
            self.codes[str(code)] += 1
            slot.child = None
        if slot.child is None and slot.wanted:
            point = self.points()
            slot.starts += 1
            tree = slot.tree or ROOT
            env = {**self._env(slot), "CHAOS_POINT": str(point or ""), "PYTHONPATH": str(tree)}
            slot.child = start_child(
                f"worker-{slot.number}",
                [sys.executable, "-m", *(TODAY if slot.tree is None else PRODUCT)],
                log_file=self.folder / f"worker-{slot.number}.log",
                env=bellwether_env(env),
                cwd=tree,
            )

    def _env(self, slot: Slot) -> dict[str, str]:
        return {
            "BELLWETHER_KAFKA": self.world.bootstrap_of(slot.number),
            "BELLWETHER_TOPIC_PREFIX": self.topics.prefix,
            "BELLWETHER_PARTITIONS": str(PARTITIONS),
            "BELLWETHER_CLOCK": "event" if self.clock is None else f"manual:{self.clock}",
            "BELLWETHER_HORIZON_MONTHS": "600",
            "BELLWETHER_DATA_DIR": str(self.folder / f"data-{slot.number}"),
            "BELLWETHER_RULES_PORT": str(slot.port),
            "CHAOS_SESSION_S": str(SESSION_S),
            "CHAOS_SEED": str(self.seed * 1000 + slot.starts),
            "CHAOS_GRAVES": str(self.graves),
            **self.extra_env,
        }

    def living(self) -> list[Slot]:
        """Places with a worker in them."""
        return [slot for slot in self.slots if slot.child is not None and slot.child.exit_code() is None]

    def kill(self, slot: Slot) -> None:
        """SIGKILL; the supervisor starts another one unless the place is not wanted."""
        with self._lock:
            if slot.child is not None and slot.child.exit_code() is None:
                self.codes["killed from outside"] += 1
                slot.child.kill()

    def freeze(self, slot: Slot, seconds: float) -> None:
        """SIGSTOP for so long."""
        with self._lock:
            child = slot.child
            if child is None or child.exit_code() is not None:
                return
            os.kill(child.pid, signal.SIGSTOP)
        self.codes["stopped"] += 1
        try:
            self.pause(seconds)
        finally:
            if child.exit_code() is None:
                os.kill(child.pid, signal.SIGCONT)

    def draws(self, kills: int, *, soon: bool = False) -> None:
        """The next so many workers that are started die at a point of their own."""
        left = [kills]

        def draw() -> Point | None:
            left[0] -= 1
            return draw_point(self.rng, soon=soon) if left[0] >= 0 else None

        self.points = draw

    def calm(self) -> None:
        """Nobody who is started from now on is to die; whoever is still to die is replaced."""
        self.points = lambda: None
        self.replace_all()

    def replace_all(self) -> None:
        """Everybody is killed, and others come."""
        for slot in self.living():
            self.kill(slot)

    def wait_until_all(self, *, well: bool) -> None:
        """Until every worker is ready; or has ended, or says that it is not ready or must be replaced."""
        began_s = time.monotonic()
        while others := [slot.number for slot in self.slots if _is_well(slot) != well]:
            if time.monotonic() - began_s > WELL_DEADLINE_S:
                raise AssertionError(f"workers {others} are {'un' if well else ''}well; {self.report_ends()}")
            self.pause(POLL_S)
        self.codes[f"seconds until all were {'' if well else 'un'}well"] += round(time.monotonic() - began_s)

    def pause(self, seconds: float) -> None:
        """Lets them work. What is tested is that the moment does not matter."""
        self._over.wait(seconds)

    # ---- load and time

    def publish(self, portions: int, between: Callable[[], None] | None = None) -> None:
        """The whole load in so many portions, with something in between."""
        records = self.load.records
        size = len(records) // portions + 1
        for start in range(0, len(records), size):
            self.topic.publish(records[start : start + size])
            if between is not None:
                between()

    def publish_aside(self, portions: int, pause_s: float) -> threading.Thread:
        """The same in a thread, with pauses."""
        thread = threading.Thread(target=self.publish, args=(portions, lambda: self.pause(pause_s)), daemon=True)
        thread.start()
        return thread

    def wait_done(self, deadline_s: float = DONE_DEADLINE_S) -> None:
        """Until everything sent is committed."""
        give_up_s = time.monotonic() + deadline_s
        while (left := self.topic.behind()) is None or left:
            if time.monotonic() > give_up_s:
                raise AssertionError(f"events are not worked off: {left}; {self.report_ends()}")
            self.pause(POLL_S)

    def move_time(self, steps: int = 4, between: Callable[[], None] | None = None) -> None:
        """On to END, in steps."""
        for at in instants(self.rng, steps):
            if self.clock is not None:
                set_manual_clock(self.clock, at)
            else:
                control.advance(self.world.bootstrap, self.topics, at)
            if between is not None:
                between()

    # ---- the end

    def verdict(self) -> Verdict:
        """What lies there when everything is worked off; looked at again for a while: wake-ups take their time."""
        self.wait_done()
        expected, rules = self.load.expected(), core()
        learn_all(rules, self.load)
        give_up_s = time.monotonic() + VERDICT_DEADLINE_S
        while True:
            try:
                verdict = judge(rules, expected, *self.topic.outcome())
            except KafkaError as error:
                verdict = Verdict(found={"unreadable": [repr(error)]})
            if verdict.good or verdict.count("contradicting") or time.monotonic() > give_up_s:
                return verdict
            self.pause(2.0)

    def line(self, verdict: Verdict) -> str:
        """The run in a line."""
        deaths = Counter(":".join(line.split(":")[:2]) for line in self._deaths())
        counts = {kind: len(said) for kind, said in verdict.found.items() if said}
        parts = {
            "fault": self.name,
            "seed": self.seed,
            "clock": "event" if self.clock is None else "manual",
            "store": self.extra_env["BELLWETHER_STORE"],
            "standbys": self.extra_env["BELLWETHER_STANDBYS"],
            "events": len(self.load.records),
            "warnings": verdict.warnings,
            "deaths": deaths.total(),
            "ends": dict(self.codes),
            "repeated": verdict.repeated,
            "stale": verdict.stale,
            "lost": verdict.count("lost") + verdict.count("events lost"),
            "contradicting": verdict.count("contradicting"),
            "verdict": "good" if verdict.good else counts,
            "seconds": round(time.monotonic() - self._began_s),
            "where": dict(deaths),
        }
        return " ".join(f"{name}={value}" for name, value in parts.items())

    def _deaths(self) -> list[str]:
        return self.graves.read_text().splitlines() if self.graves.exists() else []

    def report_ends(self) -> str:
        """The ends of the workers' logs, for people."""
        logs = [
            f"--- {file.name}\n" + "\n".join(file.read_text().splitlines()[-25:]) for file in self.folder.glob("*.log")
        ]
        return "\n".join([str(dict(self.codes)), *logs])


def _is_well(slot: Slot) -> bool:
    """Lives, is ready, and wants no other in its place."""
    if slot.child is None or slot.child.exit_code() is not None:
        return False
    try:
        for page in ("readyz", "healthz"):
            urllib.request.urlopen(f"http://{LOOPBACK}:{slot.port}/{page}", timeout=5).close()
    except OSError:
        return False
    return True
