"""The soak of row 5: a worker with many customers under a steady load, its memory sampled."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import timedelta
from statistics import median

from tests.bench.bellwether import Bellwether
from tests.bench.crowd import BEGIN, crowd, customer_ids
from tests.bench.figures import Row, Section, at_most, figure, table, told
from tests.bench.growth import ready, work_off
from tests.bench.mixes import chosen, lone_events
from tests.bench.sizes import ITEMS
from tests.bench.speed import now
from tests.bench.stage import Stage

NAME = "soak"
RATE_PER_S = 200
EVERY_S = 1.0
SAMPLE_EVERY_S = 5.0
FILLING = 10_000
MIB = 1 << 20
GROWTH_SHARE = 1.0
"""Percent of the resident memory by which it may exceed what the states have grown by: noise of an allocator."""

Point = tuple[float, float, float]
"""Seconds since the soak began, resident MiB, MiB of customers' records."""


def measure(stage: Stage) -> Section:
    """One soak; `rounds` does not matter."""
    sizes = stage.sizes
    with ExitStack() as ends:
        worker = ready(stage, crowd(stage), "soak", ends)
        # As many customers as are kept open: what opens the first ones makes a worker grow, and should.
        names = customer_ids(FILLING)
        work_off(worker, lone_events(names, BEGIN - timedelta(minutes=1), timedelta(milliseconds=1), "fill"))
        points = load(worker, sizes.soak_s + sizes.soak_warm_s, sizes.customers)
    settled = [point for point in points if point[0] >= sizes.soak_warm_s]
    grown, states = growth_mib(settled)
    share = 100 * (grown - states) / settled[0][1]
    each = (grown - states) * MIB / (RATE_PER_S * sizes.soak_s)
    rows: list[Row] = [
        at_most(
            f"soak, {sizes.soak_s // 60} min at {RATE_PER_S} events/s: resident growth beyond the states'",
            [share],
            GROWTH_SHARE,
            "%",
            f"{figure(grown)} MiB resident, {figure(states)} MiB of states: {figure(each)} bytes an event beyond them",
        ),
        told("soak: resident, greatest", [max(point[1] for point in settled)], "MiB"),
    ]
    data = {"points": points}
    return Section(NAME, "Soak", rows, _text(sizes.customers, points), data, 1, stage.quick, now())


def load(worker: Bellwether, seconds: int, customers: int) -> list[Point]:
    """Events for customers by chance, a portion each second, the worker's clock moving along; and samples beside."""
    ids, begun, points, turn = customer_ids(customers), time.monotonic(), list[Point](), 0
    worker.stage.meter.begin("soak", seconds)
    while (at_s := time.monotonic() - begun) < seconds:
        when = BEGIN + timedelta(seconds=at_s)
        names = chosen(ids, int(RATE_PER_S * EVERY_S), f"soak-{turn}")
        worker.move_clock(when + timedelta(seconds=EVERY_S))
        worker.stage.publish_events(worker.topics, lone_events(names, when, timedelta(milliseconds=1), f"s{turn}"))
        turn += 1
        if not points or at_s - points[-1][0] >= SAMPLE_EVERY_S:
            worker.process()
            states = worker.total("bellwether_rules_state_bytes") / MIB
            points.append((at_s, worker.resident_bytes() / MIB, states))
            worker.stage.meter.reach(at_s)
        time.sleep(max(0.0, begun + turn * EVERY_S - time.monotonic()))
    return points


def growth_mib(points: list[Point]) -> tuple[float, float]:
    """By how much memory and states have grown: from the first tenth of the points to the last tenth, medians."""
    tenth = max(1, len(points) // 10)
    first, last = points[:tenth], points[-tenth:]
    memory, states = (
        median(point[column] for point in last) - median(point[column] for point in first) for column in (1, 2)
    )
    return memory, states


def _text(customers: int, points: list[Point]) -> str:
    every = max(1, len(points) // 12)
    lines = [[f"{at_s:.0f}", f"{resident:,.0f}", f"{states:,.0f}"] for at_s, resident, states in points[::every]]
    words = (
        f"{customers:,} customers with {ITEMS} items at first; {RATE_PER_S} events a second of customers by chance, so "
        "the states grow by what they are told, and memory must not grow by more."
    )
    return f"{words}\n\n{table(['s', 'resident MiB', 'MiB of states'], lines)}"
