"""Whose ids are is said by file: good rows are kept, all others are told by line."""

from __future__ import annotations

import pytest

from services.common.database import Database
from services.ingest import ids_store
from services.ingest.ids_changing import Applied, BadIds, apply, read_ids
from services.ingest.ids_store import IdRow
from tests.contract.ingest.replicas import NOW

HEADER = "source,external_id,customer_id\n"


def load(database: Database, text: str, *, force: bool = False, dry_run: bool = False) -> Applied:
    rows = list(read_ids(text.splitlines(keepends=True)))
    with database.writing() as tx:
        return apply(tx, rows, NOW, "test", force=force, dry_run=dry_run)


def listed(database: Database) -> list[IdRow]:
    with database.reading() as tx:
        rows = ids_store.list_ids(tx, None, None, None, 1000)
    return [IdRow(row["source"], row["external_id"], row["customer_id"]) for row in rows]


def counts(applied: Applied) -> tuple[int, int, int, list[int]]:
    return applied.new, applied.same, applied.changed, [one.place for one in applied.refused]


def test_good_rows_are_kept_and_their_sources_are_mapped(database: Database) -> None:
    assert counts(load(database, HEADER + "crm,X1,C1\ncrm,X2,C1\nerp,X1,C2\n")) == (3, 0, 0, [])
    assert listed(database) == [IdRow("crm", "X1", "C1"), IdRow("crm", "X2", "C1"), IdRow("erp", "X1", "C2")]
    with database.reading() as tx:
        assert ids_store.count_ids(tx) == {"crm": 2, "erp": 1}
    assert counts(load(database, HEADER + "crm,X1,C1\ncrm,X3,C3\n")) == (1, 1, 0, [])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("crm,,C1", "external_id must be"),
        ("crm,X1", "customer_id must be"),
        ("crm,X 1,C1", "external_id must be"),
        ("crm,X1," + "C" * 101, "customer_id must be"),
        ("crm,X1,11010519491231002X", "resident-ID"),
        ("crm,11010519491231002X,C1", "resident-ID"),
    ],
)
def test_a_row_that_is_no_mapping_is_refused_by_its_line_and_the_others_are_kept(
    database: Database, row: str, why: str
) -> None:
    applied = load(database, HEADER + f"crm,A,C1\n{row}\ncrm,B,C1\n")
    assert counts(applied) == (2, 0, 0, [3])
    assert why in str(applied.refused[0].problem)
    assert "11010519491231002X" not in str(applied.refused[0].problem)


def test_an_id_that_is_somebodys_goes_to_another_only_by_force(database: Database) -> None:
    load(database, HEADER + "crm,X1,C1\n")
    refused = load(database, HEADER + "crm,X1,C2\n")
    assert counts(refused) == (0, 0, 0, [2])
    assert "customer.merged" in str(refused.refused[0].problem)
    assert counts(load(database, HEADER + "crm,X1,C2\n", force=True, dry_run=True)) == (0, 0, 1, [])
    assert listed(database) == [IdRow("crm", "X1", "C1")]
    assert counts(load(database, HEADER + "crm,X1,C2\n", force=True)) == (0, 0, 1, [])
    assert listed(database) == [IdRow("crm", "X1", "C2")]


def test_rows_that_contradict_each_other_are_told_also_with_force(database: Database) -> None:
    assert counts(load(database, HEADER + "crm,X1,C1\ncrm,X1,C2\ncrm,X1,C1\n", force=True)) == (1, 1, 0, [3])
    assert listed(database) == [IdRow("crm", "X1", "C1")]


def test_a_dry_run_keeps_nothing(database: Database) -> None:
    assert counts(load(database, HEADER + "crm,X1,C1\n", dry_run=True)) == (1, 0, 0, [])
    with database.reading() as tx:
        assert (ids_store.generation(tx), ids_store.all_mapped(tx)) == (0, frozenset())


def test_every_change_is_heard_of_and_nothing_else(database: Database) -> None:
    def generation() -> int:
        with database.reading() as tx:
            return ids_store.generation(tx)

    load(database, HEADER + "crm,X1,C1\n")
    first = generation()
    load(database, HEADER + "crm,X1,C1\n")
    assert generation() == first
    with database.writing() as tx:
        assert ids_store.delete_id(tx, "crm", "X1") == "C1"
        assert ids_store.delete_id(tx, "crm", "X1") is None
    assert generation() == first + 1


@pytest.mark.parametrize("text", ["", "source,customer_id\ncrm,C1\n", "x" * 20_000, HEADER + "crm," + "X" * 20_000])
def test_another_file_is_told_to_be_one(text: str) -> None:
    with pytest.raises(BadIds):
        list(read_ids(text.splitlines(keepends=True)))


def test_a_file_without_a_source_takes_the_one_that_is_named_and_a_byte_order_mark_is_no_letter() -> None:
    (row,) = read_ids(["\ufeffexternal_id, customer_id\n", "X1,C1\n"], "crm")
    assert row.row == IdRow("crm", "X1", "C1")


def test_many_ids_are_found_among_many(database: Database) -> None:
    text = HEADER + "".join(f"crm,X{number},C{number}\n" for number in range(1_203))
    assert counts(load(database, text)) == (1_203, 0, 0, [])
    with database.reading() as tx:
        found = ids_store.find_ids(tx, [("crm", f"X{number}") for number in range(0, 2_400, 2)])
    assert found == {("crm", f"X{number}"): f"C{number}" for number in range(0, 1_203, 2)}
