"""A refused event is found, mended and replayed, and warns as if it had come right the first time."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer

from schemas.topics import Topics
from services.common.clock import set_manual_clock
from tests.contract.ingest.topics_reader import headers_of, read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.system import Installation, standing
from tests.support.waiting import wait_until

NOW = datetime.fromisoformat("2026-03-02T09:00:00+08:00")
MET = {"promise_id": "P1", "at": NOW.isoformat()}


class Desk:
    """An installation, and somebody who works with its dead letters."""

    def __init__(self, system: Installation, clock: Path) -> None:
        self.system = system
        self.clock = clock

    def send(self, name: str, kind: str, **data: Any) -> httpx.Response:
        """By HTTP."""
        return httpx.post(f"{self.system.url('ingest')}/v1/events", json=event(name, kind, **data), timeout=30)

    def send_to_kafka(self, document: dict[str, Any]) -> None:
        """By nobody who would judge it."""
        producer = KafkaProducer(bootstrap_servers=self.system.bootstrap, acks="all")
        try:
            value = json.dumps(document).encode()
            producer.send(self.system.topics.events, key=document["subject"].encode(), value=value).get(timeout=30)
        finally:
            producer.close()

    def says(self, *arguments: str, fails: bool = False) -> str:
        """What a command prints."""
        done = call_bellwether(*arguments, env=self.system.env)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def letters(self, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.says("dead-letters", "list", "--json", *options))
        return found

    def letter(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.says("dead-letters", "show", name, "--json"))
        return found

    def wait_for_letters(self, number: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.letters("--state", "all")) >= number, f"{number} letters", 60)
        found = self.letters("--state", "all")
        assert len(found) == number
        return found

    def on_topic(self) -> list[Any]:
        return read_topic(self.system.bootstrap, self.system.topics.events)

    def metrics(self) -> str:
        return httpx.get(f"{self.system.url('ingest')}/metrics", timeout=10).text


def event(name: str, kind: str, **data: Any) -> dict[str, Any]:
    about = {"specversion": "1.0", "id": name, "source": "crm", "type": f"bellwether.{kind}", "subject": "C-1"}
    return {**about, "time": NOW.isoformat(), "data": data}


@pytest.fixture
def desk(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Desk:
    clock = tmp_path / "clock"
    set_manual_clock(clock, NOW)
    system = Installation(commands, kafka.bootstrap, topics, tmp_path, {"BELLWETHER_CLOCK": f"manual:{clock}"})
    system.start("ingest", "rules")
    return Desk(system, clock)


def test_a_refused_event_is_listed_edited_replayed_and_warns(desk: Desk) -> None:
    details = {"name": "张伟", "phone": "13800001111"}
    refused = {"contact_id": "K7", "change": "gone", "decision_role": "procurement", "details": details}
    assert desk.send("E-1", "contact.changed", **refused).status_code == 422
    [listed] = desk.wait_for_letters(1)
    assert (listed["source"], listed["code"], listed["event_id"], listed["customer_id"]) == (
        "crm",
        "invalid",
        "E-1",
        "C-1",
    )
    name = listed["id"]

    shown = desk.says("dead-letters", "show", name)
    assert "data.change" in shown
    assert "K7" in shown
    assert "张伟" not in shown
    assert "13800001111" not in shown
    assert "13800001111" in desk.says("dead-letters", "show", name, "--unmasked")

    assert "refused again: invalid: data.change" in desk.says("dead-letters", "replay", name, fails=True)
    assert "no contact" not in desk.says("dead-letters", "edit", name, "--set", "data.change=left")
    assert f"{name} was replayed" in desk.says("dead-letters", "replay", name)
    assert "does not wait any longer: it is replayed" in desk.says("dead-letters", "replay", name, fails=True)
    [record] = desk.on_topic()
    assert (record.key, headers_of(record)["replay_of"]) == (b"C-1", name)

    desk.system.wait_for_rules()
    [warning] = standing(desk.system.warnings()).values()
    assert (warning.rule, warning.customer_id) == ("R2", "C-1")
    decided = [one["what"] for one in desk.letter(name)["decisions"]]
    assert decided == ["seen", "asked", "refused", "edited", "asked", "replayed"]


def test_what_the_rules_service_refuses_can_be_replayed_and_comes_back_with_its_reason(desk: Desk) -> None:
    assert desk.send("E-1", "promise.met", **MET).status_code == 202
    desk.send_to_kafka(event("E-1", "promise.met", **{**MET, "promise_id": "P2"}))
    [letter] = desk.wait_for_letters(1)
    assert (letter["code"], letter["origin"].startswith("rules/"), letter["source"]) == ("id_reused", True, "crm")
    name = letter["id"]

    desk.says("dead-letters", "replay", name, "--no-wait")
    wait_until(lambda: desk.letter(name)["decisions"][-1]["by"] == "the rules service", "it to come back", 60)
    assert desk.letter(name)["state"] == "waiting"
    assert len(desk.letters("--state", "all")) == 1, "it is the same letter again"

    desk.says("dead-letters", "edit", name, "--set", "id=E-2")
    assert "was replayed" in desk.says("dead-letters", "replay", name)
    desk.system.wait_for_rules()
    assert desk.letter(name)["state"] == "replayed"
    assert [json.loads(record.value)["id"] for record in desk.on_topic()] == ["E-1", "E-1", "E-1", "E-2"]


def test_many_are_counted_dropped_and_replayed_at_once(desk: Desk) -> None:
    for number in range(5):
        assert desk.send(f"M-{number}", "promise.met", **{**MET, "promise_id": None}).status_code == 422
    assert desk.send("U-1", "promise.mett", **MET).status_code == 422
    desk.wait_for_letters(6)
    counts = json.loads(desk.says("dead-letters", "list", "--counts", "--json"))
    assert [(one["source"], one["code"], one["letters"]) for one in counts] == [
        ("crm", "invalid", 5),
        ("crm", "unknown_type", 1),
    ]

    some = ("--source", "crm", "--code", "invalid")
    assert "5 letters wait" in desk.says("dead-letters", "replay", *some, "--dry-run")
    assert "5 letters wait, not 4: nothing was done" in desk.says(
        "dead-letters", "replay", *some, "--count", "4", fails=True
    )
    for letter in desk.letters(*some)[:3]:
        desk.says("dead-letters", "edit", letter["id"], "--set", "data.promise_id=P9")
    assert "5 to be replayed" in desk.says("dead-letters", "replay", *some, "--count", "5")
    assert [json.loads(record.value)["id"] for record in desk.on_topic()] == ["M-0", "M-1", "M-2"]
    assert "2 dropped" in desk.says("dead-letters", "drop", *some, "--count", "2", "--why", "a test")
    assert [one["code"] for one in desk.letters()] == ["unknown_type"]

    desk.says("feeds", "expect", "crm", "24h")
    waiting = 'bellwether_ingest_letters{code="unknown_type",source="crm",state="waiting"} 1.0'
    wait_until(lambda: waiting in desk.metrics(), "the metric", 60)


def test_a_feed_that_is_late_is_told(desk: Desk) -> None:
    assert desk.send("E-1", "promise.met", **MET).status_code == 202
    assert desk.send("E-2", "promise.mett", **MET).status_code == 422
    wait_until(lambda: "2026-03-02 09:00" in desk.says("feeds"), "the feed to be noted", 60)
    assert "crm: expected every 24h" in desk.says("feeds", "expect", "crm", "24h")
    wait_until(lambda: 'feed_late{source="crm"} 0.0' in desk.metrics(), "the metric", 60)
    set_manual_clock(desk.clock, NOW + timedelta(hours=26))
    [line] = [line for line in desk.says("feeds").splitlines() if line.startswith("crm")]
    assert line.split()[-4:] == ["24h", "late", "by", "2h"]
    wait_until(lambda: 'feed_late{source="crm"} 1.0' in desk.metrics(), "the metric", 60)
    desk.says("feeds", "expect", "crm", "never")
    assert "is no period" in desk.says("feeds", "expect", "crm", "soon", fails=True)
    assert "late" not in desk.says("feeds", "list").splitlines()[1]


def test_nobody_sees_letters_or_feeds_without_a_key_where_keys_are_asked_for(
    commands: Commands, kafka: Kafka, topics: Topics
) -> None:
    service = IngestService(commands, kafka.bootstrap, topics, {"BELLWETHER_INGEST_KEYS": "required"})
    pages = ("/v1/dead-letters", "/v1/dead-letters/counts", "/v1/dead-letters/0-0", "/v1/feeds")
    assert [service.status(page) for page in pages] == [401] * len(pages)
    made = call_bellwether("ingest", "keys", "add", "--source", "ops", "--admin", env=service.env)
    assert made.returncode == 0, made.stderr
    token = next(word for word in made.stdout.split() if word.startswith("bw_"))
    allowed = {"Authorization": f"Bearer {token}"}
    wait_until(lambda: httpx.get(service.url + "/v1/feeds", headers=allowed).status_code == 200, "the key to be known")
    assert httpx.get(service.url + "/v1/dead-letters", headers=allowed).json() == {"letters": [], "next": None}
