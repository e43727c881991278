"""A real Prometheus watches running services: what dashboards and alerts ask for is there, and it calls in time."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer

from schemas.topics import Topics
from services.common.clock import set_manual_clock
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.programs import require_program
from tests.support.prometheus import Alertmanager, Prometheus
from tests.support.queries import alert_rules, all_queries, selectors
from tests.support.system import Installation
from tests.support.waiting import wait_until

NOW = "2026-01-05T09:00:00+08:00"
PEOPLE = """
people:
  - {id: zhang.wei, name: 张伟, department: sales, language: zh, reports_to: li.na, email: zhang.wei@example.com}
  - {id: li.na, name: Li Na, department: sales, language: en, email: li.na@example.com}
customers:
  - {id: JN-0042, name: 江南精密机械有限公司, owner: zhang.wei, region: 华东}
fallback: li.na
"""
EVENTS: list[dict[str, Any]] = [
    {
        "type": "bellwether.contact.changed",
        "subject": "JN-0042",
        "data": {"contact_id": "K7", "change": "left", "decision_role": "procurement"},
    },
    {"type": "bellwether.feed.heartbeat", "data": {"feed": "crm", "complete_until": NOW}},
]
PERSONAL = ("JN-0042", "zhang", "K7", "procurement", "江南", "E-0")
"""What no metric may bear: customers, people, and what stands in their events."""

FILTERS = (" > ", " < ", " == ", "absent(")
"""A query with one of these may rightly answer with nothing."""


@pytest.fixture
def system(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Installation:
    """The three services; a contact has left, and people are being told."""
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    set_manual_clock(tmp_path / "clock", datetime.fromisoformat(NOW))
    env = {
        "BELLWETHER_CLOCK": f"manual:{tmp_path / 'clock'}",
        "BELLWETHER_DIRECTORY": str(tmp_path / "people.yaml"),
        "BELLWETHER_INGEST_SPOOL": str(tmp_path / "spool"),
    }
    made = Installation(commands, kafka.bootstrap, topics, tmp_path, env)
    made.start("ingest", "rules", "notifier")
    for number, event in enumerate(EVENTS):
        body = {"specversion": "1.0", "id": f"E-{number}", "source": "crm", "time": NOW, **event}
        answer = httpx.post(f"{made.url('ingest')}/v1/events", json=body, timeout=30)
        assert answer.status_code == 202, answer.text
    done = call_bellwether("feeds", "expect", "crm", "24h", env=made.env)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    server = Prometheus(require_program("prometheus"), tmp_path / "prometheus")
    yield server
    server.stop()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    server = Alertmanager(require_program("alertmanager"), tmp_path / "alertmanager")
    yield server
    server.stop()


def test_what_dashboards_and_alerts_ask_for_is_scraped_and_an_alert_comes_with_the_first_dead_letter_and_not_before(
    alertmanager: Alertmanager, prometheus: Prometheus, system: Installation
) -> None:
    alertmanager.start()
    prometheus.start({**system.ports, "alertmanager": alertmanager.port})
    for condition in (
        'sum(bellwether_notifier_pages{channel="inbox", state="accepted"}) == 2',
        'sum(bellwether_rules_warnings_raised_total{rule="R2"}) == 1',
        'max(bellwether_feed_silent{feed="crm"}) == 0',
        'max(bellwether_ingest_feed_late{source="crm"}) == 0',
        "min(count_over_time(up[1m])) >= 4 and min(up) == 1",
    ):
        wait_until(functools.partial(prometheus.holds, condition), condition)

    queries = all_queries()
    named = {selector for query in queries for selector in selectors(query.text)}
    assert [selector for selector in sorted(named) if not prometheus.holds(f"count({selector})")] == []
    silent = [query for query in queries if not prometheus.query(query.text)]
    assert [query for query in silent if not any(sign in query.text for sign in FILTERS)] == []

    everything = json.dumps(prometheus.query('{job=~"bellwether-.+"}'), ensure_ascii=False)
    assert [word for word in PERSONAL if word in everything] == []
    assert not prometheus.holds('count by (job) ({job=~"bellwether-.+"}) > 1000')

    wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), "every alert to be evaluated")
    assert {rule["name"] for rule in prometheus.rules()} == {rule["alert"] for rule in alert_rules()}
    wait_until(lambda: not alarms(prometheus), "no alert to be about to fire")
    assert alertmanager.receivers() == {}

    send_nonsense(system)
    wait_until(lambda: alertmanager.receivers() == {"BellwetherDeadLetters": "look-today"}, "the alert to arrive")


def alarms(prometheus: Prometheus) -> list[str]:
    return [rule["name"] for rule in prometheus.rules() if rule["state"] != "inactive"]


def send_nonsense(system: Installation) -> None:
    """By Kafka directly: ingest would not have let it pass."""
    producer = KafkaProducer(bootstrap_servers=system.bootstrap, acks="all")
    try:
        producer.send(system.topics.events, key=b"JN-0042", value=b"{").get(timeout=30)
    finally:
        producer.close()
