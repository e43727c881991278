"""Rows 5 and 6: what many customers cost in memory and in speed, and one customer with half of all events."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from statistics import median

from schemas.topics import Topics
from tests.bench.bellwether import APPLIED, DECODED, DENSITY, WOKEN, WRITTEN, Bellwether
from tests.bench.crowd import BEGIN, SETTINGS, crowd, customer_ids, minutes_before, write_crowd
from tests.bench.figures import Lap, Row, Sample, Section, at_least, at_most, figure, lap, ratios, told
from tests.bench.mixes import chosen, lone_events, turned, week_events
from tests.bench.racing import RACE_DEADLINE_S, Course
from tests.bench.recovery import RESTORE_DEADLINE_S
from tests.bench.sizes import ITEMS
from tests.bench.speed import now
from tests.bench.stage import Stage

MEMORY, GROWTH = "memory", "growth"
RESIDENT_GIB = 4.0
RATIO = 0.7
FEW = 1_000
MEMORY_LAPS = 3
GIB = 1 << 30
APART = timedelta(milliseconds=1)
"""Between two events: the clock hardly moves, so no wake-ups mix in."""

ALL_OPEN = {**SETTINGS, "BELLWETHER_OPEN_ITEMS": "1000000"}

Events = list[tuple[str, bytes]]


def measure_memory(stage: Stage) -> Section:
    """Resident memory after the restore, and with as many customers open as a worker keeps open."""
    count, topics, rounds = stage.sizes.customers, crowd(stage), list[tuple[float, float, float]]()
    for number in range(stage.rounds):
        with ExitStack() as ends:
            worker = ready(stage, topics, f"memory-{number}", ends)
            restored = worker.resident_bytes() / GIB
            for turn in range(MEMORY_LAPS):
                name = f"m{number}-{turn}"
                names = chosen(customer_ids(count), stage.sizes.memory_events, name)
                work_off(worker, lone_events(names, minutes_before(60 - number), APART, name))
            busy = worker.resident_bytes() / GIB
            rounds.append((restored, busy, worker.total("bellwether_rules_state_bytes") / GIB))
    restored_all, busy_all, states_all = (list(column) for column in zip(*rounds, strict=True))
    worst = [max(one[:2]) for one in rounds]
    rows = [
        at_most(f"resident: {count:,} customers with {ITEMS} items on one worker", worst, RESIDENT_GIB, "GiB"),
        told("resident after the restore", restored_all, "GiB"),
        told("resident with as many customers open as are kept open", busy_all, "GiB"),
        told("the customers' records", states_all, "GiB"),
    ]
    return Section(MEMORY, "Memory", rows, "", {"rounds": rounds}, stage.rounds, stage.quick, now())


@dataclass(frozen=True)
class Leg:
    """A lap of a worker that stays up. `density`: events of one customer in a batch; `openings`: customers opened from
    their records, an event."""

    lap: Lap
    density: float
    openings: float


@dataclass(frozen=True)
class Field:
    """A worker that is up, and what it is given in a round."""

    name: str
    worker: Bellwether
    events: Callable[[int], Events]


def measure_growth(stage: Stage) -> Section:
    """All workers stay up, and get their events in turn."""
    laps: dict[str, list[Leg]] = {}
    with ExitStack() as ends:
        places = fields(stage, ends)
        for place in places:
            # Whoever is kept open is open then: a first event of each customer is no part of the question.
            work_off(place.worker, place.events(-1))
        for number in range(stage.rounds):
            shift = number % len(places)
            for place in places[shift:] + places[:shift]:
                stage.meter.begin(f"{place.name}, round {number + 1}", stage.sizes.growth_events)
                laps.setdefault(place.name, []).append(work_off(place.worker, place.events(number)))
    rows = growth_rows(laps, stage.sizes.customers)
    data = {name: [asdict(one) for one in found] for name, found in laps.items()}
    return Section(GROWTH, "Growth", rows, text_of(stage), data, stage.rounds, stage.quick, now())


def text_of(stage: Stage) -> str:
    """What the rows are about."""
    return f"""\
All workers are up at the same time and get the same number of events ({stage.sizes.growth_events:,}) one after another,
published while they stand still, with the shipped rulebook and settings, under the manual clock. Many and few: each
event is of a customer taken by chance, so that of the many nearly every one has to be opened from its records, and a
batch holds one event of each; of the few all stay open, and a batch holds several events of one, for which its rules
are evaluated once. In turn: {stage.sizes.turn_customers:,} customers who all stay open (BELLWETHER_OPEN_ITEMS is
{ALL_OPEN["BELLWETHER_OPEN_ITEMS"]}), an event of each in turn, so that a batch holds one of each: many against these is
what it costs to open customers, these against few is what a batch saves. Half of all events: of {FEW:,} customers one
has every second event; each goes through weeks in good order."""


def fields(stage: Stage, ends: ExitStack) -> list[Field]:
    """Workers on many customers, on few, on some who come in turn, and on few of whom one is busy or none is."""
    size, many = stage.sizes.growth_events, customer_ids(stage.sizes.customers)
    few, favourite, turns = customer_ids(FEW), customer_ids(1)[0], customer_ids(stage.sizes.turn_customers)

    def lone(names: Callable[[str], list[str]], word: str) -> Callable[[int], Events]:
        return lambda number: lone_events(names(f"{word}{number}"), before(number), APART, f"{word}{number}")

    def weeks(word: str, busy: str | None) -> Callable[[int], Events]:
        return lambda number: week_events(
            chosen(few, size, f"{word}{number}", busy), before(number), APART, f"{word}{number}"
        )

    def small(word: str, count: int = FEW) -> Topics:
        topics = stage.make_topics(f"bw-{word}")
        ends.callback(stage.delete_topics, topics.prefix)
        write_crowd(stage, topics, count, BEGIN)
        return topics

    by_chance = lone(lambda seed: chosen(many, size, seed), "many")
    in_turn = lone(lambda seed: turned(turns, size, seed), "turn")
    places: list[tuple[str, Topics, Callable[[int], Events], Mapping[str, str]]] = [
        ("many", crowd(stage), by_chance, SETTINGS),
        ("few", small("few"), lone(lambda seed: chosen(few, size, seed), "few"), SETTINGS),
        ("turn", small("turn", len(turns)), in_turn, ALL_OPEN),
        ("even", small("even"), weeks("even", None), SETTINGS),
        ("half", small("half"), weeks("half", favourite), SETTINGS),
    ]
    return [
        Field(name, ready(stage, topics, f"growth-{name}", ends, settings), events)
        for name, topics, events, settings in places
    ]


def before(number: int) -> datetime:
    """When a round's events begin to happen; the warm-up is round -1."""
    return minutes_before(50 - 5 * number)


def growth_rows(legs: Mapping[str, list[Leg]], count: int) -> list[Row]:
    """Ratios with their targets, and the figures behind them."""
    speeds = {name: [one.lap.per_s for one in found] for name, found in legs.items()}
    labels = {
        "many": f"events/s at {count:,} customers",
        "few": f"events/s at {FEW:,} customers",
        "turn": "events/s, in turn",
        "even": "events/s, evenly spread",
        "half": "events/s, half of them one customer's",
    }
    return [
        at_least(f"events/s at {count:,} customers against {FEW:,}", ratios(speeds["many"], speeds["few"]), RATIO, "×"),
        at_least(
            "one customer with half of all events against even", ratios(speeds["half"], speeds["even"]), RATIO, "×"
        ),
        *(told(label, speeds[name], "/s", note(legs[name])) for name, label in labels.items()),
    ]


def note(legs: list[Leg]) -> str:
    """What an event cost the worker, which depends less on what else the machine does, and why."""
    return (
        f"{figure(median(one.lap.cpu_us for one in legs))} µs of CPU an event; "
        f"{figure(median(one.density for one in legs))} events {DENSITY}, "
        f"{figure(median(one.openings for one in legs))} openings an event"
    )


def ready(
    stage: Stage, topics: Topics, label: str, ends: ExitStack, settings: Mapping[str, str] = SETTINGS
) -> Bellwether:
    """A worker that has taken over its partitions, and ends with `ends`."""
    worker = Bellwether(stage, Course(topics.events, 0, 0), label, topics, BEGIN, settings)
    stage.meter.begin(f"{label}: restore")
    ends.callback(worker.stop)
    worker.start()
    stage.meter.wait(f"{label} to be ready", worker.is_ready, RESTORE_DEADLINE_S, 0.2)
    return worker


def work_off(worker: Bellwether, events: Events) -> Leg:
    """Publish, and see it done; from the first sample that shows any of it.

    The worker stands still meanwhile, for much less than its session: publishing would share the machine with it, and
    how many events a batch holds would depend on who is faster.
    """
    before = worker.metrics()
    applied = int(worker.total(APPLIED, before))
    pid = worker.process().pid
    os.kill(pid, signal.SIGSTOP)
    try:
        worker.stage.publish_events(worker.topics, events)
    finally:
        os.kill(pid, signal.SIGCONT)

    def reached(least: int) -> Sample | None:
        sample = worker.sample()
        worker.stage.meter.reach(sample.done - applied)
        return sample if sample.done >= applied + least else None

    first = worker.stage.meter.wait("an event", partial(reached, 1), RACE_DEADLINE_S)
    last = worker.stage.meter.wait("all events", partial(reached, len(events)), RACE_DEADLINE_S, worker.poll_s)
    return leg(worker, before, lap(first, last))


def leg(worker: Bellwether, before: Mapping[str, float], found: Lap) -> Leg:
    """The lap with what the worker's metrics say of it."""
    after = worker.metrics()
    events, woken, written, opened = (
        worker.total(name, after) - worker.total(name, before) for name in (APPLIED, WOKEN, WRITTEN, DECODED)
    )
    return Leg(found, density=(events + woken) / written, openings=opened / events)
