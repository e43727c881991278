"""When sources were heard, as it is kept on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from schemas.topics import Topics
from services.common.database import Database
from services.ingest import feeds_store
from services.ingest.feeds import Expected, Feed, Heard
from services.ingest.feeds_noting import Noting
from services.ingest.judge import Judgement, Verdict
from services.ingest.tables import api_keys, mapped_sources

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def every(database: Database) -> list[Feed]:
    with database.reading() as tx:
        return feeds_store.every(tx)


def test_the_latest_is_kept_of_what_replicas_write_in_any_order(database: Database) -> None:
    with database.writing() as tx:
        feeds_store.note(tx, {"erp": Heard(event_at=NOW), "crm": Heard(heartbeat_at=NOW, complete_until=NOW - HOUR)})
        feeds_store.note(tx, {"erp": Heard(event_at=NOW - HOUR, heartbeat_at=NOW)})
    assert every(database) == [
        Feed("crm", Heard(heartbeat_at=NOW, complete_until=NOW - HOUR)),
        Feed("erp", Heard(event_at=NOW, heartbeat_at=NOW)),
    ]


def test_something_is_expected_before_and_after_the_first_event(database: Database) -> None:
    expected = Expected(24 * HOUR, NOW, working_days=True)
    with database.writing() as tx:
        feeds_store.expect(tx, "erp", expected, "li.na")
        feeds_store.note(tx, {"erp": Heard(event_at=NOW), "crm": Heard(event_at=NOW)})
        feeds_store.expect(tx, "crm", expected, "li.na")
        feeds_store.expect(tx, "crm", None, "li.na")
    assert every(database) == [Feed("crm", Heard(event_at=NOW)), Feed("erp", Heard(event_at=NOW), expected)]
    with database.writing() as tx:
        assert feeds_store.remove(tx, "erp")
        assert not feeds_store.remove(tx, "erp")
    assert [feed.source for feed in every(database)] == ["crm"]


def test_sources_that_nobody_expects_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds_store, "MAX_FEEDS", 3)
    with database.writing() as tx:
        feeds_store.expect(tx, "erp", Expected(HOUR, NOW), "li.na")
        assert feeds_store.note(tx, {f"s{number}": Heard(event_at=NOW) for number in range(5)}) == 2
        assert feeds_store.note(tx, {"s1": Heard(event_at=NOW + HOUR), "erp": Heard(event_at=NOW)}) == 0
    found = {feed.source: feed.heard.event_at for feed in every(database)}
    assert found == {"erp": NOW, "s0": NOW, "s1": NOW + HOUR, "s2": NOW}


def test_a_source_is_known_by_its_key_its_ids_or_by_what_is_expected_of_it(database: Database) -> None:
    def key(name: str, **more: object) -> dict[str, object]:
        return {"id": name, "digest": b"", "source": name, "created_at": NOW, **more}

    with database.writing() as tx:
        feeds_store.note(tx, {"anybody": Heard(event_at=NOW)})
        feeds_store.expect(tx, "expected", Expected(HOUR, NOW), "li.na")
        tx.execute(insert(api_keys).values(key("with-key")))
        tx.execute(insert(api_keys).values(key("expired", expires_at=NOW)))
        tx.execute(insert(api_keys).values(key("revoked", revoked_at=NOW)))
        tx.execute(insert(mapped_sources).values(source="mapped", since=NOW))
        assert feeds_store.known_sources(tx, NOW) == ["expected", "mapped", "with-key"]


def test_a_row_is_written_for_each_source_and_not_for_each_event(database: Database) -> None:
    noting = Noting(database, Topics("t"), lambda: NOW)
    for number in range(1000):
        noting.note(Judgement([Verdict(0, f"E{number}", "erp")]))
    assert every(database) == []
    noting.write()
    assert every(database) == [Feed("erp", Heard(event_at=NOW))]


def test_what_was_noted_while_the_database_was_away_is_written_later(database: Database) -> None:
    noting = Noting(database, Topics("t"), lambda: NOW)
    noting.note(Judgement([Verdict(0, "E1", "erp")]))
    database.migrate("base", down=True)
    noting.write()
    database.migrate()
    noting.note(Judgement([Verdict(0, "E2", "crm"), Verdict(1, "E3", "bad", "invalid")]))
    noting.write()
    assert [feed.source for feed in every(database)] == ["crm", "erp"]
