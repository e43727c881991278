"""The rights that docs/kafka.md lists are enough for an event to become a page; a source can do no more than write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import confluent_kafka
import httpx
import orjson
import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from schemas.cases import decode_cases_record
from schemas.topics import Topics
from tests.support.commands import ROOT, Commands, call_bellwether
from tests.support.fixtures import TEST_PARTITIONS, start_broker
from tests.support.guarded_kafka import Grant, GuardedKafka
from tests.support.system import Installation
from tests.support.waiting import wait_until

CUSTOMER = "JN-0042"
PEOPLE = """
people:
  - {id: li.na, name: 李娜, department: sales, language: zh, email: li.na@example.com}
customers:
  - {id: JN-0042, name: 江南精密机械有限公司, owner: li.na, region: 华东}
fallback: li.na
"""
TOPICS = Topics("guarded")
OPERATIONS = {
    "R": AclOperation.READ,
    "W": AclOperation.WRITE,
    "D": AclOperation.DESCRIBE,
    "C": AclOperation.CREATE,
    "A": AclOperation.ALTER,
}
COLUMNS = ("ingest", "rules", "notifier", "creator", "operator", "reader", "officer")
"""Who is meant by the columns of the table in docs/kafka.md, in their order."""


def granted(row: str) -> Iterator[tuple[str, Grant]]:
    """What a row of the table gives to whom."""
    what, *cells = (cell.strip() for cell in row.split("|")[1:-1])
    topic = TOPICS.changelog if what == "changelog" else TOPICS.prefix + what.strip("`")
    for user, cell in zip(COLUMNS, cells, strict=True):
        letters = cell.partition("`")[0]
        # A service may have several groups.
        groups = [(ResourceType.GROUP, name.replace("<prefix>", TOPICS.prefix)) for name in cell.split("`")[1::2]]
        for kind, name in groups if what == "group" else [(ResourceType.TOPIC, topic)]:
            yield from ((user, (kind, name, OPERATIONS[letter])) for letter in letters.split())


def listed_rights() -> dict[str, list[Grant]]:
    """The table of docs/kafka.md, and what it says of a source."""
    text = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8").partition("Of the services:")[2]
    lines = [line for line in text.split("\n\n")[1].splitlines() if line.startswith("|")]
    head, _, *rows = lines
    assert head.count("|") == len(COLUMNS) + 2
    rights: dict[str, list[Grant]] = {user: [] for user in COLUMNS}
    for row in rows:
        for user, grant in granted(row):
            rights[user].append(grant)
    wanted = (AclOperation.WRITE, AclOperation.DESCRIBE)
    return rights | {"erp": [(ResourceType.TOPIC, TOPICS.events, operation) for operation in wanted]}


RIGHTS = listed_rights()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    made = GuardedKafka(tmp_path_factory.mktemp("guarded"))
    start_broker(made.broker)
    try:
        made.grant("creator", RIGHTS["creator"])
        env = {"BELLWETHER_TOPIC_PREFIX": TOPICS.prefix, "BELLWETHER_PARTITIONS": str(TEST_PARTITIONS)}

        def created() -> bool:
            return call_bellwether("topics", "create", env=env | made.env("creator")).returncode == 0

        wait_until(created, "the topics, by who may make them", 60)
        yield made
    finally:
        made.broker.stop()


def invoice(month: str) -> dict[str, Any]:
    data = {"invoice_id": month, "amount": "900.00", "currency": "CNY"}
    return {
        "specversion": "1.0",
        "id": month,
        "source": "finance",
        "type": "bellwether.invoice.issued",
        "time": f"{month}-05T09:00:00+08:00",
        "subject": CUSTOMER,
        "data": {**data, "issue_date": f"{month}-05", "due_date": f"{month}-20"},
    }


def send(guarded: GuardedKafka, topic: str, value: bytes) -> str:
    """As the source erp; the name of the error, or nothing."""
    found: list[str] = []
    config = {"partitioner": "murmur2_random", "enable.idempotence": True, "message.timeout.ms": 20_000}
    producer = confluent_kafka.Producer(guarded.client("erp") | config)

    def delivered(error: confluent_kafka.KafkaError | None, _message: confluent_kafka.Message) -> None:
        found.append(error.name() if error is not None else "")

    producer.produce(topic, value, CUSTOMER, on_delivery=delivered)
    producer.flush(30)
    return found[0]


def read(guarded: GuardedKafka, topic: str) -> str:
    """The name of the error that the source erp meets when it reads."""
    consumer = confluent_kafka.Consumer(guarded.client("erp") | {"group.id": "spy", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        # librdkafka looks for the group's coordinator beside reading: whichever is refused first is told first.
        for _ in range(20):
            message = consumer.poll(1)
            error = None if message is None else message.error()
            if message is not None and (error is None or error.name() != "GROUP_AUTHORIZATION_FAILED"):
                return "nothing" if error is None else error.name()
        return "nothing"
    finally:
        consumer.close()


def test_a_source_may_write_events_and_do_nothing_else(guarded: GuardedKafka) -> None:
    """It runs first: the others' rights are of no use to it either way."""
    guarded.grant("erp", RIGHTS["erp"])
    wait_until(lambda: send(guarded, TOPICS.events, orjson.dumps(invoice("2026-01"))) == "", "the right to arrive", 30)
    for topic in (TOPICS.warnings, TOPICS.rulebook, TOPICS.customers, TOPICS.changelog):
        assert send(guarded, topic, b"{}") == "TOPIC_AUTHORIZATION_FAILED"
    assert read(guarded, TOPICS.events) == "TOPIC_AUTHORIZATION_FAILED"


def test_with_the_listed_rights_alone_an_event_becomes_a_page(
    guarded: GuardedKafka, commands: Commands, tmp_path: Path
) -> None:
    for user, grants in RIGHTS.items():
        guarded.grant(user, grants)
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    own = {
        "BELLWETHER_CLOCK": "event",
        "BELLWETHER_DIRECTORY": str(tmp_path / "people.yaml"),
        "BELLWETHER_SETTLE_S": "0",
    }
    system = Installation(commands, guarded.broker.bootstrap, TOPICS, tmp_path, own)
    for service in ("ingest", "rules", "notifier"):
        system.env |= guarded.env(service)
        system.begin(service)
    system.wait_until_ready("ingest", "rules", "notifier")

    for month in ("2026-01", "2026-02"):
        answer = httpx.post(f"{system.url('ingest')}/v1/events", json=invoice(month), timeout=30)
        assert answer.status_code == 202, answer.text
    assert httpx.post(f"{system.url('ingest')}/v1/events", json={"id": "x"}, timeout=30).status_code == 422
    assert send(guarded, TOPICS.events, b"no JSON") == ""
    wait_until(lambda: len(system.values(TOPICS.dead_letters)) == 2, "both dead letters", 60)
    done = call_bellwether("advance", "2026-03-15T12:00:00+08:00", env=system.env | guarded.env("operator"))
    assert done.returncode == 0, done.stdout + done.stderr

    wait_until(partial(_was_paged, system), "a page", 90)
    wait_until(partial(_are_filed, system), "ingest to file both dead letters", 60)
    assert _told(system, guarded, "reader", "feeds").returncode == 0
    done = _told(system, guarded, "officer", "forget", CUSTOMER, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [child.exit_code() for child in system.children.values()] == [None] * len(system.children)


def _told(system: Installation, guarded: GuardedKafka, user: str, *command: str) -> CompletedProcess[str]:
    return call_bellwether(*command, env=system.env | guarded.env(user))


def _are_filed(system: Installation) -> bool:
    listed = call_bellwether("dead-letters", "list", "--json", env=system.env).stdout
    return len(orjson.loads(listed or "[]")) == 2


def _was_paged(system: Installation) -> bool:
    return "case.paged" in {decode_cases_record(raw).type for raw in system.values(TOPICS.cases)}
