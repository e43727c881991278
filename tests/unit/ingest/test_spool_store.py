"""The spool on disk: nothing that was confirmed is lost, whatever happens to the process or to the end of its file."""

from __future__ import annotations

import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from services.ingest.records import Record
from services.ingest.spool_store import PAGE_BYTES, BadSpool, SpoolFull, SpoolStore
from tests.support.commands import ROOT, bellwether_env
from tests.support.spool_writer import MAX_BYTES, numbered

TEARS = 40


def numbers(store: SpoolStore) -> list[int]:
    """Which records lie there, after a look at every byte of them."""
    waiting = [spooled.record for spooled in store.oldest(1_000_000, MAX_BYTES)]
    assert waiting == [numbered(int(record.key)) for record in waiting]
    return [int(record.key) for record in waiting]


def test_records_come_back_whole_and_in_order_after_a_restart(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path, MAX_BYTES)
    store.append([numbered(n) for n in range(5)], 10.0)
    store.append([numbered(n) for n in range(5, 9)], 20.0)
    store.close()
    again = SpoolStore(tmp_path, MAX_BYTES)
    assert numbers(again) == list(range(9))
    assert list(again.waiting_keys()) == [str(n).encode() for n in range(9)]
    assert again.fill().oldest_at == 10.0


def test_a_batch_keeps_to_its_bounds_but_is_never_empty(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path, MAX_BYTES)
    store.append([numbered(n) for n in range(100)], 0.0)
    assert len(store.oldest(7, MAX_BYTES)) == 7
    few = store.oldest(100, 20_000)
    assert 0 < sum(len(spooled.record.value) for spooled in few) <= 20_000
    store.delete_through(store.oldest(50, MAX_BYTES)[-1].seq)
    assert len(store.oldest(100, 1)) == 1


def test_what_is_forgotten_is_gone_and_its_space_too(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path, MAX_BYTES)
    empty = store.fill().bytes
    store.append([numbered(n) for n in range(1000)], 10.0)
    store.append([numbered(1000)], 20.0)
    full = store.fill().bytes
    assert full > 1_000_000
    fill = store.delete_through(store.oldest(1000, MAX_BYTES)[-1].seq)
    assert fill.oldest_at == 20.0
    assert numbers(store) == [1000]
    fill = store.delete_through(store.oldest(1, MAX_BYTES)[-1].seq)
    assert fill.oldest_at is None
    assert fill.bytes <= empty + 2 * PAGE_BYTES
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000
    assert numbered(997).value[:50] not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_numbers_are_not_used_again_once_the_spool_was_empty(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path, MAX_BYTES)
    store.append([numbered(0)], 0.0)
    (first,) = store.oldest(1, MAX_BYTES)
    store.delete_through(first.seq)
    store.close()
    store = SpoolStore(tmp_path, MAX_BYTES)
    store.append([numbered(1)], 0.0)
    assert store.oldest(1, MAX_BYTES)[0].seq > first.seq


def test_a_full_spool_takes_nothing_of_a_batch_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path, 1 << 20)
    taken = 0
    with suppress(SpoolFull):
        while True:
            store.append(twenty(taken), 0.0)
            taken += 20
    assert numbers(store) == list(range(taken))
    assert 0.9 * (1 << 20) < store.fill().bytes <= 1 << 20
    with pytest.raises(SpoolFull):
        store.append(twenty(taken), 0.0)
    store.delete_through(store.oldest(taken // 2, MAX_BYTES)[-1].seq)
    store.append(twenty(taken), 0.0)
    assert numbers(store) == list(range(taken // 2, taken + 20))


def twenty(first: int) -> list[Record]:
    return [numbered(n) for n in range(first, first + 20)]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path / "spool", MAX_BYTES)
    store.append([numbered(1)], 0.0)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "spool").iterdir()}
    assert modes == {"spool.db": 0o600, "spool.db-wal": 0o600}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_two_processes_cannot_use_it_at_once(tmp_path: Path) -> None:
    first = SpoolStore(tmp_path, MAX_BYTES)
    with pytest.raises(BadSpool, match="in use by another ingest"):
        SpoolStore(tmp_path, MAX_BYTES)
    first.close()
    SpoolStore(tmp_path, MAX_BYTES).close()


def test_a_file_that_is_no_spool_is_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"somebody's letters, of more than a hundred bytes" * 100)
    with pytest.raises(BadSpool, match="damaged or none"):
        SpoolStore(tmp_path, MAX_BYTES)
    assert (tmp_path / "spool.db").read_bytes().startswith(b"somebody's letters")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSpool, match="BELLWETHER_INGEST_SPOOL"):
        SpoolStore(tmp_path / "file" / "spool", MAX_BYTES)


def test_a_torn_end_costs_whole_batches_from_the_end_and_nothing_else(tmp_path: Path) -> None:
    """A power cut leaves any part of what was not synced yet: cut the log anywhere, or fill its end with rubbish."""
    store = SpoolStore(tmp_path / "spool", MAX_BYTES)
    store.close()
    base = (tmp_path / "spool" / "spool.db").read_bytes()
    store = SpoolStore(tmp_path / "spool", MAX_BYTES)
    batches = [range(start, start + 7) for start in range(0, 140, 7)]
    logs = []
    for batch in batches:
        store.append([numbered(n) for n in batch], 0.0)
        logs.append((tmp_path / "spool" / "spool.db-wal").stat().st_size)
    log = (tmp_path / "spool" / "spool.db-wal").read_bytes()
    assert (tmp_path / "spool" / "spool.db").read_bytes() == base, "the log was written back: make fewer records"
    rng = random.Random(4)
    for tear in range(TEARS):
        cut = rng.randrange(len(log))
        torn = log[:cut] + (rng.randbytes(len(log) - cut) if tear % 2 else b"")
        copy = tmp_path / f"torn-{tear}"
        copy.mkdir()
        (copy / "spool.db").write_bytes(base)
        (copy / "spool.db-wal").write_bytes(torn)
        whole = [batch for batch, end in zip(batches, logs, strict=True) if end <= cut]
        again = SpoolStore(copy, MAX_BYTES)
        assert numbers(again) == [number for batch in whole for number in batch], f"cut at {cut}"
        again.append([numbered(1000)], 0.0)
        assert numbers(again)[-1] == 1000
        again.close()
        shutil.rmtree(copy)


@pytest.mark.parametrize("rounds", [5, pytest.param(12, marks=pytest.mark.nightly)])
def test_killed_at_any_moment_it_keeps_what_was_confirmed_in_order(tmp_path: Path, rounds: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    first = after = 0
    for _ in range(rounds):
        first, after = killed_once(tmp_path, rng, first, after)
    assert after > 0


def killed_once(folder: Path, rng: random.Random, first: int, after: int) -> tuple[int, int]:
    """Let a writer run for a random number of lines; give what was surely forgotten and surely written so far."""
    argv = [sys.executable, "-m", "tests.support.spool_writer", str(folder), str(rng.randrange(1 << 32)), str(after)]
    writer = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=bellwether_env(), cwd=ROOT)
    assert writer.stdout is not None
    last = [writer.stdout.readline() for _ in range(rng.randrange(1, 60))]
    writer.kill()
    lines = [*last, *writer.stdout.read().splitlines(keepends=True)]
    writer.wait()
    told = [(what, int(number)) for what, _, number in (line.partition(" ") for line in lines if line.endswith("\n"))]
    after = max([after, *(number for what, number in told if what == "appended")])
    forgetting = [number for what, number in told if what == "forgetting"]
    # Of the last it is only known that it was begun, unless something came after it.
    done = forgetting if told[-1][0] == "appended" else forgetting[:-1]
    at_least, at_most = max([first, *done]), max([first, *forgetting])
    store = SpoolStore(folder, MAX_BYTES)
    found = numbers(store)
    store.close()
    begins, ends = (found[0], found[-1] + 1) if found else (after, after)
    assert found == list(range(begins, ends)), "a gap, a repetition or another order"
    assert at_least <= begins <= max(at_most, at_least)
    assert ends >= after
    return begins, ends


def test_a_failing_disk_is_not_taken_for_a_full_one(tmp_path: Path) -> None:
    store = SpoolStore(tmp_path, MAX_BYTES)
    store.close()
    with pytest.raises(sqlite3.Error):
        store.append([numbered(1)], 0.0)
