"""Many customers without many hours: real customers' records under new ids, written straight to the changelog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from schemas.codec import decode
from schemas.topics import Topics
from services.common.settings import read_settings
from services.ingest.sample.world import MAX_CUSTOMERS, MIN_CUSTOMERS, make_sample
from services.rules.batch import table_key
from services.rules.books import SHIPPED, read_rules
from services.rules.build import build_core
from services.rules.calendar import micros
from services.rules.core import Core
from services.rules.partitioner import partition_of
from services.rules.records import HEAD
from services.rules.reference import Reference
from services.rules.state import CustomerState
from tests.bench.mixes import TODAY, ZONE
from tests.bench.sizes import ITEMS, PARTITIONS, SEED
from tests.bench.stage import Keyed, Stage

SETTINGS = {"BELLWETHER_SNAPSHOT_MINUTES": "0"}
"""Of workers on a crowd: a million snapshots at once are another story."""

BEGIN = datetime.combine(TODAY, time(10), ZONE)
"""When a crowd was judged last: what was due by then has been announced. Workers' clocks stand there."""


EACH = 10
"""At least so many customers of a crowd for each of those that they are like, unless the crowd is very small."""


def customer_id(number: int) -> str:
    """Of the crowd; all of one length."""
    return f"B{number:07d}"


@cache
def crowd(stage: Stage) -> Topics:
    """The topics of the whole crowd, written once and kept as long as the stage."""
    topics = stage.make_topics("bw-crowd")
    write_crowd(stage, topics, stage.sizes.customers, BEGIN)
    return topics


def changelog_records(stage: Stage, topics: Topics) -> int:
    """How many there are now."""
    look = stage.look()
    try:
        return sum(look.ends(topics.changelog).values())
    finally:
        look.close()


def write_crowd(stage: Stage, topics: Topics, count: int, until: datetime) -> None:
    """So many customers with ITEMS events each onto an empty changelog.

    Each is one of some customers of the sample, with its last events before the day of `until`, judged by the shipped
    rulebook up to that instant, under an id of its own.
    """
    core, models = prototypes(stage, min(stage.sizes.prototypes, max(count // EACH, MIN_CUSTOMERS)), until)
    stage.meter.begin(f"writing {count:,} customers", count)

    def records() -> Iterator[tuple[int, Keyed]]:
        for number in range(count):
            state, segments = models[number % len(models)]
            for one in renamed(core, state, segments, customer_id(number)):
                yield partition_of(customer_id(number), PARTITIONS), one
            if number % 1_000 == 0:
                stage.meter.reach(number)

    stage.publish(topics.changelog, records())


Model = tuple[CustomerState, list[tuple[str, bytes]]]
"""A customer that is open, and its segments as they are written."""


@cache
def prototypes(stage: Stage, count: int, until: datetime) -> tuple[Core, list[Model]]:
    """Real customers with ITEMS events each, judged up to an instant; and who judged them. Ten milliseconds each."""
    core = build_core(read_settings(SETTINGS), read_rules(SHIPPED), Reference())
    sample = make_sample(SEED, until.date(), ZONE, min(max(count, MIN_CUSTOMERS), MAX_CUSTOMERS))
    mine = sorted((one for one in sample.events if "subject" in one), key=itemgetter("subject"))
    histories = [list(events)[-ITEMS:] for _, events in groupby(mine, key=itemgetter("subject"))]
    whole = [history for history in histories if len(history) == ITEMS]
    stage.meter.begin(f"judging {len(whole):,} customers", len(whole))
    models = []
    for number, history in enumerate(whole):
        models.append(model(core, history, until))
        stage.meter.reach(number)
    return core, models


def model(core: Core, history: list[dict[str, Any]], until: datetime) -> Model:
    """A customer who has gone through these events, and through the time until then."""
    state = core.open(history[0]["subject"], {})
    for offset, raw in enumerate(history):
        event = decode(orjson.dumps(raw))
        now = micros(event.time)
        _wake(core, state, now)
        core.apply(state, event, offset=offset, now=now)
    _wake(core, state, micros(until))
    # As if nothing of the topic had been applied: events that are published later begin at offset 0.
    state.head.offset = -1
    segments = [(name, raw) for name, raw in core.close(state).records if name != HEAD and raw is not None]
    return state, segments


def _wake(core: Core, state: CustomerState, until: int) -> None:
    while (at := core.wake_at(state)) is not None and at <= until:
        core.wake(state, now=at)


def renamed(core: Core, state: CustomerState, segments: list[tuple[str, bytes]], name: str) -> Iterator[Keyed]:
    """The customer's records under another id: segments first, as the worker writes them."""
    for segment, raw in segments:
        yield table_key(name, segment), raw
    state.head.customer_id = name
    [(_, head)] = core.close(state).records
    if head is None:
        raise ValueError("a head is never a tombstone")
    yield table_key(name, HEAD), head


def customer_ids(count: int) -> list[str]:
    """Of the whole crowd."""
    return [customer_id(number) for number in range(count)]


def minutes_before(minutes: float) -> datetime:
    """Within the hours before the clocks stand still: events come after they have happened."""
    return BEGIN - timedelta(minutes=minutes)
