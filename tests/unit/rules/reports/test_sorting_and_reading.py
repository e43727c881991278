"""Records by key, each as it was last written, whatever fits into memory; and customers put together from them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from schemas.customers import record_key
from services.common.errors import UserError
from services.rules.reports.people import People, read_people
from services.rules.reports.reading import Customers, file_source, reference_of_file
from services.rules.reports.sorting import Record, newest_by_key
from tests.unit.rules.reports.making import day, order, records


@pytest.mark.parametrize("run_bytes", [1, 2_000, 10**9])
def test_each_key_comes_once_with_its_last_value_in_order(run_bytes: int) -> None:
    rng = random.Random(7)
    written: list[Record] = [
        (b"C%d" % rng.randrange(40), None if rng.random() < 0.2 else b"v%d" % n) for n in range(1_000)
    ]
    expected = {key: value for key, value in dict(written).items() if value is not None}

    assert list(newest_by_key(written, run_bytes)) == sorted(expected.items())
    assert 0 < len(expected) < 40


def test_a_customers_records_come_together() -> None:
    keys = [record_key(name, suffix) for suffix in ("2026-03", "", "2026-04") for name in ("C1", "C10", "C1-a", "C2")]

    found = [key for key, _ in newest_by_key([(key, b"x") for key in keys], run_bytes=200)]

    assert found == [
        record_key(name, suffix) for name in ("C1", "C1-a", "C10", "C2") for suffix in ("", "2026-03", "2026-04")
    ]


def test_what_holds_the_runs_is_gone_when_the_reader_stops_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    reader = newest_by_key(((b"C%d" % n, b"x") for n in range(1_000)), run_bytes=1_000)
    next(iter(reader))
    del reader

    assert list(tmp_path.iterdir()) == []


ACME = records("acme", order("O1", "2026-02-03"), order("O2", "2026-03-04"))


def test_a_customer_has_the_months_that_are_asked_for() -> None:
    february, march, snapshot = ACME
    lines = (
        (record_key("acme", "2026-03"), march),
        (record_key("acme"), snapshot),
        (record_key("acme", "2026-02"), february),
    )
    span = (day("2026-03-01"), day("2026-03-31"))

    (found,) = Customers(lambda: iter(lines), span, People())
    assert (found.snapshot.customer_id, list(found.months)) == ("acme", ["2026-03"])

    (bare,) = Customers(lambda: iter(lines), None, People())
    assert list(bare.months) == []


def test_counters_without_their_snapshot_wait_for_it() -> None:
    customers = Customers(
        lambda: iter([(record_key("acme", "2026-02"), ACME[0])]), (day("2026-02-01"), day("2026-02-28")), People()
    )

    assert list(customers) == []
    assert customers.problem_count == 0


def test_what_cannot_be_read_is_left_out_and_told() -> None:
    lines = [
        (b"acme", b'{"record":"customer"}'),
        (b"bolt", ACME[-1]),
        (b"cargo", b"not json"),
        (b"acme", ACME[-1]),
    ]
    customers = Customers(lambda: iter(lines), None, People())

    # The last word on acme can be read; of bolt it is acme's, of cargo it is nothing.
    assert [one.snapshot.customer_id for one in customers] == ["acme"]
    assert customers.problem_count == 2
    assert "the record names another customer or month" in customers.problems[0]


def test_a_file_may_hold_records_and_reference_events(tmp_path: Path) -> None:
    file = tmp_path / "world.jsonl"
    event = (
        b'{"specversion":"1.0","id":"1","source":"erp","type":"bellwether.promotion.announced",'
        b'"time":"2026-03-01T00:00:00Z","data":{"promotion_id":"fair"}}'
    )
    file.write_bytes(b"\n".join([event, *ACME, b""]))

    assert [key for key, _ in file_source(file)()] == [
        record_key("acme", "2026-02"),
        record_key("acme", "2026-03"),
        record_key("acme"),
    ]
    assert [one.promotion_id for one in reference_of_file(file).promotions()] == ["fair"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [(b"{", "is no JSON"), (b"[]", "is no JSON object"), (b"{}", "is neither a customer's record nor")],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, sentence: str) -> None:
    file = tmp_path / "world.jsonl"
    file.write_bytes(ACME[0] + b"\n" + line)

    with pytest.raises(UserError, match=f"world.jsonl:2: {sentence}"):
        list(file_source(file)())


def test_the_directory_tells_owners_and_regions_where_no_event_did(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(
        "customers: [{id: acme, name: A, owner: ada, region: 华东}, {id: bolt, name: B}]\n", encoding="utf-8"
    )
    people = read_people(file)

    assert (people.get("acme").owner, people.get("acme").region) == ("ada", "华东")
    assert people.get("bolt") == people.get("nobody")
    (found,) = Customers(lambda: iter([(b"acme", ACME[-1])]), None, people)
    assert (found.owner_on(day("2026-03-01")), found.region) == ("ada", "华东")


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="BELLWETHER_DIRECTORY: .*people.yaml cannot be read"):
        read_people(tmp_path / "people.yaml")
