"""R1 over a whole receivables export, three times: the pure core, `bellwether backtest`, the running system.

On the shared sample the numbers are those pinned in its rules.md; the project's own generated export is checked
against the plainest reading of its rows.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.codec import decode
from schemas.topics import Topics
from schemas.warnings import Warning
from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.examples import EXAMPLE_ZONE
from tests.support.commands import ROOT, Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.receivables import Numbers, expected_numbers, write_receivables
from tests.support.system import Installation, episodes, standing

PINNED = {
    "default": (Numbers(35, 75, 146), {}),
    "with disputed": (Numbers(53, 130, 291), {"R1.exclude_disputed": "false"}),
    "with disputed, five days of grace": (
        Numbers(46, 90, 172),
        {"R1.exclude_disputed": "false", "R1.grace_days": "5"},
    ),
}
SEED = 20_261_122
END = "2030-01-01T00:00:00+08:00"


class Export(NamedTuple):
    """A receivables export as CSV and as events, with the numbers of R1 as shipped."""

    csv: Path
    events: Path
    numbers: Numbers


def to_events(csv: Path, folder: Path) -> Path:
    events = folder / "events.jsonl"
    done = call_bellwether("import", str(csv), "--mapping", "accounts_receivable", "--to", str(events))
    assert done.returncode == 0, done.stderr
    return events


@pytest.fixture
def own_export(tmp_path: Path) -> Export:
    csv = tmp_path / "own.csv"
    write_receivables(csv, SEED)
    return Export(csv, to_events(csv, tmp_path), expected_numbers(csv))


@pytest.fixture
def shared_export(shared_data: Path, tmp_path: Path) -> Export:
    csv = shared_data / "accounts_receivable.csv"
    return Export(csv, to_events(csv, tmp_path), PINNED["default"][0])


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """What the running system is tried on: the shared sample where it is, else the project's own export."""
    shared = ROOT.parent / "shared" / "data" / "accounts_receivable.csv"
    if shared.is_file():
        return Export(shared, to_events(shared, tmp_path), PINNED["default"][0])
    csv = tmp_path / "own.csv"
    write_receivables(csv, SEED)
    return Export(csv, to_events(csv, tmp_path), expected_numbers(csv))


def numbers_of(found: list[tuple[str, int]]) -> Numbers:
    """Customers, episodes and completed pairs from (customer, run) of each episode."""
    return Numbers(len({customer for customer, _ in found}), len(found), sum(run - 1 for _, run in found))


def from_core(events: Path) -> Numbers:
    run = Backtest(assemble(read_rules(SHIPPED), EXAMPLE_ZONE, None))
    for line in events.read_bytes().splitlines():
        run.feed(decode(line))
    return numbers_of([(one.customer_id, one.run) for one in run.episodes() if one.rule == "R1"])


def from_backtest(events: Path, *options: str) -> Numbers:
    done = call_bellwether("backtest", "--events", str(events), "--json", *options)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    found = numbers_of([(one["customer_id"], one["run"]) for one in document["episodes"] if one["rule"] == "R1"])
    assert document["rules"]["R1"] == {
        "name": "Collections late two months running",
        "customers": found.customers,
        "episodes": found.episodes,
    }
    return found


def from_warnings(warnings: list[Warning]) -> Numbers:
    return numbers_of([(one.customer_id, one.run) for one in standing(warnings).values() if one.rule == "R1"])


def test_the_core_and_the_backtest_agree_with_the_plain_reading(own_export: Export) -> None:
    assert own_export.numbers.episodes > 20, "the generated export must have something to find"
    assert from_core(own_export.events) == own_export.numbers
    assert from_backtest(own_export.events) == own_export.numbers


def test_the_core_finds_the_pinned_numbers(shared_export: Export) -> None:
    assert from_core(shared_export.events) == shared_export.numbers


@pytest.mark.parametrize("reading", PINNED)
def test_the_backtest_finds_the_pinned_numbers(shared_export: Export, reading: str) -> None:
    numbers, settings = PINNED[reading]
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    assert from_backtest(shared_export.events, *options) == numbers
    plain = expected_numbers(
        shared_export.csv,
        grace_days=int(settings.get("R1.grace_days", 0)),
        with_disputed="R1.exclude_disputed" in settings,
    )
    assert plain == numbers, "the plain reading behind the generated export is the pinned one"


Arrange = Callable[[list[bytes], random.Random], list[bytes]]


def in_file_order(lines: list[bytes], _: random.Random) -> list[bytes]:
    return lines


def in_file_order_twice(lines: list[bytes], _: random.Random) -> list[bytes]:
    return [line for line in lines for _twice in range(2)]


def shuffled(lines: list[bytes], rng: random.Random) -> list[bytes]:
    return rng.sample(lines, len(lines))


def shuffled_twice(lines: list[bytes], rng: random.Random) -> list[bytes]:
    return rng.sample(lines * 2, len(lines) * 2)


def arranged(export: Export, arrange: Arrange, folder: Path) -> Path:
    file = folder / "arranged.jsonl"
    lines = export.events.read_bytes().splitlines()
    file.write_bytes(b"\n".join(arrange(lines, random.Random(SEED))) + b"\n")
    return file


def system_for(commands: Commands, kafka: Kafka, topics: Topics, folder: Path) -> Installation:
    """On the event clock, with a horizon that reaches back to the data."""
    env = {"BELLWETHER_CLOCK": "event", "BELLWETHER_HORIZON_MONTHS": "600"}
    return Installation(commands, kafka.bootstrap, topics, folder, env)


@pytest.mark.parametrize(
    "arrange",
    [
        shuffled_twice,
        # The last one is their sum.
        *(pytest.param(one, marks=pytest.mark.nightly) for one in (in_file_order, in_file_order_twice, shuffled)),
    ],
)
def test_the_running_system_finds_the_same_numbers(
    export: Export, arrange: Arrange, kafka: Kafka, topics: Topics, commands: Commands, tmp_path: Path
) -> None:
    system = system_for(commands, kafka, topics, tmp_path)
    system.start("ingest", "rules")
    system.send(arranged(export, arrange, tmp_path))
    system.advance(END)
    system.wait_for_rules()
    assert from_warnings(system.warnings()) == export.numbers


def undisturbed(export: Export) -> set[tuple[str, str, str, str, str | None]]:
    """The episodes that the same events give where nothing is killed."""
    run = Backtest(assemble(read_rules(SHIPPED), EXAMPLE_ZONE, None))
    for line in export.events.read_bytes().splitlines():
        run.feed(decode(line))
    run.advance(2**60)
    return {(one.rule, one.customer_id, one.subject, one.start, one.end) for one in run.episodes()}


def kill_three_times_in_the_middle(system: Installation, events: Path, seed: int) -> None:
    """Sends the file in four parts; the worker dies while it works on each of the first three."""
    rng = random.Random(seed)
    print(f"seed {seed}")
    lines = events.read_bytes().splitlines()
    cuts = sorted(rng.sample(range(1, len(lines)), 3))
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(lines)], strict=True)):
        part = system.folder / f"part-{number}.jsonl"
        part.write_bytes(b"\n".join(lines[start:stop]) + b"\n")
        wait_s = rng.uniform(0.0, 0.6)
        system.send(part)
        if number < 3:
            # A random moment in the worker's life: what is tested is that the moment does not matter.
            time.sleep(wait_s)
            system.children["rules"].kill()
            system.start("rules")


# Nightly: in every run test_rules_runtime.py kills workers at any moment, and tests/chaos those of the real rules.
@pytest.mark.nightly
def test_killing_the_worker_three_times_loses_nothing(
    export: Export, kafka: Kafka, topics: Topics, commands: Commands, tmp_path: Path
) -> None:
    system = system_for(commands, kafka, topics, tmp_path)
    system.start("ingest", "rules")
    seed = random.SystemRandom().randrange(10**6)
    kill_three_times_in_the_middle(system, arranged(export, shuffled, tmp_path), seed)
    system.advance(END)
    system.wait_for_rules()
    warnings = system.warnings()
    assert episodes(warnings) == undisturbed(export)
    assert from_warnings(warnings) == export.numbers
    revisions: dict[str, set[int]] = {}
    for warning in warnings:
        revisions.setdefault(warning.id, set()).add(warning.revision)
    gaps = [name for name, seen in revisions.items() if seen != set(range(1, max(seen) + 1))]
    assert not gaps, f"revisions were never sent: {gaps}"
