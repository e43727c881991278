"""Taking records while the broker is away: what is durable, in which order it arrives, and what is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from schemas.topics import Topics
from services.ingest import spool as spool_module
from services.ingest.app import Intake, build_app
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import TryLater, broker_away, overloaded
from services.ingest.records import Record
from services.ingest.spool_keys import SLOTS, WaitingKeys
from services.ingest.spool_metrics import watch_spool
from services.ingest.spool_store import SpoolFull, SpoolStore
from services.ingest.treating import Coming, Sender
from tests.support.waiting import wait_until_async
from tests.unit.ingest.spool_bench import AWAY, Bench, play, problem_of, record
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "spool")


def test_while_the_broker_is_there_the_disk_is_not_touched(bench: Bench) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.publisher.publish([record("a", 1), record("b", 2)])
        assert bench.arrived() == [1, 2]
        assert bench.spool.waiting == 0
        assert bench.publisher.problem is None
        assert bench.publisher.note is None

    play(bench, scenario)


def test_while_it_is_away_records_are_on_disk_before_they_are_confirmed(bench: Bench) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", 1), record("b", 2)])
        assert [waiting.record for waiting in bench.store.oldest(9, 1 << 20)] == [record("a", 1), record("b", 2)]
        assert bench.publisher.problem is None
        bench.now_s += 75
        assert bench.publisher.note == f"2 records wait on disk, the oldest for 75 s: {AWAY}"
        bench.broker.problem = None
        await bench.emptied()
        assert bench.arrived() == [1, 2]
        assert bench.publisher.note is None

    play(bench, scenario)


def test_what_the_broker_failed_to_confirm_waits_too(bench: Bench) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.failure = broker_away("a record was not acknowledged")
        await bench.publisher.publish([record("a", 1)])
        assert bench.spool.waiting == 1

    play(bench, scenario)


def test_a_broker_that_is_only_busy_slows_its_senders_down(bench: Bench) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.failure = overloaded()
        with pytest.raises(TryLater) as raised:
            await bench.publisher.publish([record("a", 1)])
        assert raised.value.code == "overloaded"
        assert bench.spool.waiting == 0

    play(bench, scenario)


def test_behind_what_waits_goes_only_what_has_its_key(bench: Bench) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", 1)])
        bench.looks.clear()
        bench.broker.problem = None
        await bench.publisher.publish([record("a", 2), record("b", 3), record("a", 4)])
        assert bench.arrived() == [3]
        bench.looks.set()
        await bench.emptied()
        assert bench.arrived() == [3, 1, 2, 4]
        await bench.publisher.publish([record("a", 5)])
        assert bench.arrived()[-1] == 5

    play(bench, scenario)


def test_all_that_wait_for_the_disk_share_a_transaction(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    append = SpoolStore.append

    def counted(store: SpoolStore, records: Sequence[Record], at: float) -> object:
        written.append(len(records))
        return append(store, records, at)

    monkeypatch.setattr(SpoolStore, "append", counted)

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await asyncio.gather(*(bench.publisher.publish([record("a", number)]) for number in range(100)))
        assert sum(written) == 100
        assert len(written) <= 3
        assert bench.publisher.outstanding == 0
        bench.broker.problem = None
        await bench.emptied()
        assert bench.arrived() == list(range(100))

    play(bench, scenario)


def test_who_goes_away_does_not_take_others_along(bench: Bench) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        gone = asyncio.create_task(bench.publisher.publish([record("a", 1)]))
        stays = asyncio.create_task(bench.publisher.publish([record("b", 2)]))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        bench.broker.problem = None
        await bench.emptied()
        assert 2 in bench.arrived()
        bench.looks.clear()
        await bench.publisher.publish([record("a", 3)])
        assert bench.arrived()[-1] == 3, "its key still counts as waiting"

    play(bench, scenario)


def test_a_full_spool_is_told_and_takes_again_what_fits(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        number = 0
        with pytest.raises(TryLater) as raised:  # noqa: PT012 - which of them finds it full is all the same
            for number in range(1000):
                await bench.publisher.publish([record("a", number, 10_000)])
        assert (raised.value.code, raised.value.after_s > 0) == ("spool_full", True)
        assert problem_of(bench) == f"{AWAY}, and the spool is full"
        assert bench.publisher.alive
        bench.broker.problem = None
        assert problem_of(bench) is None
        await bench.emptied()
        assert bench.arrived() == list(range(number))
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", number, 10_000)])
        assert bench.publisher.problem is None

    play(Bench(tmp_path, 1 << 20), scenario)


def test_too_much_in_memory_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MAX_JOINING", 3)

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        with pytest.raises(TryLater) as raised:
            await bench.publisher.publish([record("a", number) for number in range(4)])
        assert raised.value.code == "overloaded"
        await bench.publisher.publish([record("a", number) for number in range(3)])

    play(bench, scenario)


def test_a_disk_that_fails_ends_the_process_without_a_claim(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        monkeypatch.setattr(SpoolStore, "append", fails)
        for _ in range(2):
            with pytest.raises(TryLater):
                await bench.publisher.publish([record("a", 1)])
            monkeypatch.undo()
        assert not bench.publisher.alive
        assert bench.publisher.problem == "the spool's disk has failed"
        assert bench.store.oldest(1, 1) == []

    play(bench, scenario)


def test_a_disk_that_is_full_while_the_spool_is_emptied_sends_nothing_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = SpoolStore.delete_through
    refusals = iter([True] * 5)

    def sometimes(store: SpoolStore, seq: int) -> object:
        if next(refusals, False):
            raise SpoolFull
        return delete(store, seq)

    monkeypatch.setattr(SpoolStore, "delete_through", sometimes)

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", 1)])
        bench.broker.problem = None
        await bench.emptied()
        assert bench.arrived() == [1]

    play(bench, scenario)


def test_metrics_tell_how_much_waits_and_for_how_long(bench: Bench) -> None:
    registry = CollectorRegistry()
    watch_spool(registry, bench.spool)

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", 1, 50_000)])
        bench.now_s += 7
        told = {name: registry.get_sample_value(f"bellwether_ingest_spool_{name}") for name in ("records", "full")}
        assert told == {"records": 1, "full": 0}
        assert registry.get_sample_value("bellwether_ingest_spool_oldest_seconds") == 7
        assert (registry.get_sample_value("bellwether_ingest_spool_bytes") or 0) > 50_000
        bench.broker.problem = None
        await bench.emptied()
        assert registry.get_sample_value("bellwether_ingest_spool_oldest_seconds") == 0

    play(bench, scenario)


def test_keys_are_counted_in_slots_that_they_share() -> None:
    keys = WaitingKeys()
    many = [b"C%d" % number for number in range(3 * SLOTS)]
    keys.add(many)
    assert all(key in keys for key in many)
    keys.remove(many[1:])
    assert many[0] in keys
    keys.remove(many[:1])
    assert not any(key in keys for key in many)


def test_readyz_tells_what_waits_while_events_are_accepted(bench: Bench) -> None:
    bench.broker.problem = AWAY
    bench.looks.clear()
    app = build_app(Intake(bench.publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry())))
    with TestClient(app) as client:
        assert client.post("/v1/events", json=example("promise.met")).status_code == 202
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        assert ready.json()["notes"] == {"spool": f"1 records wait on disk, the oldest for 0 s: {AWAY}"}
        assert client.get("/healthz").status_code == 200
        bench.spool.broken = True
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 503


def test_a_disk_that_cannot_be_read_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(SpoolStore, "oldest", fails)

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", 1)])
        bench.broker.problem = None
        await wait_until_async(lambda: not bench.publisher.alive, "the publisher to say that it has ended")
        assert bench.arrived() == []

    play(bench, scenario)


def test_what_a_forgotten_customer_left_in_it_is_not_sent_any_more(tmp_path: Path) -> None:
    gone: set[bytes] = set()
    bench = Bench(tmp_path / "spool", is_gone=lambda one: one.key in gone)

    async def scenario(bench: Bench) -> None:
        bench.broker.problem = AWAY
        await bench.publisher.publish([record("a", 1), record("b", 2), record("a", 3)])
        gone.add(b"a")
        bench.broker.problem = None
        await bench.emptied()
        assert bench.arrived() == [2]

    play(bench, scenario)


def test_what_is_hidden_on_the_topic_is_hidden_on_the_disk(bench: Bench) -> None:
    def seal(coming: Coming, _sender: Sender) -> Coming:
        return Coming(coming.event, {**coming.document, "data": {**coming.document["data"], "note": "sealed"}})

    bench.broker.problem = AWAY
    metrics = IngestMetrics(CollectorRegistry())
    app = build_app(Intake(bench.publisher, Topics("t"), lambda: NOW, metrics, [seal]))
    with TestClient(app) as client:
        event = example("activity.logged")
        event = {**event, "data": {**event["data"], "note": "between us"}}
        assert client.post("/v1/events", json=event).status_code == 202
        on_disk = b"".join(file.read_bytes() for file in bench.folder.iterdir())
    assert b"sealed" in on_disk
    assert b"between us" not in on_disk
