"""Events of ids that nobody knows wait, and go on their way in their order once it is known whose they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from services.common.database import Database
from services.ingest import ids_registry, ids_store, ids_waiting
from services.ingest.ids import MustLook
from services.ingest.ids_registry import STALE_S, Registry
from services.ingest.ids_release import MAX_AGE
from services.ingest.ids_store import IdRow
from services.ingest.publisher import TryLater
from services.ingest.tables import waiting_events
from tests.contract.ingest.replicas import NOW, TOPICS, Broker, Replica
from tests.unit.schemas.examples import example


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def replica(database: Database, broker: Broker) -> Replica:
    with database.writing() as tx:
        ids_store.map_source(tx, "crm", NOW)
    return Replica(database, broker)


def crm(number: int, subject: str = "X1", **changes: Any) -> dict[str, Any]:
    return example("promise.met", source="crm", subject=subject, id=f"e{number}", **changes)


def tell(database: Database, *pairs: tuple[str, str]) -> None:
    with database.writing() as tx:
        ids_store.put_ids(tx, [IdRow("crm", external, customer) for external, customer in pairs], NOW, "test")


def waiting(database: Database) -> int:
    with database.reading() as tx:
        return ids_waiting.total(tx)[0]


def test_an_event_of_a_source_without_ids_of_its_own_goes_out_as_it_is(replica: Replica, broker: Broker) -> None:
    assert replica.post(example("promise.met", source="erp", subject="C7", id="a")) == ["ok"]
    assert broker.sent() == [("C7", "a")]


def test_an_event_of_a_known_id_goes_out_under_the_customers(
    replica: Replica, broker: Broker, database: Database
) -> None:
    tell(database, ("X1", "C1"), ("X2", "C1"))
    assert replica.post(crm(1), crm(2, "X2")) == ["ok", "ok"]
    assert broker.sent() == [("C1", "e1"), ("C1", "e2")]


def test_events_of_unknown_ids_wait_and_are_sent_in_their_order(
    replica: Replica, broker: Broker, database: Database
) -> None:
    assert replica.post(crm(1), crm(2, "X2"), crm(3)) == ["unknown_customer"] * 3
    assert (broker.sent(), waiting(database)) == ([], 3)
    tell(database, ("X1", "C1"))
    replica.registry.refresh()
    # Nothing overtakes what waits, also before it was released.
    assert replica.post(crm(4)) == ["behind_others"]
    replica.release()
    assert replica.post(crm(5)) == ["ok"]
    assert broker.sent() == [("C1", "e1"), ("C1", "e3"), ("C1", "e4"), ("C1", "e5")]
    assert waiting(database) == 1


def test_what_waits_already_waits_once_and_another_event_of_its_name_is_refused(
    replica: Replica, broker: Broker, database: Database
) -> None:
    replica.post(crm(1))
    assert replica.post(crm(1), crm(1)) == ["unknown_customer"] * 2
    assert replica.post(crm(1, data={"promise_id": "another"}), crm(2)) == ["id_reused", "unknown_customer"]
    assert waiting(database) == 2
    (letter,) = broker.records
    assert (letter.topic, dict(letter.headers)["code"]) == (TOPICS.dead_letters, b"id_reused")


def test_a_replica_that_has_not_heard_yet_keeps_nothing_back_that_may_go(
    replica: Replica, broker: Broker, database: Database
) -> None:
    other = Replica(database, broker)
    assert (replica.post(crm(1)), other.post(crm(2))) == (["unknown_customer"], ["unknown_customer"])
    tell(database, ("X1", "C1"))
    replica.release()
    # The other's memory says that X1 is nobody's; the transaction that would keep the event back sees better.
    assert other.registry.place(("crm", "X1")).customer_id is None
    assert other.post(crm(3)) == ["ok"]
    assert broker.sent() == [("C1", "e1"), ("C1", "e2"), ("C1", "e3")]


def test_without_a_broker_what_waits_stays_and_is_sent_later(
    replica: Replica, broker: Broker, database: Database
) -> None:
    replica.post(crm(1))
    tell(database, ("X1", "C1"))
    broker.fails = True
    with pytest.raises(TryLater):
        replica.release()
    assert waiting(database) == 1
    broker.fails = False
    replica.release()
    assert (broker.sent(), waiting(database)) == ([("C1", "e1")], 0)


def test_a_crash_after_sending_sends_again_in_the_same_order(
    replica: Replica, broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica.post(crm(1), crm(2))
    tell(database, ("X1", "C1"))

    def crash(_tx: object, _numbers: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ids_waiting, "remove", crash)
        with pytest.raises(SystemExit):
            replica.release()
    Replica(database, broker).release()
    assert broker.sent() == [("C1", "e1"), ("C1", "e2")] * 2
    assert waiting(database) == 0


def test_more_than_may_wait_is_refused_with_what_to_do_and_nothing_of_it_is_kept(
    replica: Replica, database: Database, broker: Broker
) -> None:
    small = Replica(database, broker, max_waiting=2)
    assert small.registry.max_waiting < replica.registry.max_waiting
    assert small.post(crm(1), crm(2)) == ["unknown_customer"] * 2
    with pytest.raises(TryLater, match="bellwether ids load"):
        small.post(crm(3))
    assert waiting(database) == 2
    # Others are not kept from sending.
    assert small.post(example("promise.met", source="erp", id="a")) == ["ok"]


def test_what_has_waited_too_long_goes_to_the_dead_letters(
    replica: Replica, broker: Broker, database: Database
) -> None:
    replica.post(crm(1))
    replica.now += MAX_AGE / 2
    replica.post(crm(2))
    replica.now += MAX_AGE / 2 + timedelta(seconds=1)
    replica.release()
    (letter,) = broker.records
    assert letter.topic == TOPICS.dead_letters
    assert {name: dict(letter.headers)[name] for name in ("code", "event_id")} == {
        "code": b"unknown_customer",
        "event_id": b"e1",
    }
    assert waiting(database) == 1


def test_a_source_that_has_no_ids_of_its_own_after_all_gets_its_events_sent(
    replica: Replica, broker: Broker, database: Database
) -> None:
    replica.post(crm(1))
    with database.writing() as tx:
        assert ids_store.unmap_source(tx, "crm")
    replica.release()
    assert replica.post(crm(2)) == ["ok"]
    assert broker.sent() == [("X1", "e1"), ("X1", "e2")]


def test_what_becomes_invalid_while_it_waits_is_told(replica: Replica, broker: Broker, database: Database) -> None:
    replica.post(crm(1), crm(2))
    with database.writing() as tx:
        changed = {"value": orjson.dumps({"type": "bellwether.promise.forgotten"})}
        tx.execute(waiting_events.update().where(waiting_events.c.event_id == "e1"), changed)
    tell(database, ("X1", "C1"))
    replica.release()
    assert broker.sent() == [("C1", "e2")]
    assert [dict(one.headers).get("code") for one in broker.records] == [b"unknown_type", None]
    assert waiting(database) == 0


def test_what_is_in_memory_is_not_used_for_long_after_the_database_was_last_heard(database: Database) -> None:
    seconds = 0.0
    registry = Registry(database, lambda: NOW, lambda: seconds)
    registry.refresh()
    registry.require_fresh()
    seconds = STALE_S + 1
    with pytest.raises(MustLook):
        registry.require_fresh()
    registry.look_up(set())
    registry.require_fresh()


def test_with_the_database_away_senders_are_told_to_come_back(
    replica: Replica, broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica.post(crm(1))

    def away() -> None:
        raise OperationalError("select", {}, OSError("refused"))

    monkeypatch.setattr(database, "reading", away)
    # What is in memory serves for a while.
    assert replica.post(example("promise.met", source="erp", id="a")) == ["ok"]
    with pytest.raises(TryLater) as told:
        replica.post(crm(2, "X9"))
    assert told.value.code == "database_unavailable"
    assert broker.sent() == [("C001", "a")]


def test_more_ids_than_fit_into_memory_are_looked_up_again(
    replica: Replica, broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids_registry, "MAX_CACHED", 3)
    tell(database, *[(f"X{number}", f"C{number}") for number in range(9)])
    replica.registry.refresh()
    for start in (0, 3, 6, 0):
        assert replica.post(*[crm(number, f"X{number}") for number in range(start, start + 3)]) == ["ok"] * 3
    assert [customer for customer, _ in broker.sent()] == [f"C{number}" for number in (*range(9), 0, 1, 2)]
