"""Stores on disk: what a process leaves to the next one, and what is not trusted."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.rules import disk
from services.rules.calendar import micros
from services.rules.disk import MAX_AGE_S, DiskStores, StoreDamaged
from services.rules.stores import Store
from tests.support.commands import ROOT
from tests.support.disk_writer import expected
from tests.support.fake_kafka import FakeSink, HostBench
from tests.support.records import TOPICS, at, customer_on, customers_on, paid
from tests.support.standin_core import StandInCore

pytestmark = pytest.mark.anyio

A, B = customer_on(0), customer_on(0, 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Machine:
    """A directory, a wall clock, and the worker that has the directory just now."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now_s = 1e9
        self.identity = "this changelog"
        self.ends = {0: 1_000_000}
        self._stores: DiskStores | None = None
        self._opened: list[Store] = []

    def restart(self) -> DiskStores:
        """The next worker; what the one before has not committed is gone."""
        self.stop()
        self._stores = DiskStores(self.directory, lambda: self.now_s)
        self._stores.begin(self.identity, self.ends)
        return self._stores

    def open(self, number: int = 0) -> Store:
        """A partition's store, by the worker that is there."""
        assert self._stores is not None
        self._opened.append(self._stores.open(number))
        return self._opened[-1]

    def stop(self) -> None:
        for store in self._opened:
            store.close()
        if self._stores is not None:
            self._stores.close()
        self._opened, self._stores = [], None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    made.restart()
    yield made
    made.stop()


def written(machine: Machine) -> None:
    """Two customers, committed; and a change that is not."""
    store = machine.open()
    store.put("a", [("2026-03", b"segment"), ("", b"head")], b"brief of a")
    store.put("b", [("", b"head of b")], b"brief of b")
    store.commit(7, b'{"a": "note"}')
    store.put("a", [("", b"lost")], b"lost")
    store.put("c", [("", b"lost")], b"lost")


def test_the_next_process_finds_what_was_committed_and_nothing_else(machine: Machine) -> None:
    written(machine)
    machine.restart()
    store = machine.open()
    assert (store.offset, store.note, len(store)) == (7, b'{"a": "note"}', 2)
    assert dict(store.get("a")) == {"2026-03": b"segment", "": b"head"}
    assert dict(store.briefs()) == {"a": b"brief of a", "b": b"brief of b"}
    assert sorted(store.customers()) == ["a", "b"]
    assert machine.open(1).offset == -1


def other_changelog(machine: Machine) -> None:
    machine.identity = "another changelog"


def too_old(machine: Machine) -> None:
    machine.now_s += MAX_AGE_S + 1


def from_the_future(machine: Machine) -> None:
    machine.now_s -= 1


def other_format(_: Machine) -> None:
    disk.FORMAT = 99


def no_table_of_contents(machine: Machine) -> None:
    (machine.directory / "worker-0/partition-0/CURRENT").write_text("nonsense")


def a_file_is_missing(machine: Machine) -> None:
    for path in (machine.directory / "worker-0/partition-0").glob("MANIFEST-*"):
        path.unlink()


@pytest.mark.parametrize(
    "wrong", [other_changelog, too_old, from_the_future, other_format, no_table_of_contents, a_file_is_missing]
)
def test_a_store_that_cannot_be_trusted_is_made_anew(
    machine: Machine, wrong: Callable[[Machine], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "FORMAT", disk.FORMAT)
    written(machine)
    machine.stop()
    wrong(machine)
    machine.restart()
    store = machine.open()
    assert (store.offset, len(store), list(store.briefs())) == (-1, 0, [])
    store.put("a", [("", b"new")], b"brief")
    store.commit(0, b"")


def test_a_store_ahead_of_its_changelog_is_made_anew(machine: Machine) -> None:
    written(machine)
    machine.ends = {0: 8}
    machine.restart()
    assert machine.open().offset == 7
    machine.ends = {0: 7}
    machine.restart()
    assert machine.open().offset == -1


def test_damage_found_while_reading_ends_the_process_and_the_next_one_makes_the_store_anew(machine: Machine) -> None:
    store = machine.open()
    rng = random.Random(1)
    for number in range(2_000):
        store.put(f"C-{number}", [("", rng.randbytes(500))], rng.randbytes(50))
    store.commit(0, b"")
    store._db.flush()  # type: ignore[attr-defined]
    machine.restart()
    for path in (machine.directory / "worker-0/partition-0").glob("*.sst"):
        raw = bytearray(path.read_bytes())
        middle = slice(len(raw) // 4, len(raw) // 4 * 3)
        raw[middle] = rng.randbytes(len(raw[middle]))
        path.write_bytes(raw)
    store = machine.open()
    with pytest.raises(StoreDamaged):
        [store.get(customer_id) for customer_id, _ in store.briefs()]
    machine.restart()
    assert (machine.open().offset, len(machine.open(1))) == (-1, 0)


def test_a_store_that_has_nothing_to_write_for_long_is_not_taken_for_one_that_was_left_alone(machine: Machine) -> None:
    written(machine)
    machine.restart()
    store = machine.open()
    for _ in range(3):
        machine.now_s += MAX_AGE_S / 2
        store.put("c", [("", b"not committed")])
        store.keep()
    machine.restart()
    store = machine.open()
    assert (store.offset, store.note, sorted(store.customers())) == (7, b'{"a": "note"}', ["a", "b"])


def test_workers_of_one_machine_do_not_meet_and_find_their_stores_again(machine: Machine) -> None:
    written(machine)
    second = DiskStores(machine.directory, lambda: machine.now_s)
    store = second.open(0)
    assert store.offset == -1
    store.close()
    second.close()
    assert machine.restart().directory.name == "worker-0"
    assert machine.open().offset == 7


def test_a_process_killed_at_any_moment_leaves_what_some_commit_left(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng, before = random.Random(seed), -1
    for _ in range(4):
        argv = [sys.executable, "-m", "tests.support.disk_writer", str(tmp_path)]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(rng.randrange(1, 60))]
            process.kill()
        machine = Machine(tmp_path)
        machine.now_s = time.time()
        machine.restart()
        store = machine.open()
        assert store.offset >= told[-1] > before
        assert store.note == f"note {store.offset}".encode()
        assert {name: dict(store.get(name)) for name in store.customers()} == expected(store.offset + 1)
        assert dict(store.briefs()).keys() == expected(store.offset + 1).keys()
        before = store.offset
        machine.stop()


# ---- a partition over such a store


def count_of(bench: HostBench, customer_id: str) -> int:
    found: int = StandInCore().open(customer_id, bench.host.places[0].partition.records_of(customer_id)).count
    return found


async def test_a_restart_reads_only_what_was_written_since(machine: Machine) -> None:
    first = HostBench(open_store=machine.open)
    await first.take_over()
    await first.host.process(0, [paid(n, (A, B)[n % 2], n) for n in range(10)])
    known = first.host.changelog_offset(0)
    assert known == 5

    machine.restart()
    second = HostBench(sink=first.sink, open_store=machine.open)
    assert second.host.changelog_offset(0) == known
    await second.take_over()
    assert (count_of(second, A), count_of(second, B)) == (5, 5)
    second.caught_up()
    second.now_us = micros(at(24 + 8))
    await second.host.wake_due()
    assert [record.key for record in second.sink.written(TOPICS.warnings, 0)] == [A.encode()]


async def test_what_another_worker_wrote_meanwhile_is_read_on_top(machine: Machine) -> None:
    first = HostBench(open_store=machine.open)
    await first.take_over()
    await first.host.process(0, [paid(0, A), paid(1, B)])
    other = HostBench(sink=first.sink)
    other.cursor.offsets = {0: 2}
    await other.take_over()
    await other.host.process(0, [paid(2, A, 5)])

    machine.restart()
    second = HostBench(sink=first.sink, open_store=machine.open)
    await second.take_over()
    assert (count_of(second, A), count_of(second, B)) == (2, 1)
    second.caught_up()
    second.now_us = micros(at(24))
    await second.host.wake_due()
    assert [record.key for record in second.sink.written(TOPICS.warnings, 0)] == [B.encode()]


@pytest.mark.parametrize("topic", [TOPICS.dead_letters, TOPICS.changelog, TOPICS.warnings])
async def test_a_crash_between_any_two_writes_is_made_up_for(machine: Machine, topic: str) -> None:
    records = [*(paid(n, A, n) for n in range(10)), paid(10, A, payment_id="refused")]
    first = HostBench(open_store=machine.open)
    await first.take_over()
    first.sink.fail_on = topic
    with pytest.raises(ConnectionError):
        await first.host.process(0, records)

    first.sink.fail_on = None
    machine.restart()
    second = HostBench(sink=first.sink, open_store=machine.open)
    await second.take_over()
    await second.host.process(0, records)
    assert count_of(second, A) == 10
    assert len(second.sink.written(TOPICS.warnings, 0)) == 1


async def test_warnings_whose_sending_was_not_seen_are_sent_by_the_next_process_once(machine: Machine) -> None:
    first = HostBench(open_store=machine.open)
    await first.take_over()
    first.sink.fail_on = TOPICS.warnings
    with pytest.raises(ConnectionError):
        await first.host.process(0, [paid(n, A, n) for n in range(10)])
    first.sink.fail_on = None
    for _ in range(2):
        machine.restart()
        await HostBench(sink=first.sink, open_store=machine.open).take_over()
        assert len(first.sink.written(TOPICS.warnings, 0)) == 1


async def test_by_whatever_way_it_came_there_a_partition_is_the_same(machine: Machine) -> None:
    """Crashes at random places and revocations, on disk and in memory. Seed printed."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng, sink, done = random.Random(seed), FakeSink(), 0
    customers = customers_on(0, 20)
    records = [paid(n, customers[n * 7 % 20], n) for n in range(300)]
    while done < len(records):
        machine.restart()
        bench = HostBench(sink=sink, open_store=machine.open, event_clock=True)
        bench.cursor.offsets = {0: done}
        await bench.take_over()
        for _ in range(rng.randrange(1, 4)):
            sink.fail_on = rng.choice([None, None, TOPICS.changelog, TOPICS.warnings])
            try:
                await bench.host.process(0, records[done : done + rng.randrange(1, 40)] or records[-1:])
            except ConnectionError:
                break
            finally:
                sink.fail_on = None
            await bench.host.commit()
            done = bench.cursor.offsets[0] or 0
    await asyncio.sleep(0)
    machine.restart()
    on_disk, in_memory = HostBench(sink=sink, open_store=machine.open), HostBench(sink=sink)
    for bench in (on_disk, in_memory):
        bench.cursor.offsets = {0: done}
        await bench.take_over()
    one, other = on_disk.host.places[0].partition, in_memory.host.places[0].partition
    assert {name: one.records_of(name) for name in one.store.customers()} == {
        name: other.records_of(name) for name in other.store.customers()
    }
    assert (one.clock, len(one.due), one.due.first()) == (other.clock, len(other.due), other.due.first())
    assert sum(count_of(on_disk, name) for name in one.store.customers()) == len(records)
