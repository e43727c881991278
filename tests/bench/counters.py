"""The counters of others, and the limit: each counts the events of every customer, with one worker and one thread."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

import orjson

from deploy.kafka.jars import cache_root, differences, read_digests
from deploy.ports import free_port
from tests.bench.figures import Sample
from tests.bench.racing import Unavailable, Worker, python_argv, require_count
from tests.bench.stage import ROOT, Look

HERE = Path(__file__).parent
BENCH_PYTHON = ROOT / ".bench-venv" / "bin" / "python"
STREAMS_ENDPOINT = "org.apache.kafka:kafka-streams:4.1.0"
JARS_FILE = HERE / "java" / "jars.sha256"
COMPILE_TIMEOUT_S = 120.0


class FaustCounter(Worker):
    """A Table of stock Faust, all settings at their defaults."""

    name: ClassVar[str] = "Faust Table"

    def argv(self) -> list[str]:
        return python_argv("tests.bench.apps.faust_counter", "worker", "-l", "warn")

    def env(self) -> dict[str, str]:
        return {**super().env(), "BENCH_WEB_PORT": str(free_port())}

    @property
    def changelog(self) -> str:
        """Where the Table is."""
        return f"{self.label}-counts-changelog"

    def done(self, look: Look) -> int:
        """It writes a record an event: what the broker has of them is done, though its commits come later."""
        return sum(look.ends(self.changelog).values())

    def check(self, look: Look, last: Sample) -> dict[str, float]:
        counts = {key: orjson.loads(raw) for key, raw in look.newest(self.changelog).items()}
        require_count(self.name, counts, self.course, last.done)
        return {}


class QuixCounter(Worker):
    """Quix Streams from .bench-venv."""

    name: ClassVar[str] = "Quix Streams"

    def argv(self) -> list[str]:
        require_bench_venv()
        return [str(BENCH_PYTHON), str(HERE / "apps" / "quix_counter.py")]

    @property
    def changelog(self) -> str:
        """Where its state is."""
        return f"changelog__{self.label}--{self.course.topic}--default"

    def check(self, look: Look, last: Sample) -> dict[str, float]:
        counts = {key: orjson.loads(raw) for key, raw in look.newest(self.changelog).items()}
        require_count(self.name, counts, self.course, last.done)
        return {}

    def clean(self) -> None:
        self.stage.delete_topics(f"changelog__{self.label}--")


class KafkaStreamsCounter(Worker):
    """Kafka Streams, where there is a JDK."""

    name: ClassVar[str] = "Kafka Streams"

    def argv(self) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise Unavailable("there is no JDK on this machine")
        return [java, "-cp", class_path(self.stage.work / "classes"), "KafkaStreamsCounter"]

    def check(self, look: Look, last: Sample) -> dict[str, float]:
        counts = look.newest(f"{self.label}-counts-changelog")
        require_count(self.name, {key: int.from_bytes(raw) for key, raw in counts.items()}, self.course, last.done)
        return {}


class Parser(Worker):
    """The limit: fetched and parsed, nothing else; the topic again and again, for as long as a lap may take."""

    name: ClassVar[str] = "aiokafka and orjson, parse only"

    def argv(self) -> list[str]:
        return python_argv("tests.bench.apps.parser")

    def env(self) -> dict[str, str]:
        return {**super().env(), "BENCH_SECONDS": str(self.stage.sizes.limit_s)}

    def last(self, look: Look, until_s: float) -> Sample | None:
        """When it was, the parser tells itself."""
        self.process()
        line = self.said("done")
        return Sample(float(line[0]), int(line[2]), float(line[1])) if line else None


def require_bench_venv() -> None:
    """Raises Unavailable."""
    if not BENCH_PYTHON.exists():
        raise Unavailable("there is no .bench-venv; `make bench` makes it")


def class_path(classes: Path) -> str:
    """The jars and the compiled counter, compiled if it is not yet. Raises Unavailable."""
    path = ":".join(str(jar) for jar in streams_jars())
    if not classes.exists():
        compiler = shutil.which("javac")
        if compiler is None:
            raise Unavailable("there is no Java compiler on this machine")
        source = str(HERE / "java" / "KafkaStreamsCounter.java")
        subprocess.run([compiler, "-cp", path, "-d", str(classes), source], check=True, timeout=COMPILE_TIMEOUT_S)
    return f"{path}:{classes}"


def streams_jars() -> list[Path]:
    """Kafka Streams with what it needs, from the cache of an earlier run or Maven Central. Raises Unavailable."""
    digests = read_digests(JARS_FILE.read_text())
    folder = cache_root(os.environ) / STREAMS_ENDPOINT.rpartition(":")[0].rpartition(":")[2]
    if differences(folder, digests):
        _fetch(folder)
    if wrong := differences(folder, digests):
        raise Unavailable(f"the jars of Kafka Streams are not those pinned in {JARS_FILE.name}: {'; '.join(wrong)}")
    return [folder / name for name in digests]


def _fetch(folder: Path) -> None:
    try:
        import jgo
    except ImportError as error:
        raise Unavailable("Kafka Streams needs the extra bellwether[kafka] (jgo)") from error
    logging.getLogger("jgo").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            environment = jgo.build(STREAMS_ENDPOINT, cache_dir=Path(scratch))
        except Exception as error:  # jgo raises many kinds; each of them means that there is nothing to race
            raise Unavailable(f"cannot fetch Kafka Streams from Maven Central ({error})") from error
        folder.mkdir(parents=True, exist_ok=True)
        for jar in environment.path.glob("*/*.jar"):
            shutil.copyfile(jar, folder / jar.name)
