"""The three services as real processes on one broker, as an installation has them."""

from __future__ import annotations

import functools
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from deploy.ports import free_port
from deploy.process import Child
from schemas.topics import Topics
from schemas.warnings import Warning, decode_warning
from services.common.kafka_admin import admin_client
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import TEST_PARTITIONS
from tests.support.waiting import wait_until

READY_S = 60.0


class Installation:
    """Settings of one installation, its running services, and what can be read of it from outside."""

    def __init__(
        self, commands: Commands, bootstrap: str, topics: Topics, folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.topics = topics
        self.bootstrap = bootstrap
        self.folder = folder
        self.ports = {name: free_port() for name in ("ingest", "rules", "notifier")}
        self.children: dict[str, Child] = {}
        self._commands = commands
        self.env = {
            "BELLWETHER_KAFKA": bootstrap,
            "BELLWETHER_TOPIC_PREFIX": topics.prefix,
            "BELLWETHER_PARTITIONS": str(TEST_PARTITIONS),
            "BELLWETHER_DATA_DIR": str(folder / "data"),
            **{f"BELLWETHER_{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            **(env or {}),
        }

    def start(self, *services: str) -> None:
        """Starts services (ingest, rules, notifier) and waits until each says that it is ready."""
        self.begin(*services)
        self.wait_until_ready(*services)

    def begin(self, *services: str) -> None:
        """Starts them and returns at once."""
        for name in services:
            verb = "run" if name == "rules" else "serve"
            self.children[name] = self._commands.start(name, verb, env=self.env)

    def wait_until_ready(self, *services: str) -> None:
        """Until each of these, which were started, says that it is."""
        for name in services:
            wait_until(functools.partial(self._ready, name), f"{name} to be ready", READY_S)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def send(self, file: Path, *options: str) -> None:
        """`bellwether import` of a file through ingest; every row must be accepted."""
        done = call_bellwether("import", str(file), "--url", self.url("ingest"), *options, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr

    def advance(self, instant: str) -> None:
        """Moves the event clock of every partition."""
        done = call_bellwether("advance", instant, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr

    def wait_for_rules(self, deadline_s: float = 180.0) -> None:
        """Until the rules service has committed everything on the events topic."""
        wait_until(lambda: not self._behind(), "the rules service to catch up", deadline_s)

    def warnings(self) -> list[Warning]:
        """Everything on the warnings topic, in the order of each customer."""
        return [decode_warning(raw) for raw in self.values(self.topics.warnings)]

    def values(self, topic: str) -> list[bytes]:
        """All values on a topic."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        try:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            consumer.seek_to_beginning(*partitions)
            found: list[bytes] = []
            while any(consumer.position(one) < ends[one] for one in partitions):
                for records in consumer.poll(timeout_ms=500).values():
                    found += [record.value for record in records if record.value is not None]
            return found
        finally:
            consumer.close()

    def get_json(self, service: str, path: str) -> dict[str, object]:
        """A JSON page of a service."""
        with urllib.request.urlopen(f"{self.url(service)}{path}", timeout=5) as answer:
            document: dict[str, object] = json.load(answer)
            return document

    def _ready(self, name: str) -> bool:
        child = self.children[name]
        assert child.exit_code() is None, f"{name} ended: {child.log_tail(40)}"
        try:
            with urllib.request.urlopen(f"{self.url(name)}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _behind(self) -> dict[int, tuple[int, int]]:
        """Partitions of the events topic with something that is not committed: committed and end."""
        topic = self.topics.events
        with admin_client(self.bootstrap) as admin:
            group = f"{self.topics.prefix}-rules"
            committed = admin.list_group_offsets(group)[group]
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap)
        try:
            ends = consumer.end_offsets([TopicPartition(topic, number) for number in range(TEST_PARTITIONS)])
        finally:
            consumer.close()
        done = {one.partition: offset.offset for one, offset in committed.items() if one.topic == topic}
        return {
            one.partition: (done.get(one.partition, 0), end)
            for one, end in ends.items()
            if done.get(one.partition, 0) < end
        }


def standing(warnings: list[Warning]) -> dict[str, Warning]:
    """The newest revision of every warning that was not withdrawn, by id.

    Fails where two different revisions bear the same (id, revision): that would be a contradiction.
    """
    newest: dict[str, Warning] = {}
    said: dict[tuple[str, int], Warning] = {}
    for warning in warnings:
        known = said.setdefault((warning.id, warning.revision), warning)
        assert known == warning, f"two contradicting warnings: {known} and {warning}"
        if warning.id not in newest or newest[warning.id].revision < warning.revision:
            newest[warning.id] = warning
    return {name: warning for name, warning in newest.items() if warning.change != "withdrawn"}


def episodes(warnings: list[Warning]) -> set[tuple[str, str, str, str, str | None]]:
    """What stands, as (rule, customer, subject, start, end)."""
    return {
        (
            one.rule,
            one.customer_id,
            one.subject,
            one.start.isoformat(),
            None if one.end is None else one.end.isoformat(),
        )
        for one in standing(warnings).values()
    }
