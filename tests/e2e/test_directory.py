"""The directory in a running notifier: what events, the API, imports and gaps come to, on a real Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kafka import KafkaProducer

from schemas.topics import Topics
from tests.e2e.test_notifier import House
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.notifier.making import HOUR, NOON, make_warning


@pytest.fixture
def house(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Iterator[House]:
    made = House(tmp_path, kafka, topics, commands)
    yield made
    made.database.close()


def publish(house: House, document: dict[str, object]) -> None:
    producer = KafkaProducer(bootstrap_servers=house.kafka.bootstrap, acks="all")
    try:
        subject = str(document["subject"]).encode()
        producer.send(house.topics.events, key=subject, value=json.dumps(document).encode()).get(timeout=30)
    finally:
        producer.close()


def owner_changed(id: str, customer: str, new: str, at: str) -> dict[str, object]:
    envelope = {"specversion": "1.0", "id": id, "source": "crm", "type": "bellwether.customer.owner_changed"}
    return {**envelope, "time": at, "subject": customer, "data": {"new": new}}


def test_a_running_notifier_follows_events_the_api_and_imports(house: House, tmp_path: Path) -> None:
    house.start()
    key = call_bellwether("notifier", "keys", "add", "--scope", "directory", env=house.env).stdout.strip()
    headers = {"Authorization": f"Bearer {key}"}
    api = f"http://127.0.0.1:{house.port}/api/directory"

    def owner(customer: str) -> object:
        answer = httpx.get(f"{api}/customers/{customer}", headers=headers, timeout=10)
        return answer.json().get("owner") if answer.status_code == 200 else None

    assert httpx.get(f"{api}/customers/C1", timeout=10).status_code == 401
    assert owner("C1") == "wang"
    # Newest first: the older one, which comes later, changes nothing.
    house.set_clock(NOON + 5 * HOUR)
    publish(house, owner_changed("2", "C1", "chen", (NOON + 3 * HOUR).isoformat()))
    publish(house, owner_changed("1", "C1", "zhao", (NOON + 2 * HOUR).isoformat()))
    publish(house, owner_changed("3", "C2", "zhao", (NOON + 2 * HOUR).isoformat()))
    wait_until(lambda: owner("C2") == "zhao", "the last of the events")
    assert owner("C1") == "chen"
    answer = httpx.put(f"{api}/customers/C2/owner", json={"owner": "li"}, headers=headers, timeout=10)
    assert answer.status_code == 200
    assert owner("C2") == "li"
    sheet = tmp_path / "more.csv"
    sheet.write_text("id,name,owner\nC7,New,sun\n")
    assert call_bellwether("directory", "import", str(sheet), env=house.env).returncode == 0
    wait_until(lambda: owner("C7") == "sun", "what another process imported", 10)
    house.send(make_warning("w", customer_id="C1", start=NOON + 5 * HOUR, detected_at=NOON + 5 * HOUR))
    wait_until(lambda: "chen" in {person for person, _ in house.delivered()}, "the new owner's page")


# Nightly: tests/contract/notifier/test_gaps_telling.py shows it on both databases.
@pytest.mark.nightly
def test_gaps_are_paged_to_the_fallback_once_over_restarts(house: House, tmp_path: Path) -> None:
    sheet = tmp_path / "more.csv"
    sheet.write_text("id,name,owner\nC8,New,gone\n")
    notifier = house.start()
    assert call_bellwether("directory", "import", str(sheet), env=house.env).returncode == 0
    wait_until(lambda: [person for person, _ in house.delivered()] == ["sun"], "the page about the gap")
    notifier.stop(15)
    second = house.start()
    house.send(make_warning("w"))
    wait_until(lambda: len(house.delivered()) == 3, "the pages of the warning")
    assert [person for person, _ in house.delivered()].count("sun") == 1
    second.stop(15)
