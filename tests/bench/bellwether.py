"""Bellwether's own worker under measurement: a real `bellwether rules run`, watched by its metrics."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from deploy.ports import LOOPBACK, free_port
from schemas.topics import Topics
from services.common.clock import set_manual_clock
from services.compiled import SWITCH
from tests.bench.figures import Sample
from tests.bench.racing import Course, Worker, WrongResult
from tests.bench.stage import Look, Stage
from tests.support.commands import bellwether_argv

APPLIED = "bellwether_rules_events_applied_total"
WOKEN = "bellwether_rules_wakeups_total"
WRITTEN = "bellwether_rules_customers_written_total"
DECODED = "bellwether_rules_customers_decoded_total"
PAGE_TIMEOUT_S = 30.0

Clock = datetime | Literal["wall", "event"]
"""Where the manual clock stands, or another one. To the worker the manual clock is what the wall clock is; but what is
measured at an instant of its own is the same on every day."""


DENSITY = "of one customer in a batch"
"""Events and wake-ups of a customer that one batch holds on average: the rules are evaluated once for all of them."""


class Bellwether(Worker):
    """The rules worker on the topics of a prefix. Its group and topics go with the prefix, whatever the label."""

    name: ClassVar[str] = "Bellwether"
    poll_s: ClassVar[float] = 0.2  # its answer costs it some milliseconds

    def __init__(
        self,
        stage: Stage,
        course: Course,
        label: str,
        topics: Topics,
        clock: Clock,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings`: of the product, beside those that name this place."""
        super().__init__(stage, course, label)
        self.topics = topics
        self.clock = clock
        self.port = free_port()
        self._settings = dict(settings or {})

    @property
    def group(self) -> str:
        """Its consumer group."""
        return f"{self.topics.prefix}-rules"

    def argv(self) -> list[str]:
        return bellwether_argv("rules", "run")

    def env(self) -> dict[str, str]:
        return {
            "BELLWETHER_KAFKA": self.stage.bootstrap,
            "BELLWETHER_TOPIC_PREFIX": self.topics.prefix,
            "BELLWETHER_RULES_PORT": str(self.port),
            "BELLWETHER_DATA_DIR": str(self.folder / "data"),
            "BELLWETHER_CLOCK": self.clock if isinstance(self.clock, str) else f"manual:{self.folder / 'clock'}",
            SWITCH: self.stage.compiled,
            **self._settings,
        }

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(self.clock, datetime):
            self.move_clock(self.clock)
        super().start()

    def move_clock(self, to: datetime) -> None:
        """Sets the manual clock."""
        set_manual_clock(self.folder / "clock", to)

    # -- its pages

    def page(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}{path}", timeout=PAGE_TIMEOUT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with its labels."""
        _, text = self.page("/metrics")
        lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def total(self, name: str, metrics: Mapping[str, float] | None = None) -> float:
        """A metric over all its labels."""
        found = self.metrics() if metrics is None else metrics
        return sum(value for sample, value in found.items() if sample == name or sample.startswith(f"{name}{{"))

    def is_ready(self) -> bool:
        """Whether it has taken its partitions over."""
        self.process()
        return self.page("/readyz")[0] == 200

    def sample(self) -> Sample:
        """How far it is now: what is applied is acknowledged."""
        self.process()
        return Sample(time.time(), int(self.total(APPLIED)), self.cpu_s())

    # -- a race

    def first(self) -> Sample | None:
        sample = self.sample()
        return sample if sample.done else None

    def done(self, look: Look) -> int:
        return int(self.total(APPLIED))

    def check(self, look: Look, last: Sample) -> dict[str, float]:
        """Everything applied once, nothing refused, what is done committed, every customer there; what else it did."""
        metrics, course = self.metrics(), self.course
        applied, refused = self.total(APPLIED, metrics), self.total("bellwether_rules_dead_letters_total", metrics)
        if not last.done <= applied <= course.events or refused:
            raise WrongResult(f"Bellwether applied {applied:.0f} events of {course.events} and refused {refused:.0f}")
        committed = lambda: look.committed(self.group, course.topic) >= last.done  # noqa: E731 two words
        self.stage.meter.wait("Bellwether's commit", committed, 30, 0.2)
        heads = sum(b"\x1f" not in key and key[:1] != b"\x00" for key in look.newest(self.topics.changelog))
        if heads > course.customers or (self.is_whole(last) and heads < course.customers):
            raise WrongResult(f"Bellwether has {heads} customers where there were {course.customers}")
        steps = applied + self.total(WOKEN, metrics)
        return {
            DENSITY: steps / self.total(WRITTEN, metrics),
            "openings": self.total(DECODED, metrics) / applied,
            "wakeups": self.total(WOKEN, metrics) / applied,
            "warnings": self.total("bellwether_rules_warnings_sent_total", metrics) / applied,
            "bytes of states": self.total("bellwether_rules_state_bytes", metrics) / applied,
        }

    def clean(self) -> None:
        """Back to where nothing was read; the events, the reference data and the rulebook stay."""
        self.stage.forget_group(self.group)
        kept = (self.topics.events, self.topics.reference, self.topics.rulebook)
        self.stage.delete_topics(self.topics.prefix, kept)
        self.stage.make_topics(self.topics.prefix)
