"""Row 3: from an event's acceptance over HTTP to its warning on the topic, at a steady rate."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.ports import LOOPBACK, free_port
from schemas.topics import Topics
from tests.bench.bellwether import Bellwether
from tests.bench.crowd import customer_ids, write_crowd
from tests.bench.figures import Row, Section, at_most, figure, percentile, table, told
from tests.bench.mixes import ZONE, chosen, envelope
from tests.bench.racing import START_DEADLINE_S, Course, Worker
from tests.bench.rules_cost import a_step
from tests.bench.sizes import ITEMS, PARTITIONS
from tests.bench.speed import now
from tests.bench.stage import Stage
from tests.support.commands import bellwether_argv

NAME = "latency"
P50_MS, P99_MS = 60.0, 300.0
RATE_PER_S = 1_000
BATCH = 10
"""Events in a request, as an ERP sends them."""
CONNECTIONS = 16
DEPARTURE_EVERY = 10
CUSTOMERS = 3_000
DRAIN_S = 30.0
ORDINARY = (15, 0, 15, 11, 15, 13)
"""Steps of a week that need none before them: calls, invoices, orders, service cases."""


@dataclass
class Watch:
    """When events were sent and accepted, and when their warnings were read; epoch seconds by event id."""

    sent: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    """By how much each request left after its time."""

    worker_us: float = 0.0
    ingest_us: float = 0.0
    """CPU an event."""
    ways_ms: dict[str, float] = field(default_factory=dict)
    """Where the worker's time goes, on average."""
    lost: int = 0
    """Warnings that had not come when we stopped waiting."""

    def give_up(self, at_s: float) -> None:
        """What has not come by now counts as if it came now: too little, but it spoils the percentiles."""
        missing = [name for name in self.accepted if name not in self.read]
        self.lost = len(missing)
        self.read.update((name, at_s) for name in missing)

    def latencies_ms(self, since: Mapping[str, float]) -> list[float]:
        """Of all events whose warnings have been read."""
        return [(at - since[name]) * 1_000 for name, at in self.read.items() if name in since]


class Ingest(Worker):
    """A real `bellwether ingest serve`."""

    name = "ingest"

    def __init__(self, stage: Stage, topics: Topics, label: str) -> None:
        super().__init__(stage, Course(topics.events, 0, 0), label)
        self.topics = topics
        self.port = free_port()

    def argv(self) -> list[str]:
        return bellwether_argv("ingest", "serve")

    def env(self) -> dict[str, str]:
        return {
            "BELLWETHER_KAFKA": self.stage.bootstrap,
            "BELLWETHER_TOPIC_PREFIX": self.topics.prefix,
            "BELLWETHER_INGEST_PORT": str(self.port),
            "BELLWETHER_DATA_DIR": str(self.folder / "data"),
        }


def measure(stage: Stage) -> Section:
    """A minute a round, after a short time to get going."""
    watches = [one_round(stage, number) for number in range(stage.rounds)]
    p50, p99 = ([percentile(watch.latencies_ms(watch.accepted), share) for watch in watches] for share in (0.5, 0.99))
    whole = [percentile(watch.latencies_ms(watch.sent), 0.99) for watch in watches]
    behind = max(percentile(watch.late_s, 0.99) for watch in watches) * 1_000
    lost = sum(watch.lost for watch in watches)
    note = f"{lost} warnings had not come {DRAIN_S:.0f} s after the end" if lost else ""
    rows: list[Row] = [
        at_most("latency, accepted → warning readable, p50", p50, P50_MS, "ms", note),
        at_most("latency, accepted → warning readable, p99", p99, P99_MS, "ms"),
        told("latency, request begun → warning readable, p99", whole, "ms"),
        told("requests sent after their time, p99", [behind], "ms"),
        told(
            "the worker's CPU an event",
            [watch.worker_us for watch in watches],
            "µs",
            f"{median([watch.worker_us for watch in watches]) * RATE_PER_S / 1e6:.0%} of a core at this rate",
        ),
        told("ingest's CPU an event", [watch.ingest_us for watch in watches], "µs"),
    ]
    data = {
        "p50_ms": p50,
        "p99_ms": p99,
        "from_request_p99_ms": whole,
        "warnings": [len(one.read) for one in watches],
        "lost": lost,
        "ways_ms": [watch.ways_ms for watch in watches],
    }
    text = (
        f"{RATE_PER_S:,} events a second through `bellwether ingest serve` in requests of {BATCH} over {CONNECTIONS} "
        f"connections, for {stage.sizes.latency_s} s, to a worker with the shipped rulebook and {CUSTOMERS:,} "
        f"customers with {ITEMS} items each, on the wall clock. Every tenth event is the departure of a key contact "
        "(R2), the others are calls, invoices, orders and service cases. From the answer 202 to the warning in the "
        "hands of a consumer. No snapshots are told meanwhile: the first would come after ten minutes. From the "
        "worker's metrics, warming up included:"
    )
    text += f"\n\n{ways_table([watch.ways_ms for watch in watches])}"
    return Section(NAME, "Latency", rows, text, data, stage.rounds, stage.quick, now())


def one_round(stage: Stage, number: int) -> Watch:
    """Ingest, a worker and a reader of warnings, with fresh topics."""
    topics = stage.make_topics(stage.named(f"bw-latency-{number}"))
    write_crowd(stage, topics, CUSTOMERS, datetime.now(ZONE))
    with ExitStack() as ends:
        ends.callback(stage.delete_topics, topics.prefix)
        worker = Bellwether(stage, Course(topics.events, 0, 0), stage.named(f"latency-{number}"), topics, "wall")
        ingest = Ingest(stage, topics, stage.named(f"ingest-{number}"))
        for one in (worker, ingest):
            ends.callback(one.stop)
            one.start()
        stage.meter.wait("the worker to be ready", worker.is_ready, START_DEADLINE_S, 0.1)
        stage.meter.wait("ingest to be ready", lambda: _is_up(ingest), START_DEADLINE_S, 0.1)
        before, metrics = (worker.cpu_s(), ingest.cpu_s()), worker.metrics()
        watch = asyncio.run(drive(stage, topics, ingest.port))
        events = RATE_PER_S * (stage.sizes.latency_warm_s + stage.sizes.latency_s)
        spent = worker.cpu_s() - before[0], ingest.cpu_s() - before[1]
        watch.worker_us, watch.ingest_us = (seconds * 1e6 / events for seconds in spent)
        watch.ways_ms = ways_ms(metrics, worker.metrics())
        return watch


RULES = "bellwether_rules_"
ANSWER, BATCH_TIME, DECIDE, CHANGELOG = (
    f"{RULES}{name}_seconds" for name in ("answer", "batch", "decide", "changelog")
)
STEPS = f"{RULES}batch_steps"


def ways_ms(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Means of what the worker tells: milliseconds but for the last one."""

    def mean(name: str) -> float:
        total, count = (after[f"{name}_{end}"] - before.get(f"{name}_{end}", 0.0) for end in ("sum", "count"))
        return total / count if count else 0.0

    batch, decide, changelog = (mean(name) * 1_000 for name in (BATCH_TIME, DECIDE, CHANGELOG))
    return {
        "from an event's coming to Kafka to its answer, of the oldest of each fetch": mean(ANSWER) * 1_000,
        "a batch": batch,
        "of it deciding": decide,
        "of it the acknowledgement of states": changelog,
        "of it the acknowledgements of warnings and dead letters": batch - decide - changelog,
        "steps of a batch (no time)": mean(STEPS),
    }


def ways_table(rounds: list[dict[str, float]]) -> str:
    """Medians over the rounds."""
    lines = [[name, figure(median([one[name] for one in rounds]))] for name in rounds[0]]
    return table(["on average", "ms"], lines)


def _is_up(ingest: Ingest) -> bool:
    ingest.process()
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{ingest.port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


# ---- on one event loop: so all instants are of one clock


async def drive(stage: Stage, topics: Topics, port: int) -> Watch:
    """Sends for the set time, reads until the last warning is there."""
    warm_s, seconds = stage.sizes.latency_warm_s, stage.sizes.latency_s
    names = chosen(customer_ids(CUSTOMERS), (warm_s + seconds) * RATE_PER_S, topics.prefix)
    warm, watch = Watch(), Watch()
    consumer = await warnings_consumer(stage, topics)
    reader = asyncio.create_task(read_warnings(consumer, warm, watch))
    clients = [await Client.open(port) for _ in range(CONNECTIONS)]
    try:
        stage.meter.begin("latency: warming up")
        await send_all(clients, names[: warm_s * RATE_PER_S], "warm", warm)
        stage.meter.begin("latency", seconds)
        await send_all(clients, names[warm_s * RATE_PER_S :], "event", watch, stage)
        deadline = time.monotonic() + DRAIN_S
        while len(watch.read) < len(watch.sent) and time.monotonic() < deadline:  # noqa: ASYNC110 a plain wait is enough
            await asyncio.sleep(0.05)
    finally:
        reader.cancel()
        for client in clients:
            client.close()
        await consumer.stop()
    watch.give_up(time.time())
    return watch


async def warnings_consumer(stage: Stage, topics: Topics) -> Any:
    """At the end of the warnings topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, enable_auto_commit=False)
    await consumer.start()
    numbers = [TopicPartition(topics.warnings, number) for number in range(PARTITIONS)]
    consumer.assign(numbers)
    await consumer.seek_to_end(*numbers)
    return consumer


async def read_warnings(consumer: Any, *watches: Watch) -> None:
    """Notes when the warning of a departure is in hand."""
    while True:
        found = await consumer.getmany(timeout_ms=1_000)
        at = time.time()
        for records in found.values():
            for record in records:
                warning = orjson.loads(record.value)
                if warning["rule"] != "R2":
                    continue
                name = warning["evidence"]["events"][0]["id"]
                for watch in watches:
                    if name in watch.sent:
                        watch.read.setdefault(name, at)


async def send_all(
    clients: list[Client], names: list[str], word: str, watch: Watch, stage: Stage | None = None
) -> None:
    """Every request at its time, whatever became of those before; a client that is busy makes its next one late."""
    begun, every_s = time.monotonic() + 0.1, BATCH / RATE_PER_S
    requests = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]

    async def one(mine: int) -> None:
        for number in range(mine, len(requests), len(clients)):
            wait_s = begun + number * every_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            watch.late_s.append(max(0.0, time.monotonic() - begun - number * every_s))
            await send_one(clients[mine], requests[number], f"{word}-{number}", watch)
            if stage is not None and mine == 0:
                stage.meter.reach(number * every_s)

    await asyncio.gather(*(one(mine) for mine in range(len(clients))))


async def send_one(client: Client, names: list[str], word: str, watch: Watch) -> None:
    """A request with an event of each customer, the first of them a departure."""
    at = datetime.now(ZONE)
    events = [_event(place, customer_id, f"{word}-{place}", at) for place, customer_id in enumerate(names)]
    departure = f"{word}-0"
    watch.sent[departure] = time.time()
    status = await client.post(b"[" + b",".join(events) + b"]")
    if status != 202:
        raise ValueError(f"ingest answered {status}")
    watch.accepted[departure] = time.time()


def _event(place: int, customer_id: str, name: str, at: datetime) -> bytes:
    if place % DEPARTURE_EVERY == 0:
        left = {"contact_id": f"K-{name}", "change": "left", "decision_role": "procurement"}
        return envelope("contact.changed", name, customer_id, at, left)
    kind, data = a_step(ORDINARY[place % len(ORDINARY)], 0, at)
    data = {
        key: f"{name}-{value}" if key in ("invoice_id", "order_id", "case_id") else value for key, value in data.items()
    }
    return envelope(kind, name, customer_id, at, data)


class Client:
    """One kept connection to ingest. As little HTTP as it takes: the sender shares the machine with the measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Client:
        """Connect."""
        return cls(*await asyncio.open_connection(LOOPBACK, port))

    async def post(self, body: bytes) -> int:
        """The status of the answer to a batch of events."""
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Type: application/cloudevents-batch+json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.partition("content-length:")[2].partition("\r\n")[0])
        await self._reader.readexactly(length)
        return int(answer.split()[1])

    def close(self) -> None:
        """End the connection."""
        self._writer.close()
