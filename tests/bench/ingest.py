"""How fast ingest takes events on one core, against a kafka-python producer that sends the same bytes."""

from __future__ import annotations

import os
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import orjson
import psutil

from deploy.ports import free_port
from deploy.process import Child, start_child
from schemas.topics import Topics
from tests.bench import import_cost
from tests.bench.figures import Row, Section, at_least, at_most, figure, percentile, ratios, told
from tests.bench.mixes import sample_mix
from tests.bench.racing import python_argv
from tests.bench.speed import now
from tests.bench.stage import ROOT, Stage
from tests.support.commands import bellwether_argv, bellwether_env

NAME = "ingest"
BATCH = 500
PREFIX = "bw-ingest"

BATCHES_TARGET, SINGLES_TARGET, P99_TARGET_MS, RATIO_TARGET, ROWS_TARGET = 10_000, 1_500, 50, 0.6, 10_000

BATCH_CONNECTIONS = 4
SINGLE_CONNECTIONS = 32
WARM_S = 2.0
START_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Run:
    """What one post after another came to. `cpu_s` is ingest's alone."""

    events: int
    seconds: float
    cpu_s: float
    waits_s: list[float]

    @property
    def per_s(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU an event."""
        return self.cpu_s * 1e6 / self.events

    @property
    def p99_ms(self) -> float:
        return percentile(self.waits_s, 0.99) * 1e3


@dataclass(frozen=True)
class Files:
    """The same events as bodies of one, as bodies of many, and as records."""

    singles: Path
    batches: Path
    records: Path


def measure(stage: Stage) -> Section:
    """In each round: batches, the producer, single events at full speed, and at half of what is asked for."""
    files = _files(stage)
    topics = stage.make_topics(PREFIX)
    batches, singles, paced, plain = list[Run](), list[Run](), list[Run](), list[Run]()
    with _ingest(stage, topics) as (child, address):
        _post(stage, child, address, files.batches, WARM_S, BATCH_CONNECTIONS, BATCH)
        for _ in range(stage.rounds):
            batches.append(_post(stage, child, address, files.batches, stage.sizes.ingest_s, BATCH_CONNECTIONS, BATCH))
            plain.append(_send(stage, topics, files.records))
            singles.append(_post(stage, child, address, files.singles, stage.sizes.ingest_s, SINGLE_CONNECTIONS, 1))
            rate = SINGLES_TARGET / 2
            paced.append(_post(stage, child, address, files.singles, stage.sizes.ingest_s, SINGLE_CONNECTIONS, 1, rate))
        rss_mb = psutil.Process(child.pid).memory_info().rss / 1e6
        imports = _import(stage, address)
    stage.delete_topics(PREFIX)
    rows = [
        at_least(f"batches of {BATCH}", _speeds(batches), BATCHES_TARGET, "/s", _cost(batches)),
        at_least("… against the producer", ratios(_speeds(batches), _speeds(plain)), RATIO_TARGET, "×"),
        told("kafka-python producer, the same bytes", _speeds(plain), "/s", _cost(plain)),
        at_least("single events", _speeds(singles), SINGLES_TARGET, "/s", _cost(singles)),
        at_most(
            f"p99 of single events at {SINGLES_TARGET // 2:,}/s",
            [run.p99_ms for run in paced],
            P99_TARGET_MS,
            "ms",
            f"median {figure(median([median(run.waits_s) * 1e3 for run in paced]))} ms",
        ),
        told("memory of ingest at the end", [rss_mb], "MB"),
        *_rows_of_imports(imports),
    ]
    runs = {"batches": batches, "producer": plain, "singles": singles, "paced": paced}
    data: dict[str, Any] = {name: [{**asdict(run), "waits_s": None} for run in those] for name, those in runs.items()}
    data["imports"] = imports
    return Section(NAME, "Ingest", rows, TEXT, data, stage.rounds, stage.quick, now())


TEXT = """\
Ingest and the producer that it is compared with run on one core of their own; the broker and whoever posts share what
is left. Posts are those of the sample company's events, on connections that stay open. Both wait for the
acknowledgement of each 500 events, four times at once. A CSV of open invoices is read, mapped to two events a row,
checked and sent by `bellwether import` on one core, ingest on another; the producer beside it sends the same bytes,
which were made before, from the import's core."""


def _import(stage: Stage, address: str) -> dict[str, list[list[float]]]:
    """By way, each round's rows a CPU-second and rows a second."""
    stage.meter.begin("importing a CSV")
    asked = [
        "--kafka",
        stage.bootstrap,
        "--rows",
        str(stage.sizes.import_rows),
        "--rounds",
        str(stage.rounds),
        "--json",
    ]
    argv = [*python_argv("tests.bench.import_cost"), *asked]
    env = {**os.environ, "PYTHONPATH": str(ROOT), import_cost.INGEST: f"http://{address}"}
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, env=env)
    # Not where ingest is: it is one of the ways.
    _pin(process.pid, max)
    printed, _ = process.communicate(timeout=300)
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}")
    found: dict[str, list[list[float]]] = orjson.loads(printed.splitlines()[-1])
    return found


def _rows_of_imports(found: dict[str, list[list[float]]]) -> list[Row]:
    direct, producer, through = (
        [per_s for _, per_s in found[way]]
        for way in (import_cost.DIRECT, import_cost.PRODUCER, import_cost.THROUGH_INGEST)
    )
    return [
        at_least("rows of a CSV, straight to Kafka (`import --direct`)", direct, ROWS_TARGET, "/s"),
        told("… against the producer, the same bytes", ratios(direct, producer), "×"),
        at_least("rows of a CSV, through ingest (`import`)", through, ROWS_TARGET, "/s"),
    ]


def _files(stage: Stage) -> Files:
    events = sample_mix(stage.sizes.ingest_events).events
    files = Files(stage.work / "singles", stage.work / "batches", stage.work / "records")
    _write(files.singles, ([raw] for _, raw in events))
    groups = [events[start : start + BATCH] for start in range(0, len(events) - BATCH + 1, BATCH)]
    _write(files.batches, ([b"[" + b",".join(raw for _, raw in group) + b"]"] for group in groups))
    _write(files.records, ([customer_id.encode(), raw] for customer_id, raw in events))
    return files


def _write(file: Path, lines: Iterator[list[bytes]]) -> None:
    file.write_bytes(b"".join(b" ".join(map(b64encode, line)) + b"\n" for line in lines))


@contextmanager
def _ingest(stage: Stage, topics: Topics) -> Iterator[tuple[Child, str]]:
    port = free_port()
    env = {
        "BELLWETHER_KAFKA": stage.bootstrap,
        "BELLWETHER_TOPIC_PREFIX": topics.prefix,
        "BELLWETHER_INGEST_PORT": str(port),
        "BELLWETHER_DATA_DIR": str(stage.work / "ingest"),
    }
    log_file = stage.work / "ingest.log"
    child = start_child("ingest", bellwether_argv("ingest", "serve"), log_file=log_file, env=bellwether_env(env))
    _pin(child.pid)
    try:
        stage.meter.wait("ingest to be ready", lambda: _ready(port), START_DEADLINE_S)
        yield child, f"127.0.0.1:{port}"
    finally:
        child.stop(10)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _pin(pid: int, core: Callable[[Iterable[int]], int] = min) -> None:
    """To one core, where that can be asked for."""
    if hasattr(os, "sched_setaffinity"):
        for thread in psutil.Process(pid).threads():
            os.sched_setaffinity(thread.id, {core(os.sched_getaffinity(0))})


def _post(
    stage: Stage, child: Child, address: str, file: Path, seconds: float, connections: int, each: int, rate: float = 0
) -> Run:
    stage.meter.begin(f"posting {file.name}")
    before = _cpu_s(child.pid)
    found = _run("poster", address, str(file), str(seconds), str(connections), str(rate))
    cpu_s = _cpu_s(child.pid) - before
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} posts were not taken")
    return Run(found["requests"] * each, found["seconds"], cpu_s, found["waits_s"])


def _send(stage: Stage, topics: Topics, file: Path) -> Run:
    stage.meter.begin("sending records")
    found = _run("sender", stage.bootstrap, topics.events, str(file), str(stage.sizes.ingest_s), pinned=True)
    return Run(found["events"], found["seconds"], found["cpu_s"], [])


def _run(app: str, *arguments: str, pinned: bool = False) -> Mapping[str, Any]:
    argv = [*python_argv(f"tests.bench.apps.{app}"), *arguments]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if pinned:
        _pin(process.pid)
    printed, _ = process.communicate(timeout=120)
    if process.returncode:
        raise RuntimeError(f"{app} ended with {process.returncode}")
    document: dict[str, Any] = orjson.loads(printed)
    return document


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _speeds(runs: Sequence[Run]) -> list[float]:
    return [run.per_s for run in runs]


def _cost(runs: Sequence[Run]) -> str:
    return f"{figure(median([run.cpu_us for run in runs]))} µs of CPU an event"
