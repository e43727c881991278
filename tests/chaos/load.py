"""What is sent to a system under faults, and what must come of it in the end: worked out by the core alone."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from schemas.codec import parse
from schemas.events import Event, ReferenceEvent
from services.ingest.records import reference_key
from services.ingest.sample.world import MIN_CUSTOMERS, make_sample
from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.calendar import micros
from services.rules.compiling import Rule
from services.rules.core import Core
from services.rules.reference import Reference

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 22)
END = datetime(2027, 1, 10, tzinfo=ZONE)
"""Time is moved on to here when all has been sent: what is due until then must have been said."""

POISON = "poison-"
"""Events whose id begins so break the core of a worker under test."""

DUPLICATES = 0.05
STRAYS = 0.05
GARBAGE = 0.003
POISONED = 0.003

Episode = tuple[str, str, str, str, str | None]
"""Rule, customer, subject, start, end."""

Name = tuple[str, str]
"""Source and id of an event."""


@dataclass(frozen=True)
class Sent:
    """A record for the events topic; `partition` None means the key's own."""

    key: str
    value: bytes
    partition: int | None = None


@dataclass(frozen=True)
class Expected:
    """The episodes that stand in the end, and the events by which each customer is known."""

    episodes: frozenset[Episode]
    names: dict[str, frozenset[Name]]
    dead: Counter[tuple[str, bytes]]


@dataclass(frozen=True)
class Load:
    """`records` in the order of sending, with events sent twice, to a wrong partition, and such as nobody can read;
    `reference` are keys and values for the reference topic; `events` is what counts, in the order of time."""

    seed: int
    records: list[Sent]
    reference: list[tuple[str, bytes]]
    events: list[dict[str, Any]]
    dead: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    def expected(self) -> Expected:
        """Everything in the order of time through the core, without a broker, a batch or a record."""
        run = Backtest(core())
        for _, value in self.reference:
            run.feed(parse_bytes(value))
        for event in self.events:
            run.feed(parse(event))
        run.advance(micros(END))
        assert not run.refused
        episodes = {(one.rule, one.customer_id, one.subject, one.start, one.end) for one in run.episodes()}
        names = {name: frozenset((k.source, k.id) for k in s.known.entries) for name, s in run._states.items()}
        return Expected(frozenset(episodes), names, self.dead)


def core(reference: Reference | None = None) -> Core:
    """The shipped rules, as the workers under test have them."""
    return assemble(shipped(), ZONE, None, reference or Reference())


@cache
def shipped() -> list[Rule]:
    """The shipped rules, compiled once for each process."""
    return read_rules(SHIPPED)


def make_load(seed: int, events: int, partitions: int, share: float = 1.0, *, poison: bool = True) -> Load:
    """About so many events of the sample of this seed. `share` is the part of each customer's events that is taken:
    little of many customers or all of a few. Only the workers of this folder break at `poison`."""
    rng = random.Random(f"load {seed}")
    sample = make_sample(seed, TODAY, ZONE, MIN_CUSTOMERS)
    reference = [event for event in sample.events if "subject" not in event]
    customers = sorted({event["subject"] for event in sample.events if "subject" in event})
    rng.shuffle(customers)
    taken: list[dict[str, Any]] = []
    for customer in customers:
        mine = [event for event in sample.events if event.get("subject") == customer]
        taken += [event for event in mine if rng.random() < share]
        if len(taken) >= events:
            break
    taken.sort(key=lambda event: datetime.fromisoformat(event["time"]))
    records, dead = _mixed([Sent(event["subject"], orjson.dumps(event)) for event in taken], rng, partitions)
    if not poison:
        dead = Counter({letter: count for letter, count in dead.items() if letter[0] != "poison"})
        records = [one for one in records if POISON.encode() not in one.value]
    keyed = [(reference_key(parse(event)), orjson.dumps(event)) for event in reference]
    return Load(seed, _moved(records, rng), keyed, taken, dead)


def _mixed(good: list[Sent], rng: random.Random, partitions: int) -> tuple[list[Sent], Counter[tuple[str, bytes]]]:
    """With duplicates, strays, garbage and poison in it; and what of it must be among the dead letters."""
    records: list[Sent] = []
    dead: Counter[tuple[str, bytes]] = Counter()
    for number, one in enumerate(good):
        records.append(one)
        if rng.random() < DUPLICATES:
            records.append(one)
        if rng.random() < STRAYS:
            records[-1] = Sent(one.key, one.value, rng.randrange(partitions))
        if rng.random() < GARBAGE:
            garbage = Sent(one.key, b"\xff no event %d" % number)
            records.append(garbage)
            dead["not_json", garbage.value] += 1
        if rng.random() < POISONED:
            poison = Sent(one.key, orjson.dumps({**orjson.loads(one.value), "id": f"{POISON}{number}"}))
            records.append(poison)
            dead["poison", poison.value] += 1
    return records, dead


def _moved(records: list[Sent], rng: random.Random) -> list[Sent]:
    """Out of order: not at all, by some places, by many, or altogether."""
    window = rng.choice((0, 20, 300, len(records)))
    places = [(number + rng.uniform(0, window), number) for number in range(len(records))]
    return [records[number] for _, number in sorted(places)]


def parse_bytes(value: bytes) -> Event:
    """An event as it was sent."""
    return parse(orjson.loads(value))


def learn_all(rules: Core, load: Load) -> None:
    """Tells a core the load's reference data."""
    for _, value in load.reference:
        event = parse_bytes(value)
        assert isinstance(event, ReferenceEvent)
        rules.reference.learn(event)


def instants(rng: random.Random, steps: int) -> list[datetime]:
    """From the day after the last event up to END."""
    start = datetime.combine(TODAY, datetime.min.time(), ZONE) + timedelta(days=1)
    between = sorted(rng.uniform(0, (END - start).total_seconds()) for _ in range(steps - 1))
    return [start + timedelta(seconds=seconds) for seconds in between] + [END]
