"""Rules workers with the stand-in core as real processes on a real broker, and what they have written there."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.ports import LOOPBACK, free_port
from deploy.process import Child, start_child
from schemas.topics import Topics
from services.rules.port import OWN_KEYS
from tests.support.commands import ROOT, bellwether_env
from tests.support.waiting import wait_until

Sent = tuple[str | None, bytes, int | None]
"""Key, value, and the partition if it is not the key's."""


class Worker:
    """One process. `start` may be called again after it has ended."""

    def __init__(self, module: Sequence[str], env: Mapping[str, str], directory: Path, name: str) -> None:
        self._module = module
        self.port = free_port()
        self.name = name
        self._env = bellwether_env({**env, "BELLWETHER_RULES_PORT": str(self.port)})
        self._log = directory / f"{name}.log"
        self.child: Child | None = None

    def start(self) -> Worker:
        argv = [sys.executable, "-m", *self._module]
        self.child = start_child(self.name, argv, log_file=self._log, env=self._env, cwd=ROOT)
        return self

    def process(self) -> Child:
        assert self.child is not None
        return self.child

    def page(self, path: str) -> tuple[int, str]:
        """Status and body of an ops page; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """A sample, with its labels if it has any; 0 while it is not there."""
        _, text = self.page("/metrics")
        values = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(values[0]) if values else 0.0

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.page("/readyz")[0] == 200, f"{self.name} to be ready", 60)

    def log_text(self) -> str:
        return self._log.read_text()


@dataclass
class Installation:
    """Topics on a broker, and workers on them."""

    bootstrap: str
    topics: Topics
    partitions: int
    directory: Path
    clock: str = "event"
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    def env(self) -> dict[str, str]:
        return {
            "BELLWETHER_KAFKA": self.bootstrap,
            "BELLWETHER_TOPIC_PREFIX": self.topics.prefix,
            "BELLWETHER_PARTITIONS": str(self.partitions),
            "BELLWETHER_CLOCK": self.clock,
            "BELLWETHER_DATA_DIR": str(self.directory / "data"),
            **self.settings,
        }

    def worker(self, *module: str) -> Worker:
        """A started worker: of the stand-in, or of the module with its arguments."""
        made = Worker(
            module or ("tests.support.standin_core",), self.env(), self.directory, f"worker-{len(self.workers)}"
        )
        self.workers.append(made)
        return made.start()

    def publish(self, records: Iterable[Sent], topic: str | None = None) -> None:
        """In this order, acknowledged; on the events topic if no other is named."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=20, batch_size=200_000)
        try:
            for key, value, partition in records:
                producer.send(topic or self.topics.events, key=key and key.encode(), value=value, partition=partition)
            producer.flush(timeout=60)
        finally:
            producer.close()

    def wait_until_done(self, deadline_s: float = 60) -> None:
        """Until the group has committed everything that is on the events topic."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=f"{self.topics.prefix}-rules")
        numbers = [TopicPartition(self.topics.events, number) for number in range(self.partitions)]

        def behind() -> int:
            ends = consumer.end_offsets(numbers)
            return sum(end - (consumer.committed(tp) or 0) for tp, end in ends.items())

        try:
            wait_until(lambda: behind() == 0, "all events to be committed", deadline_s)
        finally:
            consumer.close()

    def read(self, topic: str, partitions: int | None = None) -> list[Any]:
        """Every record of a topic up to its present end, partition by partition."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        try:
            wanted = [TopicPartition(topic, number) for number in range(partitions or self.partitions)]
            ends = consumer.end_offsets(wanted)
            consumer.assign(wanted)
            consumer.seek_to_beginning()
            records: list[Any] = []
            while any(consumer.position(tp) < ends[tp] for tp in wanted):
                for found in consumer.poll(timeout_ms=500).values():
                    records += found
            return records
        finally:
            consumer.close()

    def states(self) -> dict[str, dict[str, Any]]:
        """The heads by customer, as a recovery would read them: the highest version wins."""
        heads: dict[str, dict[str, Any]] = {}
        for record in self.read(self.topics.changelog):
            if record.key.startswith(OWN_KEYS) or b"\x1f" in record.key:
                continue
            customer_id = record.key.decode()
            if record.value is None:
                heads.pop(customer_id, None)
                continue
            head = orjson.loads(record.value)
            if customer_id not in heads or heads[customer_id]["version"] <= head["version"]:
                heads[customer_id] = head
        return heads

    def counts(self) -> dict[str, tuple[int, str]]:
        return {customer_id: (head["count"], head["total"]) for customer_id, head in self.states().items()}

    def warnings(self) -> dict[tuple[str, int], bytes]:
        """Folded by (id, revision), which must never contradict each other."""
        folded: dict[tuple[str, int], bytes] = {}
        for record in self.read(self.topics.warnings):
            found = orjson.loads(record.value)
            name = (found["id"], found["revision"])
            assert folded.setdefault(name, record.value) == record.value, f"two contents of {name}"
        return folded

    def dead_letters(self) -> list[tuple[str, bytes]]:
        """(code, original bytes)"""
        letters = self.read(self.topics.dead_letters, 1)
        return [(dict(letter.headers)["code"].decode(), letter.value) for letter in letters]

    def stop(self) -> None:
        for worker in self.workers:
            worker.process().terminate()
        for worker in self.workers:
            code = worker.process().stop()
            print(f"--- {worker.name}: exit code {code}; its log ends:\n{worker.process().log_tail(30)}")
