"""Two customers turn out to be one: what was known of both holds of the one, and nothing is kept of the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.topics import Topics
from schemas.warnings import Warning
from services.common.clock import set_manual_clock
from tests.contract.ingest.topics_reader import read_topic
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.system import Installation, standing
from tests.support.waiting import wait_until

NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)


class Office:
    """An installation on the manual clock that sends one event at a time."""

    def __init__(self, system: Installation) -> None:
        self.system = system

    def say(self, kind: str, customer: str, name: str, /, **data: Any) -> str:
        """Through ingest; what became of it."""
        event = {
            "specversion": "1.0",
            "id": name,
            "source": "finance",
            "type": f"bellwether.{kind}",
            "time": (NOW - timedelta(days=1)).isoformat(),
            "subject": customer,
            "data": data,
        }
        answer = httpx.post(f"{self.system.url('ingest')}/v1/events", json=event, timeout=30)
        assert answer.status_code == 202, answer.text
        code: str = answer.json()["results"][0]["code"]
        return code

    def issue(self, customer: str, month: str) -> str:
        """An invoice of the 1st that nobody paid by the 10th."""
        dates = {"issue_date": f"2026-{month}-01", "due_date": f"2026-{month}-10"}
        money = {"amount": "300000.00", "currency": "CNY"}
        return self.say(
            "invoice.issued", customer, f"{customer}-{month}", invoice_id=f"{customer}-{month}", **dates, **money
        )

    def standing(self, customer: str) -> list[Warning]:
        """Warnings of a customer that were not withdrawn."""
        return [one for one in standing(self.system.warnings()).values() if one.customer_id == customer]

    def merges(self) -> list[dict[str, Any]]:
        """As the API tells them."""
        found: list[dict[str, Any]] = httpx.get(f"{self.system.url('ingest')}/v1/ids/merges", timeout=10).json()[
            "merges"
        ]
        return found


@pytest.fixture
def office(commands: Commands, kafka: Kafka, topics: Topics, tmp_path: Path) -> Office:
    clock = tmp_path / "clock"
    set_manual_clock(clock, NOW)
    env = {"BELLWETHER_CLOCK": f"manual:{clock}", "BELLWETHER_MERGE_SETTLE_SECONDS": "5"}
    system = Installation(commands, kafka.bootstrap, topics, tmp_path, env)
    system.start("ingest", "rules")
    return Office(system)


def test_warnings_move_to_the_surviving_customer_and_a_kill_of_ingest_changes_nothing(
    office: Office, kafka: Kafka, topics: Topics
) -> None:
    # Neither is late two months running: only together they are.
    assert [office.issue("A", "01"), office.issue("B", "02")] == ["ok", "ok"]
    assert office.say("contact.changed", "A", "left", contact_id="K", change="left", decision_role="finance") == "ok"
    wait_until(lambda: office.standing("A"), "a warning of A", 60)
    before = {one.id for one in office.standing("A")}
    assert "R1" not in {one.rule for one in [*office.standing("A"), *office.standing("B")]}
    assert office.say("customer.merged", "B", "merge", merged_customer_id="A") == "ok"
    # Right now it is at work: killed, and started again.
    office.system.children["ingest"].kill()
    office.system.start("ingest")
    wait_until(
        lambda: (
            office.say("activity.logged", "A", "call", kind="call") == "behind_others" or office.merges()[0]["done_at"]
        ),
        "A to wait",
    )
    wait_until(lambda: office.merges()[0]["done_at"], "the merge to be done", 60)
    wait_until(
        lambda: office.say("promise.met", "A", "later", promise_id="P") == "ok", "A's events to go out again", 30
    )
    office.system.wait_for_rules()
    assert office.standing("A") == []
    assert {"R1", "R2"} <= {one.rule for one in office.standing("B")}
    withdrawn = {one.id: one for one in office.system.warnings() if one.change == "withdrawn"}
    assert before <= set(withdrawn)
    assert {withdrawn[name].customer_merged_into for name in before} == {"B"}
    sent = [record for record in read_topic(kafka.bootstrap, topics.events) if record.key == b"B"]
    assert b'"call"' in b"".join(record.value for record in sent)
    newest = {record.key: record.value for record in read_topic(kafka.bootstrap, topics.changelog)}
    assert {key: value for key, value in newest.items() if key.partition(b"\x1f")[0] == b"A"} == {b"A": None}
    assert newest[b"B"] is not None
    (merge,) = office.merges()
    assert (merge["merged_id"], merge["surviving_id"], merge["resent"] >= 2) == ("A", "B", True)
