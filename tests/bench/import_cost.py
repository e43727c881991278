"""What a row of a receivables CSV costs on its way to the broker.

    python -m tests.bench.import_cost --kafka HOST:PORT [--rows 20000] [--rounds 5] [--json]

Rounds take turns: the file to nowhere, straight to the broker (`--direct`), and kafka-python's producer with the very
same bytes, which were made before. CPU is that of this process, with all its threads; the broker has its own. With
BELLWETHER_BENCH_INGEST=http://… the way through a running ingest is measured too (its CPU is not in the figures).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from kafka import KafkaProducer

from schemas.topics import Topics, topic_specs
from services.common.collector import settle_collector
from services.common.kafka_admin import ensure_topics
from services.ingest.imports.chunks import Outgoing, RejectedRow, Sent
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.importing import FirstFew, Sink
from services.ingest.imports.running import Job, Way, no_book, sink_of, take_in
from services.ingest.records import event_record
from tests.unit.ingest.exports import HEADER

PARTITIONS = 8
CUSTOMERS = 500
INGEST = "BELLWETHER_BENCH_INGEST"
DIRECT, PRODUCER, THROUGH_INGEST = "--direct", "kafka-python, the same bytes", "through ingest"

Figure = tuple[float, float]
"""Rows a CPU-second, and rows a second."""


class Nowhere:
    """No row is refused here."""

    def add(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        raise AssertionError(rejected)

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        pass


def a_file(folder: Path, rows: int) -> Path:
    """Invoices that are paid but for one in five, and contested one in five: 2.0 events a row."""
    path = folder / "receivables.csv"
    with path.open("w") as file:
        file.write(HEADER + "\n")
        for number in range(rows):
            day, paid = 1 + number % 28, "" if number % 5 == 0 else f"3/{1 + number % 28}/2025"
            contested = "Yes" if number % 5 == 1 else "No"
            head = f"391,C{number * 7919 % CUSTOMERS:04d},1/1/2025,{number:010d},1/{day}/2025,2/{day}/2025"
            file.write(f"{head},{number % 9000 + 1}.{number % 100:02d},{contested},{paid},Paper,,\n")
    return path


def measured(rows: int, work: Callable[[], object]) -> Figure:
    cpu_s, wall_s = time.process_time(), time.monotonic()
    work()
    return rows / (time.process_time() - cpu_s), rows / (time.monotonic() - wall_s)


def ways(job: Job, kafka: str, topics: Topics) -> dict[str, Callable[[], object]]:
    """What is measured, by its name."""

    def through(sink: Sink) -> object:
        return take_in(job, sink, lambda _titles, _book: Nowhere(), no_book(), lambda _done, _so_far: None)

    def sent(way: Way) -> object:
        with sink_of(way, print) as sink:
            return through(sink)

    bodies = _Bodies()
    through(bodies)
    records = [event_record(one.event, one.body, topics) for one in bodies.all]

    def plain_producer() -> object:
        producer = KafkaProducer(
            bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=5, batch_size=256 * 1024
        )
        for record in records:
            producer.send(record.topic, key=record.key, value=record.value)
        return producer.close()

    found: dict[str, Callable[[], object]] = {
        "to nowhere": lambda: through(FirstFew()),
        DIRECT: lambda: sent(Way(None, kafka, topics)),
        PRODUCER: plain_producer,
    }
    if url := os.environ.get(INGEST):
        found[THROUGH_INGEST] = lambda: sent(Way(url, kafka, topics))
    return found


class _Bodies:
    """Keeps every event."""

    batch_events = 500

    def __init__(self) -> None:
        self.all: list[Outgoing] = []

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        self.all += batch
        return Sent(len(batch))


def main() -> None:
    """Measure, and print a table of medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kafka", required=True)
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true", help="print each round's figures, for a program")
    asked = options.parse_args()
    topics = Topics(f"bench-{uuid.uuid4().hex[:8]}")
    ensure_topics(asked.kafka, topic_specs(topics.prefix, PARTITIONS))
    with tempfile.TemporaryDirectory() as folder:
        file = a_file(Path(folder), asked.rows)
        mapping = find_mapping("accounts_receivable")
        job = Job(file, mapping, history=False, source=None, encoding=None, zone=ZoneInfo("Asia/Shanghai"))
        measures = ways(job, asked.kafka, topics)
        settle_collector()
        rounds = [{name: measured(asked.rows, work) for name, work in measures.items()} for _ in range(asked.rounds)]
    if asked.json:
        print(json.dumps({name: [one[name] for one in rounds] for name in measures}))
        return
    for name in measures:
        cpu, wall = (statistics.median(one[name][place] for one in rounds) for place in (0, 1))
        worst = min(one[name][0] for one in rounds)
        print(f"{name:30} {cpu:8.0f} rows a CPU-second (worst round {worst:.0f}), {wall:8.0f} rows a second")


if __name__ == "__main__":
    main()
