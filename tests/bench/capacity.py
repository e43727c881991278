"""What an event and a customer cost, for docs/capacity.md: CPU, bytes on the topics, bytes at rest, and their return.

    python -m tests.bench.capacity [--events 8000] [--share 1] [--json FILE]

One process without a broker, CPU time only: these machines are shared. The partitions, the stores, the core and the
shipped rulebook are the product's; Kafka's own clients are not in it (docs/benchmarks has the whole on a real broker).
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import lz4.frame
import orjson
from rich.console import Console
from rich.progress import track

from schemas.codec import decode
from schemas.events import ReferenceEvent
from services.common.settings import read_settings
from services.ingest.sample.world import make_sample
from services.rules.batch import table_key
from services.rules.books import SHIPPED, read_rules
from services.rules.build import build_core
from services.rules.core import Core
from services.rules.intake import advance_record
from services.rules.opened import OpenCustomers
from services.rules.partition import Partition
from services.rules.port import Outgoing
from services.rules.producer import MAX_BATCH_BYTES
from services.rules.records import HEAD, read_head, write_head
from services.rules.reference import Reference
from tests.bench.crowd import BEGIN, customer_id, model
from tests.bench.mixes import TODAY, ZONE, Mix, lone_events, sample_mix, week_mix
from tests.bench.sizes import SEED
from tests.support.records import Rec

FETCHED = 2_000
"""Records that a worker gets of a partition at once."""

CROWDS = {10: 4_000, 100: 1_000, 1_000: 200}
"""Customers by the number of their items: as many as give a figure that can be relied on, and not more."""

PROTOTYPES = 100
SAMPLE_ITEMS = 150
"""Most customers of the sample have more than these."""

AN_HOUR = timedelta(hours=1)
Figures = dict[str, float]


def main() -> None:
    """Measures, tells, and writes it down."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=8_000)
    options.add_argument("--share", type=float, default=1.0, help="of the customers of each crowd")
    options.add_argument("--json", type=Path)
    wanted = options.parse_args()
    found = {"the sample company's events": flow(sample_mix(wanted.events))}
    for items, customers in CROWDS.items():
        found[f"customers with {items:,} items"] = Crowd(items, max(20, int(customers * wanted.share))).figures()
    for title, figures in found.items():
        print(title)
        for name, value in figures.items():
            print(f"  {name:42} {value:12,.1f}")
    if wanted.json:
        wanted.json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


def core_of(reference: Iterable[bytes] = ()) -> Core:
    """The shipped rulebook, as a worker has it."""
    known = Reference()
    for raw in reference:
        event = decode(raw)
        if isinstance(event, ReferenceEvent):
            known.learn(event)
    return build_core(read_settings({}), read_rules(SHIPPED), known)


def flow(mix: Mix) -> Figures:
    """What comes of events, whoever they are of: bytes of events, warnings and snapshots."""
    core = core_of(raw for _, raw in mix.reference)
    partition = Partition(0, 1, core, event_clock=True, opened=OpenCustomers(10_000_000))
    events = [Outgoing(customer.encode(), raw) for customer, raw in mix.events]
    count, done = len(events), applied(partition, events, mix.name)
    return {
        "events": count,
        "bytes an event on the topic": weight(events) / count,
        "bytes an event on the topic, lz4": squeezed(events) / count,
        "warnings per 1,000 events": 1_000 * len(done.warnings) / count,
        "bytes a warning": weight(done.warnings) / max(1, len(done.warnings)),
        "snapshot bytes an event": weight(done.snapshots) / count,
        "snapshot bytes an event, lz4": squeezed(done.snapshots) / count,
    }


@dataclass
class Done:
    """What came of a run of events, and the CPU seconds that it took."""

    seconds: float = 0.0
    writes: list[Outgoing] = field(default_factory=list)
    warnings: list[Outgoing] = field(default_factory=list)
    snapshots: list[Outgoing] = field(default_factory=list)


def applied(partition: Partition, events: Sequence[Outgoing], what: str, first: int = 0) -> Done:
    """All events from offset `first` on, in the partition's own batches."""
    done = Done()
    records = [Rec(number, one.key, one.value) for number, one in enumerate(events, first)]
    for start in bar(range(0, len(records), FETCHED), f"applying {what}"):
        rest = records[start : start + FETCHED]
        while rest:
            begun = time.process_time()
            result = partition.apply_batch(rest, 0)
            done.seconds += time.process_time() - begun
            done.writes += result.writes
            done.warnings += result.warnings
            done.snapshots += result.snapshots
            rest = rest[result.consumed :]
    return done


class Crowd:
    """Customers of so many items each, at rest: each has an event, and soon another one."""

    def __init__(self, items: int, customers: int) -> None:
        self._core = core_of()
        self._names = [customer_id(number) for number in range(customers)]
        models = list(bar(prototypes(self._core, items), f"judging customers with {items:,} items"))
        self._written = [
            Outgoing(key, value)
            for number, name in enumerate(self._names)
            for key, value in renamed(models[number % len(models)], name)
        ]

    def figures(self) -> Figures:
        """Per customer and per event."""
        count = len(self._names)
        partition = self._partition()
        restoring = self._restore(partition)
        cold = applied(partition, self._events(1), "a first event of each")
        warm = applied(partition, self._events(2), "a second event of each", first=count)
        # The greatest of these is that reports are told of everybody.
        told = applied(partition, [advance_record(BEGIN + AN_HOUR)], "an hour", first=2 * count)
        return {
            "customers": count,
            "records a customer": len(self._written) / count,
            "changelog bytes a customer": weight(self._written) / count,
            "changelog bytes a customer, lz4": squeezed(self._written) / count,
            "bytes of memory of a customer that is open": self._open_bytes(),
            "customers restored in a CPU second": count / restoring,
            "CPU, µs an event, the customer at rest": 1e6 * cold.seconds / count,
            "CPU, µs an event, the customer open": 1e6 * warm.seconds / count,
            "CPU, µs to tell reports of a customer once": 1e6 * told.seconds / count,
            "snapshot bytes of a customer told once": weight(told.snapshots) / count,
            "changelog records an event": len(warm.writes) / count,
            "changelog bytes an event": weight(warm.writes) / count,
            "changelog bytes an event, lz4": squeezed(warm.writes) / count,
        }

    def _open_bytes(self) -> float:
        """Memory of an open customer, as Python counts it."""
        partition, count = self._partition(), len(self._names)
        self._restore(partition)
        gc.collect()
        tracemalloc.start()
        try:
            applied(partition, self._events(1), "a first event of each, memory traced")
            gc.collect()
            opened, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return opened / count

    def _partition(self) -> Partition:
        return Partition(0, 1, self._core, event_clock=True, opened=OpenCustomers(100_000_000))

    def _restore(self, partition: Partition) -> float:
        records = [Rec(number, one.key, one.value) for number, one in enumerate(self._written)]
        begun = time.process_time()
        for start in range(0, len(records), FETCHED):
            partition.restore(records[start : start + FETCHED])
        partition.recovered()
        return time.process_time() - begun

    def _events(self, turn: int) -> list[Outgoing]:
        # Within minutes: nobody is due in between.
        begin = BEGIN + timedelta(minutes=turn)
        made = lone_events(self._names, begin, timedelta(milliseconds=1), f"turn-{turn}")
        return [Outgoing(name.encode(), raw) for name, raw in made]


Records = dict[str, bytes]
"""Of a customer, by segment, the head last."""


def renamed(records: Records, name: str) -> Iterator[tuple[bytes, bytes]]:
    """The customer under another id."""
    for segment, raw in records.items():
        if segment == HEAD:
            head = read_head(raw)
            head.customer_id = name
            raw = write_head(head)  # noqa: PLW2901 the same record
        yield table_key(name, segment), raw


def prototypes(core: Core, items: int) -> Iterator[Records]:
    """Customers with their last so many events, judged up to the bench's day."""
    if items <= SAMPLE_ITEMS:
        sample = make_sample(SEED, TODAY, ZONE, PROTOTYPES)
        mine: list[dict[str, Any]] = [one for one in sample.events if "subject" in one]
    else:
        # Nobody of the sample has so many: weeks in good order of several customers, as if they were one.
        mine = [{**orjson.loads(raw), "subject": "C"} for _, raw in week_mix(2 * items).events]
    for _, history in groupby(sorted(mine, key=itemgetter("subject")), key=itemgetter("subject")):
        last = sorted(history, key=itemgetter("time"))[-items:]
        if len(last) == items:
            state, segments = model(core, last, BEGIN)
            again = {name: raw for name, raw in core.close(state).records if raw is not None}
            yield {**dict(segments), **again}


def weight(records: Sequence[Outgoing]) -> int:
    """Keys and values."""
    return sum(len(record.key or b"") + len(record.value or b"") for record in records)


def squeezed(records: Sequence[Outgoing]) -> int:
    """In record batches as the producer fills them."""
    total, batch, size = 0, list[bytes](), 0
    for record in records:
        piece = (record.key or b"") + (record.value or b"")
        batch.append(piece)
        size += len(piece)
        if size > MAX_BATCH_BYTES:
            total, batch, size = total + len(lz4.frame.compress(b"".join(batch))), [], 0
    return total + len(lz4.frame.compress(b"".join(batch)))


def bar(things: Any, what: str) -> Iterable[Any]:
    """Shows how far it is."""
    return track(things, what, console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    main()
