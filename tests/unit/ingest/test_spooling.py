"""Taking records while the broker is away: what is durable, in which order it arrives, and what is told."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
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
from services.ingest.spool import Spool
from services.ingest.spool_keys import SLOTS, WaitingKeys
from services.ingest.spool_metrics import watch_spool
from services.ingest.spool_store import SpoolFull, SpoolStore
from services.ingest.spooling import SpoolingPublisher
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)
AWAY = "no Kafka answers"


def record(key: str, number: int, size: int = 0) -> Record:
    return Record("events", key.encode(), b"%d" % number + b" " * size, (("h", b"1"),))


class ScriptedBroker:
    """The way to a broker that is there or not; `torn` makes it take the first part of a call and fail."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.alive = True
        self.outstanding = 0
        self.failure: TryLater | None = None
        self.torn: Callable[[int], int | None] = lambda _size: None
        self.topic: list[Record] = []
        self.calls: list[list[Record]] = []

    def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def publish(self, records: Sequence[Record]) -> None:
        self.calls.append(list(records))
        await asyncio.sleep(0)
        if self.problem is not None:
            raise broker_away(self.problem)
        if self.failure is not None:
            raise self.failure
        taken = self.torn(len(records))
        self.topic += records[:taken]
        if taken is not None:
            raise broker_away("torn")


class Bench:
    """A publisher over a spool in a folder; `crash` forgets all but the disk and the broker."""

    def __init__(self, folder: Path, max_bytes: int = 1 << 30) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.now_s = 1000.0
        self.broker = ScriptedBroker()
        self.looks = asyncio.Event()
        self.looks.set()
        self.store = self._open()

    def _open(self) -> SpoolStore:
        self.store = SpoolStore(self.folder, self.max_bytes)
        self.spool = Spool(self.store, lambda: self.now_s)
        self.publisher = SpoolingPublisher(self.broker, self.spool, self._pause)
        return self.store

    async def _pause(self, _seconds: float) -> None:
        await asyncio.sleep(0)
        await self.looks.wait()

    async def crash(self) -> None:
        """As by SIGKILL, but that one call of the disk may end."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.spool._disk.shutdown()
        self.store.close()
        self._open()
        self.publisher.start()

    async def emptied(self) -> None:
        """Return when nothing waits."""
        while self.spool.waiting or self.spool.joining:
            assert self.publisher.alive, "it has ended"
            await asyncio.sleep(0)

    def arrived(self) -> list[int]:
        return [int(found.value) for found in self.broker.topic]


def problem_of(bench: Bench) -> str | None:
    return bench.publisher.problem


Scenario = Callable[[Bench], Awaitable[None]]


def play(bench: Bench, scenario: Scenario) -> None:
    async def run() -> None:
        bench.publisher.start()
        await scenario(bench)
        await bench.publisher.close()

    asyncio.run(run())


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


ROUNDS = 8
STEPS = 40


def test_whatever_fails_every_confirmed_record_arrives_in_the_order_of_its_key(tmp_path: Path) -> None:
    """Senders that wait for each answer; a broker that goes, comes and tears calls; crashes of the process."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    for round_ in range(ROUNDS):
        play(Bench(tmp_path / str(round_)), Trial(random.Random(seed + round_)).scenario)


class Trial:
    """One run from a seed."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.confirmed: set[int] = set()
        self.key_of: dict[int, str] = {}

    async def scenario(self, bench: Bench) -> None:
        bench.broker.torn = lambda size: self.rng.randrange(size + 1) if self.rng.random() < 0.2 else None
        for _ in range(STEPS):
            await self.step(bench)
        bench.broker.problem = None
        await bench.emptied()
        self.check(bench)

    async def step(self, bench: Bench) -> None:
        bench.broker.problem = self.rng.choice([None, None, AWAY])
        senders = [asyncio.create_task(self.send(bench, sender)) for sender in "abc"]
        if self.rng.random() < 0.15:
            for _ in range(self.rng.randrange(20)):
                await asyncio.sleep(0)
            await bench.crash()
            await asyncio.gather(*senders, return_exceptions=True)
            return
        await asyncio.gather(*senders)

    async def send(self, bench: Bench, sender: str) -> None:
        """Some batches of one sender's customers; what was not confirmed is left behind, as by one who gives up."""
        for _ in range(self.rng.randrange(3)):
            numbers = range(self.number, self.number + self.rng.randrange(1, 5))
            self.number = numbers.stop
            self.key_of |= {number: f"{sender}{self.rng.randrange(2)}" for number in numbers}
            await bench.publisher.publish([record(self.key_of[number], number) for number in numbers])
            self.confirmed |= set(numbers)

    def check(self, bench: Bench) -> None:
        arrived = bench.arrived()
        assert self.confirmed <= set(arrived)
        first_seen: dict[str, list[int]] = defaultdict(list)
        for number in dict.fromkeys(arrived):
            if number in self.confirmed:
                first_seen[self.key_of[number]].append(number)
        assert all(numbers == sorted(numbers) for numbers in first_seen.values()), first_seen


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
