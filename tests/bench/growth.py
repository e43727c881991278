"""Rows 5 and 6: what many customers cost in memory and in speed, and one customer with half of all events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from statistics import median

from schemas.topics import Topics
from tests.bench.bellwether import Bellwether
from tests.bench.crowd import BEGIN, SETTINGS, crowd, customer_ids, minutes_after, write_crowd
from tests.bench.figures import Lap, Row, Sample, Section, at_least, at_most, figure, lap, ratios, told
from tests.bench.mixes import chosen, lone_events, week_events
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
                names = chosen(customer_ids(count), stage.sizes.growth_events, name)
                work_off(worker, lone_events(names, minutes_after(number), APART, name))
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
class Field:
    """A worker that is up, and what it is given in a round."""

    name: str
    worker: Bellwether
    events: Callable[[int], Events]


def measure_growth(stage: Stage) -> Section:
    """Four workers stay up, and get their events in turn."""
    laps: dict[str, list[Lap]] = {}
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
    data = {name: [one._asdict() for one in found] for name, found in laps.items()}
    return Section(GROWTH, "Growth", rows, TEXT, data, stage.rounds, stage.quick, now())


TEXT = f"""\
All workers are up at the same time and get the same number of events one after another, with the shipped rulebook. Many
and few: each event is of a customer taken by chance, so that of the many nearly every one has to be opened from its
records. Half of all events: of {FEW:,} customers one has every second event; each goes through weeks in good order."""


def fields(stage: Stage, ends: ExitStack) -> list[Field]:
    """Workers on many customers, on few, and on few of whom one is busy or none is."""
    size, many = stage.sizes.growth_events, customer_ids(stage.sizes.customers)
    few, favourite = customer_ids(FEW), customer_ids(1)[0]

    def lone(names: list[str], word: str) -> Callable[[int], Events]:
        return lambda number: lone_events(
            chosen(names, size, f"{word}{number}"), minutes_after(20 + number), APART, f"{word}{number}"
        )

    def weeks(word: str, busy: str | None) -> Callable[[int], Events]:
        return lambda number: week_events(
            chosen(few, size, f"{word}{number}", busy), minutes_after(20 + number), APART, f"{word}{number}"
        )

    def small(word: str) -> Topics:
        topics = stage.make_topics(f"bw-{word}")
        ends.callback(stage.delete_topics, topics.prefix)
        write_crowd(stage, topics, FEW, BEGIN)
        return topics

    places = [("many", crowd(stage), lone(many, "many")), ("few", small("few"), lone(few, "few"))]
    places += [("even", small("even"), weeks("even", None)), ("half", small("half"), weeks("half", favourite))]
    return [Field(name, ready(stage, topics, f"growth-{name}", ends), events) for name, topics, events in places]


def growth_rows(laps: dict[str, list[Lap]], count: int) -> list[Row]:
    """Ratios with their targets, and the figures behind them."""
    speeds = {name: [one.per_s for one in found] for name, found in laps.items()}
    labels = {
        "many": f"events/s at {count:,} customers",
        "few": f"events/s at {FEW:,} customers",
        "even": "events/s, evenly spread",
        "half": "events/s, half of them one customer's",
    }
    return [
        at_least(f"events/s at {count:,} customers against {FEW:,}", ratios(speeds["many"], speeds["few"]), RATIO, "×"),
        at_least(
            "one customer with half of all events against even", ratios(speeds["half"], speeds["even"]), RATIO, "×"
        ),
        *(told(label, speeds[name], "/s", cpu_note(laps[name])) for name, label in labels.items()),
    ]


def cpu_note(laps: list[Lap]) -> str:
    """What an event cost the worker; it depends less on what else the machine does."""
    return f"{figure(median(one.cpu_us for one in laps))} µs of CPU an event"


def ready(stage: Stage, topics: Topics, label: str, ends: ExitStack) -> Bellwether:
    """A worker that has taken over its partitions, and ends with `ends`."""
    worker = Bellwether(stage, Course(topics.events, 0, 0), label, topics, SETTINGS)
    stage.meter.begin(f"{label}: restore")
    ends.callback(worker.stop)
    worker.start()
    stage.meter.wait(f"{label} to be ready", worker.is_ready, RESTORE_DEADLINE_S, 0.2)
    return worker


def work_off(worker: Bellwether, events: Events) -> Lap:
    """Publish, and see it done; from the first sample that shows any of it."""
    before = worker.sample().done
    worker.stage.publish_events(worker.topics, events)

    def reached(least: int) -> Sample | None:
        sample = worker.sample()
        worker.stage.meter.reach(sample.done - before)
        return sample if sample.done >= before + least else None

    first = worker.stage.meter.wait("an event", partial(reached, 1), RACE_DEADLINE_S)
    last = worker.stage.meter.wait("all events", partial(reached, len(events)), RACE_DEADLINE_S, 0.1)
    return lap(first, last)
