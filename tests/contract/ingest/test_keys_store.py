"""Keys in SQL, and what a replica knows of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from services.common.database import Database
from services.ingest import keys_store
from services.ingest.keys import Bounds
from services.ingest.keys_ring import KeyRing, Unknown
from services.ingest.keys_store import BadKey, Made
from services.ingest.tables import api_keys
from services.ingest.treating import Sender

NOW = datetime(2026, 3, 2, 8, 30, 0, 250_000, tzinfo=UTC)
DAY = timedelta(days=1)
NARROW = Bounds("erp", ("invoice.*", "payment.*"), frozenset({"C1", "客户二"}), admin=True, per_second=50)


def add(database: Database, bounds: Bounds = NARROW, expires_at: datetime | None = None) -> Made:
    with database.writing() as tx:
        return keys_store.add(tx, bounds, "for tests", NOW, expires_at)


def ring_at(database: Database, now: datetime = NOW) -> KeyRing:
    ring = KeyRing(database, lambda: now, lambda: 0.0)
    ring.refresh()
    return ring


def test_a_key_comes_back_as_it_was_made(database: Database) -> None:
    made = add(database, expires_at=NOW + DAY)
    with database.reading() as tx:
        assert keys_store.every(tx) == [made.key]
    assert (made.key.bounds, made.key.expires_at) == (NARROW, NOW + DAY)


def test_a_key_without_bounds_has_none(database: Database) -> None:
    add(database, Bounds("*"))
    with database.reading() as tx:
        (key,) = keys_store.every(tx)
    assert (key.bounds, key.expires_at) == (Bounds("*"), None)


def test_the_secret_is_nowhere_in_the_database(database: Database) -> None:
    made = add(database)
    secret = made.token.split("_")[2]
    with database.reading() as tx:
        row = tx.execute(select(api_keys)).one()
    assert secret not in repr(tuple(row))
    assert bytes.fromhex(secret) not in row.digest
    assert len(row.digest) == 32


def test_no_two_keys_are_alike(database: Database) -> None:
    assert len({add(database).token for _ in range(20)}) == 20


def test_types_that_no_event_has_are_refused(database: Database) -> None:
    with pytest.raises(BadKey, match='no event has a type like "invocie'):
        add(database, Bounds("erp", ("invoice.*", "invocie.*")))


@pytest.mark.parametrize("source", ["", "a b", "x" * 201])
def test_sources_that_no_event_can_have_are_refused(database: Database, source: str) -> None:
    with pytest.raises(BadKey, match="no event can have such a source"):
        add(database, Bounds(source))


def test_a_replica_knows_a_key_with_its_bounds(database: Database) -> None:
    made = add(database)
    sender = ring_at(database).sender(made.token)
    assert isinstance(sender, Sender)
    assert (sender.source, sender.customers, sender.admin, sender.per_second) == ("erp", NARROW.customers, True, 50)
    assert sender.name == f"erp/{made.key.id}"
    assert sender.types is not None
    assert "bellwether.invoice.issued" in sender.types


def test_what_another_replica_writes_is_known_after_the_next_look(database: Database) -> None:
    ring = ring_at(database)
    made = add(database)
    assert ring.sender(made.token) is Unknown.NO_KEY
    ring.refresh()
    assert isinstance(ring.sender(made.token), Sender)
    with database.writing() as tx:
        keys_store.revoke(tx, made.key.id, NOW)
    ring.refresh()
    assert ring.sender(made.token) is Unknown.NO_KEY
    assert not ring.is_empty


def test_a_key_expires_without_another_look(database: Database) -> None:
    made = add(database, expires_at=NOW + DAY)
    now = NOW
    ring = KeyRing(database, lambda: now, lambda: 0.0)
    ring.refresh()
    assert isinstance(ring.sender(made.token), Sender)
    now += DAY
    assert ring.sender(made.token) is Unknown.NO_KEY


def test_the_digest_of_another_row_opens_nothing(database: Database) -> None:
    one, other = add(database), add(database, replace(NARROW, source="crm"))
    with database.writing() as tx:
        tx.execute(update(api_keys).where(api_keys.c.id == other.key.id).values(digest=one.key.digest))
    secret = one.token.split("_")[2]
    assert ring_at(database).sender(f"bw_{other.key.id}_{secret}") is Unknown.NO_KEY


def test_old_and_new_work_beside_each_other_and_then_only_the_new(database: Database) -> None:
    old = add(database)
    with database.writing() as tx:
        new = keys_store.rotate(tx, old.key.id, 7 * DAY, NOW)
    assert new.key.bounds == old.key.bounds
    during, after = ring_at(database, NOW + 6 * DAY), ring_at(database, NOW + 7 * DAY)
    assert [isinstance(during.sender(made.token), Sender) for made in (old, new)] == [True, True]
    assert [isinstance(after.sender(made.token), Sender) for made in (old, new)] == [False, True]


def test_a_new_key_lives_as_long_as_the_old_one_was_to_and_the_old_one_no_longer(database: Database) -> None:
    old = add(database, expires_at=NOW + 30 * DAY)
    later = NOW + 29 * DAY
    with database.writing() as tx:
        new = keys_store.rotate(tx, old.key.id, 7 * DAY, later)
        (left,) = keys_store.load(tx, [old.key.id])
    assert new.key.expires_at == later + 30 * DAY
    assert left.expires_at == NOW + 30 * DAY


def test_what_works_no_more_is_neither_revoked_nor_rotated(database: Database) -> None:
    made = add(database, expires_at=NOW + DAY)
    with database.writing() as tx:
        with pytest.raises(BadKey, match="works no more"):
            keys_store.rotate(tx, made.key.id, DAY, NOW + DAY)
        with pytest.raises(BadKey, match="there is no key 000000000000"):
            keys_store.revoke(tx, "000000000000", NOW)
