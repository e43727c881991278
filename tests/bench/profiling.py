"""Where a worker's time goes: py-spy's samples, told by what the code they lie in is for."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.bench.counters import BENCH_PYTHON, require_bench_venv
from tests.bench.figures import table

RATE_HZ = 200
MAIN = "MainThread"

CORE = "services/rules/core.py"
HOST = ("partition", "batch", "host", "place", "due", "opened")

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("open customers from their records", (("open", CORE),)),
    ("tell reports", (("_told", CORE),)),
    ("encode customers", (("close", CORE),)),
    ("learn events", (("learn", CORE),)),
    ("ask the rules", (("settle", CORE), ("apply", CORE))),
    ("rules: wake-ups", (("wake", CORE),)),
    ("decode and validate events", (("judge", "services/rules/intake.py"), ("", "/schemas/"))),
    ("produce", (("", "services/rules/producer.py"), ("", "aiokafka/producer/"))),
    ("fetch", (("", "aiokafka/"),)),
    ("metrics and pages", (("", "prometheus_client/"), ("", "common/ops.py"), ("", "runtime_metrics.py"))),
    ("partition host: batches, due queue, cursor", tuple(("", f"services/rules/{name}.py") for name in HOST)),
    (
        "Faust and the event loop",
        (
            ("", "faust/"),
            ("", "mode/"),
            ("", "services/rules/stream"),
            ("", "asyncio/"),
            ("", "services/rules/worker.py"),
        ),
    ),
)
"""By purpose, the functions ("": any) and parts of paths that tell it; of a stack the first that any frame has."""

OTHER = "anything else"
WAITING = ("select (", "Runtime.watch (", "watch (")
"""Innermost functions of threads that wait, though py-spy may find them just about to."""


def record(pid: int, seconds: int, to: Path) -> None:
    """Watch a process for so long, all its threads; writes collapsed stacks. Raises Unavailable, CalledProcessError."""
    require_bench_venv()
    spy = str(BENCH_PYTHON.with_name("py-spy"))
    command = [spy, "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE_HZ), "--threads"]
    command += ["--format", "raw", "--full-filenames", "--output", str(to)]
    subprocess.run(command, check=True, capture_output=True, timeout=seconds + 60)


def shares(collapsed: str, seconds: int) -> dict[str, float]:
    """Parts of the wall time by purpose, over all threads; `waiting` is what the main thread has left."""
    found: Counter[str] = Counter()
    main_busy = 0
    for line in collapsed.splitlines():
        stack, _, count = line.rpartition(" ")
        if any(mark in stack.rpartition(";")[2] for mark in WAITING):
            continue
        found[purpose(stack)] += int(count)
        if MAIN in stack.partition(";")[0]:
            main_busy += int(count)
    whole = RATE_HZ * seconds
    told = {name: count / whole for name, count in found.most_common()}
    return {**told, "main thread waiting": max(0.0, 1 - main_busy / whole)}


def purpose(stack: str) -> str:
    """What the code of a stack is for."""
    frames = [frame.partition(" (")[::2] for frame in stack.split(";")]
    for name, marks in GROUPS:
        if any(is_in(frame, mark) for frame in frames for mark in marks):
            return name
    return OTHER


def is_in(frame: tuple[str, str], mark: tuple[str, str]) -> bool:
    """Whether a frame, its function and its place, is of the marked code."""
    (function, place), (wanted, path) = frame, mark
    # py-spy names methods with their class where it can.
    return path in place and wanted in ("", function.rpartition(".")[2])


def shares_table(profiles: Mapping[str, Mapping[str, float]]) -> str:
    """A column for each profile."""
    names = list(dict.fromkeys(name for profile in profiles.values() for name in profile))
    lines = [[name, *(f"{profile.get(name, 0.0):.0%}" for profile in profiles.values())] for name in names]
    return table(["share of wall time", *profiles], lines)
