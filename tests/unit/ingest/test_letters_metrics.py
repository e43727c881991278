"""What is told of dead letters and feeds, with bounded labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry

from services.common.database import Database
from services.common.workdays import is_working_date
from services.ingest import feeds_store
from services.ingest import letters_store as store
from services.ingest.feeds import Calendar, Expected, Heard
from services.ingest.letters import Filter, Letter, Place
from services.ingest.letters_metrics import CODES, LettersMetrics, Looking
from services.ingest.tables import open_database
from services.rules.runtime_metrics import REASONS
from tests.support.databases import open_migrated

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    now = NOW


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = open_migrated(open_database, tmp_path / "ingest.db")
    yield made
    made.close()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def looking(database: Database, registry: CollectorRegistry) -> Looking:
    calendar = Calendar(ZoneInfo("Asia/Shanghai"), is_working_date)
    return Looking(database, LettersMetrics(registry), lambda: Clock.now, calendar)


def file(database: Database, *kinds: tuple[str, str]) -> None:
    letters = [
        Letter(Place(0, n), code, "", source, "", None, b"", {}, NOW - n * HOUR, "ingest")
        for n, (source, code) in enumerate(kinds)
    ]
    with database.writing() as tx:
        store.file(tx, 0, letters, len(letters), NOW)


def numbers(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def test_every_reason_of_the_rules_service_has_a_name_here() -> None:
    assert set(REASONS) <= CODES


def test_only_registered_sources_and_known_codes_are_named(
    database: Database, registry: CollectorRegistry, looking: Looking
) -> None:
    file(database, ("erp", "invalid"), ("erp", "invalid"), ("x1", "invalid"), ("x2", "invalid"), ("erp", "made-up"))
    with database.writing() as tx:
        feeds_store.expect(tx, "erp", Expected(HOUR, NOW), "li.na")
        store.drop(tx, Filter(place=Place(0, 1)), "a test", "li.na", NOW)
    looking.look()
    assert numbers(registry, "bellwether_ingest_letters") == {
        ("erp", "invalid", "waiting"): 1,
        ("erp", "invalid", "dropped"): 1,
        ("other", "invalid", "waiting"): 2,
        ("erp", "other", "waiting"): 1,
    }
    assert numbers(registry, "bellwether_ingest_letters_oldest_seconds") == {(): 4 * 3600}
    with database.writing() as tx:
        store.forget_all(tx, 0)
    looking.look()
    assert numbers(registry, "bellwether_ingest_letters") == {}
    assert numbers(registry, "bellwether_ingest_letters_oldest_seconds") == {(): 0}


def test_feeds_of_which_something_is_expected_are_told_and_the_log_tells_a_change_once(
    database: Database,
    registry: CollectorRegistry,
    looking: Looking,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    with database.writing() as tx:
        feeds_store.expect(tx, "erp", Expected(HOUR, NOW), "li.na")
        feeds_store.note(tx, {"crm": Heard(event_at=NOW - 90 * HOUR)})

    def look(after: timedelta) -> float:
        monkeypatch.setattr(Clock, "now", NOW + after)
        looking.look()
        told = numbers(registry, "bellwether_ingest_feed_late")
        assert list(told) == [("erp",)]
        return told["erp",]

    assert look(HOUR) == 0
    assert numbers(registry, "bellwether_ingest_feed_last_heard_seconds") == {}
    assert (look(2 * HOUR), look(3 * HOUR)) == (1, 1)
    with database.writing() as tx:
        feeds_store.note(tx, {"erp": Heard(event_at=NOW + 3 * HOUR)})
    assert look(3 * HOUR) == 0
    assert numbers(registry, "bellwether_ingest_feed_last_heard_seconds") == {("erp",): (NOW + 3 * HOUR).timestamp()}
    assert [record.levelname for record in caplog.records if record.name.startswith("services")] == ["WARNING", "INFO"]
