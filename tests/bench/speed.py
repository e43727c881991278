"""Row 1: events a second with the shipped rulebook, against counters of others on the same topic."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median

from tests.bench.bellwether import Bellwether
from tests.bench.counters import FaustCounter, KafkaStreamsCounter, QuixCounter
from tests.bench.figures import Row, Section, at_least, figure, missing, ratios, table, told
from tests.bench.mixes import Mix, money_mix, sample_mix, week_mix
from tests.bench.racing import Course, Finish, Unavailable, Worker, race
from tests.bench.stage import Stage

NAME = "speed"
TARGETS = {FaustCounter.name: 15.0, QuixCounter.name: 1.0, KafkaStreamsCounter.name: 0.3}
COUNTERS: tuple[type[Worker], ...] = (FaustCounter, QuixCounter, KafkaStreamsCounter)

Found = dict[str, list[Finish]]
"""The finishes of each worker, a round after the other."""


def measure(stage: Stage) -> Section:
    """Every mix in turn, in every round every worker."""
    count = stage.sizes.race_events
    rows, texts, data = list[Row](), list[str](), {}
    for mix in (sample_mix(count), week_mix(count), money_mix(count)):
        found, lacking = race_all(stage, mix)
        rows += rows_of(mix, found, lacking)
        texts.append(text_of(mix, found))
        data[mix.name] = {name: [asdict(finish) for finish in finishes] for name, finishes in found.items()}
    title = "Events a second with the shipped rulebook"
    return Section(NAME, title, rows, "\n\n".join(texts), data, stage.rounds, stage.quick, now())


def race_all(stage: Stage, mix: Mix) -> tuple[Found, dict[str, str]]:
    """The finishes, and why a worker could not be had."""
    slug = mix.name.replace(" ", "-")
    topics = stage.make_topics(f"bw-{slug}")
    stage.publish(topics.reference, ((0, (key.encode(), raw)) for key, raw in mix.reference))
    stage.publish_events(topics, mix.events)
    course = Course(topics.events, len(mix.events), mix.customers)
    found: Found = {}
    lacking: dict[str, str] = {}
    for number in range(stage.rounds):
        workers: list[Worker] = [Bellwether(stage, course, f"bellwether-{slug}-{number}", topics)]
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
    rows = [told(f"mix “{mix.name}”: events/s, 59 rules", ours, "/s")]
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
        more = {key: median([finish.more[key] for finish in finishes]) for key in finishes[0].more}
        lines.append(
            [
                name,
                figure(median([lap.per_s for lap in laps])),
                figure(median([lap.cpu_us for lap in laps])),
                figure(median([lap.cpu_s / lap.seconds for lap in laps])),
                ", ".join(f"{figure(value / len(mix.events))} {key} an event" for key, value in more.items()),
            ]
        )
    words = (
        f"**Mix “{mix.name}”**: {mix.about}; {len(mix.events):,} events of {mix.customers:,} customers: {mix.kinds()}."
    )
    head = ["worker", "events/s", "µs of CPU an event", "cores busy", "besides"]
    return f"{words}\n\n{table(head, lines)}"


def now() -> str:
    """When a section was measured."""
    return datetime.now(UTC).isoformat(timespec="minutes")
