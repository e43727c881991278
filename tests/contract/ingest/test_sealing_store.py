"""Sealing keys on every database: made once, the same for all who ask, and gone when they are destroyed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from services.common.database import Database
from services.common.sealing import MasterKeys, UnknownMaster, new_key
from services.ingest.sealing_store import MOST_IN_QUERY, SealingStore
from services.ingest.tables import forgotten, sealing_keys

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LATER = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def masters() -> MasterKeys:
    return MasterKeys([new_key()])


@pytest.fixture
def store(database: Database, masters: MasterKeys) -> SealingStore:
    return SealingStore(database, masters)


def test_a_key_is_made_once_and_is_the_same_for_all(
    database: Database, store: SealingStore, masters: MasterKeys
) -> None:
    first = store.keys_of(["C001", "C002"], NOW)
    assert first["C001"] != first["C002"]
    assert SealingStore(database, masters).keys_of(["C002", "C001", "C001"], LATER) == first


def test_many_keys_are_made_at_once(store: SealingStore) -> None:
    ids = [f"C{number}" for number in range(MOST_IN_QUERY * 2 + 1)]
    made = store.keys_of(ids, NOW)
    assert sorted(made) == sorted(ids)
    assert store.keys_of(ids, LATER) == made


def test_of_many_who_ask_at_once_all_get_the_same_key(store: SealingStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.keys_of(["C001"], NOW)["C001"], range(16)))
    assert len(set(found)) == 1


def test_keys_do_not_lie_in_the_database_as_they_are(database: Database, store: SealingStore) -> None:
    key = store.keys_of(["C001"], NOW)["C001"]
    with database.reading() as connection:
        stored = connection.execute(select(sealing_keys.c.key)).scalar_one()
    assert key not in stored
    with pytest.raises(UnknownMaster):
        SealingStore(database, MasterKeys([new_key()])).keys_of(["C001"], NOW)


@pytest.mark.parametrize("known", [True, False])
def test_a_destroyed_key_is_gone_and_is_not_made_again_by_itself(
    database: Database, store: SealingStore, known: bool
) -> None:
    if known:
        store.keys_of(["C001"], NOW)
    store.destroy("C001", LATER)
    store.destroy("C001", datetime(2026, 3, 4, tzinfo=UTC))
    assert store.keys_of(["C001", "C002"], LATER).keys() == {"C002"}
    with database.reading() as connection:
        row = connection.execute(select(sealing_keys).where(sealing_keys.c.customer_id == "C001")).one()
    assert (row.key, row.destroyed_at) == (None, LATER)


def test_a_customer_who_is_readmitted_gets_another_key(store: SealingStore) -> None:
    old = store.keys_of(["C001", "C002"], NOW)
    store.destroy("C001", LATER)
    store.renew("C001", LATER)
    store.renew("C002", LATER)
    new = store.keys_of(["C001", "C002"], LATER)
    assert new["C001"] != old["C001"]
    assert new["C002"] == old["C002"]


def test_who_was_forgotten_and_not_readmitted_is_known(database: Database, store: SealingStore) -> None:
    with database.writing() as connection:
        for name, readmitted in (("C001", None), ("C002", LATER)):
            connection.execute(
                forgotten.insert().values(customer_id=name, asked_at=NOW, asked_by="x", readmitted_at=readmitted)
            )
    assert store.forgotten() == {"C001"}


def test_all_keys_are_wrapped_anew_by_the_newest_master_key(database: Database) -> None:
    old, new = new_key(), new_key()
    keys = SealingStore(database, MasterKeys([old])).keys_of(["C001", "C002"], NOW)
    both = SealingStore(database, MasterKeys([new, old]))
    both.destroy("C003", NOW)
    assert (both.rewrap(), both.rewrap()) == (2, 0)
    assert SealingStore(database, MasterKeys([new])).keys_of(["C001", "C002"], NOW) == keys
