"""What ingest's database keeps of a forgotten customer, on every database: that it was forgotten, and its ids."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert, select

from services.common.database import Database
from services.common.sealing import MasterKeys, new_key
from services.ingest import forgetting
from services.ingest.imports.comparing import Item, Said
from services.ingest.imports_store import KeptList
from services.ingest.sealing_store import SealingStore
from services.ingest.tables import dead_letters, external_ids, letter_decisions, merges, waiting_events

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LATER = datetime(2026, 3, 3, tzinfo=UTC)


def refused(database: Database) -> frozenset[str]:
    """Of whom ingest takes nothing."""
    return SealingStore(database, MasterKeys([new_key()])).forgotten()


def test_from_the_moment_it_is_asked_nothing_of_the_customer_is_taken(database: Database) -> None:
    forgetting.ask(database, "C001", "the officer", NOW)
    assert refused(database) == {"C001"}
    assert not forgetting.is_done(database, "C001")
    assert not forgetting.is_done(database, "C002")


def test_asked_again_the_first_who_asked_stays_on_record_and_so_does_how_far_it_came(database: Database) -> None:
    forgetting.ask(database, "C001", "the officer", NOW)
    forgetting.note_step(database, "C001", "key_destroyed")
    forgetting.ask(database, "C001", "somebody else", LATER)
    row = forgetting.found(database, "C001")
    assert row is not None
    assert (row.asked_by, row.asked_at, row.step, row.done_at) == ("the officer", NOW, "key_destroyed", None)
    forgetting.note_done(database, "C001", "{}", LATER)
    row = forgetting.found(database, "C001")
    assert row is not None
    assert (row.step, row.done_at, row.proof) == ("done", LATER, "{}")
    assert forgetting.is_done(database, "C001")


def test_who_is_readmitted_is_taken_again_and_may_be_forgotten_again(database: Database) -> None:
    forgetting.ask(database, "C001", "the officer", NOW)
    forgetting.note_done(database, "C001", "{}", NOW)
    forgetting.readmit(database, "C001", LATER)
    assert refused(database) == frozenset()
    assert not forgetting.is_done(database, "C001")
    forgetting.ask(database, "C001", "another", LATER)
    row = forgetting.found(database, "C001")
    assert row is not None
    assert (row.asked_by, row.step, row.done_at, row.proof, row.readmitted_at) == ("another", "", None, None, None)
    assert refused(database) == {"C001"}


def test_ids_that_were_merged_into_it_are_its_too_near_and_far(database: Database) -> None:
    pairs = [("C002", "C001"), ("C003", "C002"), ("C004", "C001"), ("X2", "X1"), ("C001", "C003")]
    with database.writing() as tx:
        for merged, surviving in pairs:
            tx.execute(insert(merges).values(merged_id=merged, surviving_id=surviving, at=NOW))
    # The last pair makes a circle, which must not be walked for ever.
    assert forgetting.others_of(database, "C001") == ["C002", "C004", "C003"]
    assert forgetting.others_of(database, "C009") == []


def test_who_was_merged_away_is_part_of_the_one_who_is_left(database: Database) -> None:
    with database.writing() as tx:
        for merged, surviving in (("C001", "C002"), ("C002", "C003")):
            tx.execute(insert(merges).values(merged_id=merged, surviving_id=surviving, at=NOW))
    assert [forgetting.survivor_of(database, one) for one in ("C001", "C003", "C009")] == ["C003", "C003", "C009"]


def test_what_waits_and_its_dead_letters_are_deleted_and_nobody_elses(database: Database) -> None:
    with database.writing() as tx:
        for customer_id in ("C001", "C002"):
            row = {"source": "erp", "external_id": f"X-{customer_id}", "changed_at": NOW, "changed_by": "x"}
            tx.execute(insert(external_ids).values(**row, customer_id=customer_id))
        for source, external_id, event_id in (("erp", "X-C001", "1"), ("erp", "X-C002", "2"), ("crm", "X-C001", "3")):
            event = {"source": source, "external_id": external_id, "event_id": event_id}
            tx.execute(insert(waiting_events).values(**event, value=b"{}", received_at=NOW))
        # By its own id, by the one that erp has for it, and by what is nobody's or another's.
        row = {"source": "erp", "external_id": "C001", "changed_at": NOW, "changed_by": "x"}
        tx.execute(insert(external_ids).values(**row, customer_id="C009"))
        found = [
            *(("crm", "C001", "ingest"), ("erp", "X-C001", "ingest"), ("erp", "C001", "rules/0/7")),
            *(("erp", "C001", "ingest"), ("crm", "X-C001", "ingest"), ("crm", "C002", "ingest"), ("", None, "ingest")),
        ]
        letter = {"code": "invalid", "reason": "x", "value": b"", "headers": "[]", "at": NOW, "state": "waiting"}
        for offset, (source, whose, origin) in enumerate(found):
            place = {"partition": 0, "offset": offset, "source": source, "customer_id": whose, "origin": origin}
            tx.execute(insert(dead_letters).values(**letter, **place))
        decided = {"number": 0, "at": NOW, "by": "x", "what": "asked"}
        tx.execute(insert(letter_decisions).values(**decided, partition=0, offset=0))
    assert forgetting.clear(database, "C001") == {"waiting_events": 1, "dead_letters": 3, "open_items": 0}
    assert forgetting.clear(database, "C001") == {"waiting_events": 0, "dead_letters": 0, "open_items": 0}
    with database.reading() as tx:
        assert sorted(tx.execute(select(waiting_events.c.event_id)).scalars()) == ["2", "3"]
        assert sorted(tx.execute(select(dead_letters.c.offset)).scalars()) == [3, 4, 5, 6]
        assert tx.execute(select(letter_decisions)).all() == []
        # By its external id what still comes is known for its, and refused.
        assert sorted(tx.execute(select(external_ids.c.customer_id)).scalars()) == ["C001", "C002", "C009"]
    assert forgetting.names_of(database, "C001") == [("erp", "X-C001")]


def test_its_items_in_lists_of_open_items_are_deleted_and_nobody_elses(database: Database) -> None:
    with database.writing() as tx:
        for external_id, customer_id in (("X-1", "C001"), ("C001", "C009")):
            row = {"source": "erp/north", "external_id": external_id, "changed_at": NOW, "changed_by": "x"}
            tx.execute(insert(external_ids).values(**row, customer_id=customer_id))
    lists: dict[str, dict[str, str]] = {
        "erp/north/ageing": {"its own id there": "X-1", "another's": "C001", "of nobody": "X-2"},
        "crm/ageing": {"its id": "C001", "another's": "X-1", "only mentions it": "C002"},
    }
    for name, items in lists.items():
        said = {
            item: Item({"note": 'about "C001"'}, {"0": Said("1", "x", "bellwether.invoice.issued", subject)})
            for item, subject in items.items()
        }
        KeptList(database, name, "x").write(said)
    gone = Item({}, {}, Said("2", "x", "bellwether.payment.received", "C001"))
    KeptList(database, "crm/ageing", "x").write({"settled": gone})
    assert forgetting.clear(database, "C001")["open_items"] == 3
    assert forgetting.clear(database, "C001")["open_items"] == 0
    left = {name: sorted(KeptList(database, name, "x").read()) for name in lists}
    assert left == {
        "erp/north/ageing": ["another's", "of nobody"],
        "crm/ageing": ["another's", "only mentions it"],
    }
