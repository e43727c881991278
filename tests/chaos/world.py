"""The Kafka of a run: one broker, one behind proxies, one on a small disk, or three."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from deploy.kafka import Broker, Place
from deploy.kafka.cluster import Cluster
from deploy.ports import LOOPBACK, free_port
from schemas.topics import Topics, TopicSpec
from services.common.kafka_admin import BrokerUnreachable, admin_client, ensure_topics
from services.rules.host import DEAD_LETTER_PARTITION
from tests.chaos.load import Sent
from tests.chaos.proxy import Proxy
from tests.support.small_disk import SmallDisk

PROXIES = 2
EAGER_CLEANER = {"log.cleaner.backoff.ms": "300", "log.initial.task.delay.ms": "1000"}
DISK_MEBIBYTES = 64
SEND_TIMEOUT_MS = 15_000
PORTION_DEADLINE_S = 180.0


class World:
    """What workers and the test connect to. `proxies` stand between the workers and the one broker, if any do."""

    def __init__(self, folder: Path, kind: str, bootstrap: str = "") -> None:
        """`kind`: plain, proxied, cluster, small (with a disk that can be full), or given: then `bootstrap` tells a
        broker that others started."""
        self.proxies: list[Proxy] = []
        self.cluster: Cluster | None = None
        self.disk: SmallDisk | None = None
        self._disk_folder = folder / "disk" if kind == "small" else None
        self.brokers: list[Broker] = []
        self._given = bootstrap
        if kind == "given":
            return
        if kind == "cluster":
            self.cluster = Cluster(folder / "cluster")
            self.brokers = self.cluster.brokers
        else:
            self.brokers = [Broker(self._place(folder / "kafka", proxied=kind == "proxied"))]

    def _place(self, folder: Path, *, proxied: bool) -> Place:
        port, controller_port = free_port(), free_port()
        if not proxied:
            return Place(folder.absolute(), port, controller_port, EAGER_CLEANER)
        inner = [free_port() for _ in range(PROXIES)]
        self.proxies = [Proxy(target) for target in inner]
        listen = "".join(f",PROXY{n}://{LOOPBACK}:{target}" for n, target in enumerate(inner))
        tell = "".join(f",PROXY{n}://{LOOPBACK}:{proxy.port}" for n, proxy in enumerate(self.proxies))
        overrides = {
            **EAGER_CLEANER,
            "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}{listen}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}{tell}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
            + "".join(f",PROXY{n}:PLAINTEXT" for n in range(PROXIES)),
        }
        return Place(folder.absolute(), port, controller_port, overrides)

    @property
    def bootstrap(self) -> str:
        """For the test itself, past every proxy."""
        return self._given or ",".join(broker.bootstrap for broker in self.brokers)

    def bootstrap_of(self, worker: int) -> str:
        """For a worker by its number."""
        return f"{LOOPBACK}:{self.proxies[worker % PROXIES].port}" if self.proxies else self.bootstrap

    def start(self) -> None:
        """Everything. Raises BrokerFailed, JarsUnavailable, DiskUnavailable."""
        if self._disk_folder is not None:
            self.disk = SmallDisk(self._disk_folder, DISK_MEBIBYTES)
            place = self.brokers[0].place.data_dir
            place.mkdir(parents=True)
            (place / "logs").symlink_to(self.disk.path)
        if self.cluster is not None:
            self.cluster.start()
        for broker in self.brokers:
            if not broker.running:
                broker.start()
        for proxy in self.proxies:
            proxy.start()

    def stop(self) -> None:
        """Everything."""
        for proxy in self.proxies:
            proxy.stop()
        for broker in self.brokers:
            broker.stop()
        if self.disk is not None:
            self.disk.close()


class Topic:
    """The topics of one run, seen past every proxy."""

    def __init__(self, world: World, topics: Topics, partitions: int, specs: Sequence[TopicSpec]) -> None:
        self.world, self.topics, self.partitions = world, topics, partitions
        ensure_topics(world.bootstrap, specs)

    def configure(self, topic: str, **config: str) -> None:
        """Changes settings; names with underscores for dots."""
        values = {name.replace("_", "."): value for name, value in config.items()}
        with admin_client(self.world.bootstrap) as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=values)])

    def publish(self, records: Sequence[Sent], gone: threading.Event | None = None) -> None:
        """Onto the events topic, in this order, again and again until all are acknowledged: a broker may be away."""
        while gone is None or not gone.is_set():
            with suppress(KafkaError, AssertionError), self._producer() as producer:
                sent = [
                    producer.send(self.topics.events, key=one.key.encode(), value=one.value, partition=one.partition)
                    for one in records
                ]
                for future in sent:
                    future.get(timeout=SEND_TIMEOUT_MS / 1000)
                return

    def put(self, topic: str, records: Sequence[tuple[bytes | None, bytes | None, int]]) -> None:
        """Key, value and partition, on any topic, of a broker that is there."""
        with self._producer() as producer:
            for future in [producer.send(topic, key=k, value=v, partition=p) for k, v, p in records]:
                future.get(timeout=SEND_TIMEOUT_MS / 1000)

    @contextmanager
    def _producer(self) -> Iterator[KafkaProducer]:
        producer = KafkaProducer(
            bootstrap_servers=self.world.bootstrap,
            acks="all",
            linger_ms=5,
            request_timeout_ms=SEND_TIMEOUT_MS // 2,
            delivery_timeout_ms=SEND_TIMEOUT_MS,
            max_block_ms=SEND_TIMEOUT_MS,
        )
        try:
            yield producer
        finally:
            producer.close(timeout=5)

    def behind(self) -> dict[int, tuple[int, int]] | None:
        """Partitions with events that are not committed, as committed and end; None while nobody answers."""
        group, topic = f"{self.topics.prefix}-rules", self.topics.events
        try:
            with admin_client(self.world.bootstrap) as admin:
                committed = admin.list_group_offsets(group)[group]
            with self._consumer() as consumer:
                numbers = [TopicPartition(topic, number) for number in range(self.partitions)]
                ends = consumer.end_offsets(numbers)
        except (KafkaError, BrokerUnreachable, AssertionError):
            return None
        done = {tp.partition: offset.offset for tp, offset in committed.items() if tp.topic == topic}
        waiting = {tp.partition: (done.get(tp.partition, 0), end) for tp, end in ends.items()}
        return {number: two for number, two in waiting.items() if two[0] < two[1]}

    def read(self, topic: str, number: int) -> list[Any]:
        """All records of a partition up to its present end. Raises KafkaError."""
        with self._consumer() as consumer:
            tp = TopicPartition(topic, number)
            consumer.assign([tp])
            end = consumer.end_offsets([tp])[tp]
            consumer.seek_to_beginning(tp)
            found: list[Any] = []
            while consumer.position(tp) < end:
                for records in consumer.poll(timeout_ms=500).values():
                    found += records
            return found

    @contextmanager
    def _consumer(self) -> Iterator[KafkaConsumer]:
        consumer = KafkaConsumer(
            bootstrap_servers=self.world.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            yield consumer
        finally:
            consumer.close()

    def outcome(self) -> tuple[list[list[Any]], list[bytes], list[tuple[str, bytes]]]:
        """What `judge` wants: changelogs by partition, warnings, dead letters. Raises KafkaError."""
        changelogs = [self.read(self.topics.changelog, number) for number in range(self.partitions)]
        warnings = [r.value for n in range(self.partitions) for r in self.read(self.topics.warnings, n)]
        letters = self.read(self.topics.dead_letters, DEAD_LETTER_PARTITION)
        return changelogs, warnings, [(dict(one.headers)["code"].decode(), one.value) for one in letters]
