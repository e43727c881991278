"""Where records rest: what every store promises, whatever it keeps them in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.rules.disk import DiskStores
from services.rules.packing import DICTIONARY_BYTES, Packer
from services.rules.stores import FRESH_CUSTOMERS, PACKED_BYTES, MemoryStore, Store

Open = Callable[[], Store]


@pytest.fixture(params=["memory", "rocksdb"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """An empty store of one partition."""
    if request.param == "memory":
        return MemoryStore
    stores = DiskStores(tmp_path, time.time)
    return lambda: stores.open(0)


def test_what_was_put_is_there_until_it_is_taken_away(open_store: Open) -> None:
    store = open_store()
    store.put("a", [("2026-03", b"segment"), ("", b"head")])
    store.put("b", [("", b"other")])
    assert dict(store.get("a")) == {"2026-03": b"segment", "": b"head"}
    assert store.record("a", "") == b"head"
    assert store.record("a", "2026-04") is None
    assert store.record("nobody", "") is None
    assert dict(store.get("nobody")) == {}
    assert ("a" in store, "nobody" in store, len(store)) == (True, False, 2)
    assert sorted(store.customers()) == ["a", "b"]

    store.put("a", [("2026-03", None), ("", b"newer")])
    assert dict(store.get("a")) == {"": b"newer"}
    store.put("a", [("", None)])
    store.put("nobody", [("", None)])
    assert ("a" in store, len(store), sorted(store.customers())) == (False, 1, ["b"])


def test_one_customers_name_may_begin_with_anothers(open_store: Open) -> None:
    store = open_store()
    for name in ("a", "ab", "a-b", "客户"):
        store.put(name, [("", name.encode())])
    assert {name: dict(store.get(name)) for name in ("a", "ab", "a-b", "客户")} == {
        name: {"": name.encode()} for name in ("a", "ab", "a-b", "客户")
    }


def test_after_any_changes_a_store_agrees_with_plain_dictionaries(open_store: Open) -> None:
    """More customers than stay fresh, some of them too large to be packed. Seed 7."""
    rng, store, plain = random.Random(7), open_store(), dict[str, dict[str, bytes]]()
    for step in range(4 * FRESH_CUSTOMERS):
        customer_id = f"C-{rng.randrange(2 * FRESH_CUSTOMERS)}"
        mine = plain.setdefault(customer_id, {})
        changes: dict[str, bytes | None] = {}
        for segment in rng.sample(["2026-01", "2026-02", "2026-02.1", ""], rng.randrange(1, 4)):
            size = PACKED_BYTES if rng.random() < 0.01 else rng.randrange(200)
            changes[segment] = None if rng.random() < 0.2 else bytes([step % 256]) * size
        store.put(customer_id, changes.items())
        for segment, value in changes.items():
            mine.pop(segment, None)
            if value is not None:
                mine[segment] = value
        if not mine:
            del plain[customer_id]
        if step % 500 == 0:
            store.commit(step, b"note")
        if step % 10 == 0:
            store.keep()
    assert {customer_id: dict(store.get(customer_id)) for customer_id in store.customers()} == plain
    assert len(store) == len(plain)
    assert (store.offset, store.note) == (3_500, b"note")


def test_a_memory_store_tells_the_size_of_its_records_and_forgets_all_when_closed() -> None:
    store = MemoryStore()
    for number in range(2 * FRESH_CUSTOMERS):
        store.put(f"C-{number}", [("", b"12345"), ("2026-03", b"123")])
    store.put("C-0", [("", b"1"), ("2026-03", None)])
    assert store.size_bytes == 8 * 2 * FRESH_CUSTOMERS - 7
    store.close()
    assert (len(store), store.size_bytes) == (0, 0)


def test_packed_records_come_back_as_they_were_before_and_after_the_dictionary_is_made() -> None:
    packer, rng = Packer(), random.Random(3)
    customers = [
        {"2026-03": b"invoice_id amount currency CNY" * 5 + rng.randbytes(40), "": rng.randbytes(rng.randrange(90))}
        for _ in range(2 * DICTIONARY_BYTES // 200)
    ]
    packed = [packer.pack(records) for records in customers]
    squeezed = [packer.squeeze(piece) for piece in packed]
    for pieces in (packed, squeezed, [packer.squeeze(piece) for piece in squeezed]):
        assert [packer.unpack(piece) for piece in pieces] == customers
        assert [list(packer.unpack(piece)) for piece in pieces] == [list(records) for records in customers]
    assert len(squeezed[-1]) < len(packed[-1]) * 0.7


def test_a_record_alone_comes_back_whatever_its_first_byte_and_is_not_copied() -> None:
    packer, rng = Packer(), random.Random(4)
    alone = [bytes((first,)) + b"invoice_id amount currency CNY" * 5 + rng.randbytes(40) for first in range(256)]
    customers = [*({"": record} for record in alone), {"": b""}, {"": b"\x00"}, {"2026-03": alone[200]}, {}]
    packed = [packer.pack(records) for records in customers]
    squeezed = [packer.squeeze(piece) for piece in packed]
    for pieces in (packed, squeezed, [packer.squeeze(piece) for piece in squeezed]):
        assert [packer.unpack(piece) for piece in pieces] == customers
    assert packed[200] is alone[200]
    assert len(squeezed[200]) < len(packed[200]) * 0.7


def test_customers_at_rest_are_squeezed_when_there_is_time() -> None:
    store = MemoryStore()
    for number in range(3 * FRESH_CUSTOMERS):
        store.put(f"C-{number}", [("", b"invoice_id amount currency CNY" * 5 + b"%d" % number)])

    def weight() -> int:
        return sum(len(piece) for piece in store._resting.values())

    loose = weight()
    while store._loose:
        store.keep()
    assert weight() < loose / 2
    assert store.record("C-7", "") == b"invoice_id amount currency CNY" * 5 + b"7"


def test_a_customer_that_rests_again_and_again_before_there_is_time_is_squeezed_once() -> None:
    store = MemoryStore()
    for number in range(20 * FRESH_CUSTOMERS):
        store.put(f"C-{number % (2 * FRESH_CUSTOMERS)}", [("", b"%d" % number)])
    assert len(store._loose) <= 2 * len(store) + FRESH_CUSTOMERS
