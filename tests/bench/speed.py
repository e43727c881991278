"""Row 1: events a second with the shipped rulebook, against counters of others on the same topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median

from tests.bench.bellwether import DENSITY, Bellwether
from tests.bench.counters import FaustCounter, KafkaStreamsCounter, QuixCounter
from tests.bench.figures import Row, Section, at_least, figure, missing, ratios, table, told
from tests.bench.mixes import Mix, busy_mix, money_mix, sample_mix, week_mix
from tests.bench.racing import Course, Finish, Unavailable, Worker, race
from tests.bench.sizes import Sizes
from tests.bench.stage import Stage

NAME = "speed"
TARGETS = {FaustCounter.name: 15.0, QuixCounter.name: 1.0, KafkaStreamsCounter.name: 0.3}
COUNTERS: tuple[type[Worker], ...] = (FaustCounter, QuixCounter, KafkaStreamsCounter)

REPLAYED = "good order"
"""The mix that is raced under the event clock too: the clock of backtests and of the sample."""

SETTINGS = {"BELLWETHER_OPEN_ITEMS": "1000000"}
"""All customers of a mix stay open, as the counters' do in their caches. What opening them costs is told by the growth
rows, under the setting that the product is shipped with."""


class Replayed(Bellwether):
    """On the events' own time."""

    name = "Bellwether, event clock"


Found = dict[str, list[Finish]]
"""The finishes of each worker, a round after the other."""


def measure(stage: Stage) -> Section:
    """Every mix in turn, in every round every worker."""
    rows, texts, data = list[Row](), [TEXT.format(lap_s=stage.sizes.lap_s, **SETTINGS)], {}
    for mix in mixes(stage.sizes):
        found, lacking = race_all(stage, mix)
        rows += rows_of(mix, found, lacking)
        texts.append(text_of(mix, found))
        data[mix.name] = {name: [asdict(finish) for finish in finishes] for name, finishes in found.items()}
    title = "Events a second with the shipped rulebook"
    return Section(NAME, title, rows, "\n\n".join(texts), data, stage.rounds, stage.quick, now())


TEXT = """\
Bellwether runs under the manual clock, which is the wall clock's code, just behind the mix's last event; so what it
works through is a backlog, as after an hour in which no worker ran. A batch holds several events of a customer then,
and its rules are evaluated once for all of them, as Kafka Streams' cache writes a key once for all of its changes. How
many they were is told beside each mix; of live traffic it is about one, whose price the row “in turn” under “Growth”
tells. Wake-ups come when the backlog has been worked through, behind the lap; snapshots for reports ten minutes after a
change. Under the event clock (the clock of backtests) every wake-up in between fires, and each event is evaluated
alone.
`BELLWETHER_OPEN_ITEMS` is {BELLWETHER_OPEN_ITEMS}. A worker that has not finished after {lap_s:g} s is stopped and
judged by what it had done."""


MIXES: dict[str, Callable[[int], Mix]] = {
    "sample": sample_mix,
    "good order": week_mix,
    "money": money_mix,
    "busy hour": busy_mix,
}
"""By name, from the number of events."""


def mixes(sizes: Sizes) -> Iterator[Mix]:
    """One at a time: each has some hundred megabytes."""
    for name in sizes.mixes:
        yield MIXES[name](sizes.race_events)


def race_all(stage: Stage, mix: Mix) -> tuple[Found, dict[str, str]]:
    """The finishes, and why a worker could not be had."""
    slug = stage.named(mix.name.replace(" ", "-"))
    topics = stage.make_topics(f"bw-{slug}")
    stage.publish(topics.reference, ((0, (key.encode(), raw)) for key, raw in mix.reference))
    stage.publish_events(topics, mix.events)
    course = Course(topics.events, len(mix.events), mix.customers)
    found: Found = {}
    lacking: dict[str, str] = {}
    for number in range(stage.rounds):
        workers: list[Worker] = [Bellwether(stage, course, f"bellwether-{slug}-{number}", topics, mix.ends, SETTINGS)]
        if mix.name == REPLAYED:
            workers.append(Replayed(stage, course, f"replayed-{slug}-{number}", topics, "event", SETTINGS))
        workers += [make(stage, course, f"{make.name.lower().replace(' ', '-')}-{slug}-{number}") for make in COUNTERS]
        # Another one begins each round: what the machine does besides falls on everybody.
        shift = number % len(workers)
        for worker in workers[shift:] + workers[:shift]:
            if worker.name in lacking:
                continue
            try:
                found.setdefault(worker.name, []).append(race(worker))
            except Unavailable as why:
                lacking[worker.name] = str(why)
    stage.delete_topics(topics.prefix)
    return {name: finishes for name, finishes in found.items() if finishes}, lacking


def rows_of(mix: Mix, found: Found, lacking: dict[str, str]) -> list[Row]:
    """Our figure, and the ratio to each other worker."""
    ours = [finish.lap.per_s for finish in found[Bellwether.name]]
    density = median([finish.more[DENSITY] for finish in found[Bellwether.name]])
    note = f"{figure(density)} events {DENSITY}"
    rows = [told(f"mix “{mix.name}”: events/s, 59 rules", ours, "/s", note)]
    if Replayed.name in found:
        alone = [finish.lap.per_s for finish in found[Replayed.name]]
        rows.append(told(f"mix “{mix.name}” replayed by its own time", alone, "/s", "event clock: each event alone"))
    for name, limit in TARGETS.items():
        measure = f"mix “{mix.name}”: events/s against {name}"
        if name not in found:
            rows.append(missing(measure, f"≥ {limit:g} ×", lacking.get(name, "not raced")))
            continue
        theirs = [finish.lap.per_s for finish in found[name]]
        rows.append(at_least(measure, ratios(ours, theirs), limit, "×", f"{name}: {figure(median(theirs))}/s"))
    return rows


def text_of(mix: Mix, found: Found) -> str:
    """The mix in words, and all figures of all workers."""
    lines = []
    for name, finishes in found.items():
        laps = [finish.lap for finish in finishes]
        more = {key: median([finish.more[key] for finish in finishes]) for key in finishes[0].more if key != DENSITY}
        share = median([(lap.events + 1) / len(mix.events) for lap in laps])
        lines.append(
            [
                name,
                figure(median([lap.per_s for lap in laps])),
                figure(median([lap.cpu_us for lap in laps])),
                figure(median([lap.cpu_s / lap.seconds for lap in laps])),
                figure(median([lap.seconds for lap in laps])),
                f"cut: {share:.0%}" if any(lap.cut for lap in laps) else "whole",
                ", ".join(f"{figure(value)} {key} an event" for key, value in more.items()),
            ]
        )
    words = (
        f"**Mix “{mix.name}”**: {mix.about}; {len(mix.events):,} events of {mix.customers:,} customers: {mix.kinds()}."
    )
    head = ["worker", "events/s", "µs of CPU an event", "cores busy", "s", "lap", "besides"]
    return f"{words}\n\n{table(head, lines)}"


def now() -> str:
    """When a section was measured."""
    return datetime.now(UTC).isoformat(timespec="minutes")
