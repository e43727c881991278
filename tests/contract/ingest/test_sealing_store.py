"""Sealing keys on every database: made once, the same for all who ask, and gone when they are destroyed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from services.common.database import Database
from services.common.master_file import BadMasterFile
from services.common.sealing import MasterKeys, UnknownMaster, master_line, new_key
from services.common.settings import read_settings
from services.ingest.sealing_cli import KeysUnreadable, store_in
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


def kept(store: SealingStore, *customer_ids: str) -> dict[str, bytes]:
    """New keys, kept for these customers."""
    made = {customer_id: new_key() for customer_id in customer_ids}
    assert store.add(made, NOW) == frozenset()
    return made


def test_a_key_that_was_kept_is_found_by_all(database: Database, store: SealingStore, masters: MasterKeys) -> None:
    made = kept(store, "C001", "C002")
    assert SealingStore(database, masters).find(["C002", "C001", "C001", "C003"]) == made


def test_many_keys_are_kept_and_found_at_once(store: SealingStore) -> None:
    made = kept(store, *(f"C{number}" for number in range(MOST_IN_QUERY * 2 + 1)))
    assert store.find(list(made)) == made


def test_of_two_keys_of_one_customer_the_first_is_kept(store: SealingStore) -> None:
    first = kept(store, "C001")
    assert store.add({"C001": new_key(), "C002": new_key()}, LATER) == {"C001"}
    assert store.find(["C001"]) == first
    assert store.find(["C002"]).keys() == {"C002"}


def test_of_many_who_add_at_once_one_is_the_first(store: SealingStore) -> None:
    keys = [new_key() for _ in range(16)]
    with ThreadPoolExecutor(8) as pool:
        lost = list(pool.map(lambda key: store.add({"C001": key}, NOW), keys))
    (winner,) = (key for key, losers in zip(keys, lost, strict=True) if not losers)
    assert store.find(["C001"]) == {"C001": winner}


def test_keys_do_not_lie_in_the_database_as_they_are(database: Database, store: SealingStore) -> None:
    key = kept(store, "C001")["C001"]
    with database.reading() as connection:
        stored = connection.execute(select(sealing_keys.c.key)).scalar_one()
    assert key not in stored
    with pytest.raises(UnknownMaster):
        SealingStore(database, MasterKeys([new_key()])).find(["C001"])


def test_a_master_key_that_is_missing_is_named_before_anything_is_sealed(database: Database, tmp_path: Path) -> None:
    settings = read_settings({"BELLWETHER_DATA_DIR": str(tmp_path)})
    kept(store_in(database, settings), "C001", "C002")
    assert store_in(database, settings).unknown_masters() == []
    settings.sealing_key_file.rename(tmp_path / "elsewhere")
    # Another one in its place would open nothing that is there.
    with pytest.raises(BadMasterFile, match=r"sealing\.key"):
        store_in(database, settings)
    settings.sealing_key_file.write_text(master_line(new_key()) + "\n")
    with pytest.raises(KeysUnreadable, match="BELLWETHER_SEALING_KEY_FILE"):
        store_in(database, settings)


@pytest.mark.parametrize("known", [True, False])
def test_a_destroyed_key_is_gone_and_is_not_made_again_by_itself(
    database: Database, store: SealingStore, known: bool
) -> None:
    if known:
        kept(store, "C001")
    store.destroy("C001", LATER)
    store.destroy("C001", datetime(2026, 3, 4, tzinfo=UTC))
    assert store.find(["C001", "C002"]) == {"C001": None}
    assert store.add({"C001": new_key()}, LATER) == {"C001"}
    with database.reading() as connection:
        row = connection.execute(select(sealing_keys).where(sealing_keys.c.customer_id == "C001")).one()
    assert (row.key, row.destroyed_at) == (None, LATER)


def test_a_customer_who_is_readmitted_gets_another_key(store: SealingStore) -> None:
    old = kept(store, "C001", "C002")
    store.destroy("C001", LATER)
    store.renew("C001", LATER)
    store.renew("C002", LATER)
    new = store.find(["C001", "C002"])
    assert new["C001"] not in (None, old["C001"])
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
    keys = kept(SealingStore(database, MasterKeys([old])), "C001", "C002")
    both = SealingStore(database, MasterKeys([new, old]))
    both.destroy("C003", NOW)
    assert (both.rewrap(), both.rewrap()) == (2, 0)
    assert SealingStore(database, MasterKeys([new])).find(["C001", "C002"]) == keys
