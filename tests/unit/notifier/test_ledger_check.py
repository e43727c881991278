"""Whatever is done to a row of the ledger by hand is found, and said of the right row."""

from __future__ import annotations

import random
from dataclasses import replace

import orjson
import pytest

from services.notifier import chain
from services.notifier.chain import GENESIS, Entry, Head, Row
from services.notifier.ledger_check import ChainCheck, Finding, Span, Trouble, meet, merged, minus
from tests.unit.notifier.making import NOON

SEEDS = range(60)


def a_chain(length: int = 12) -> tuple[list[Row], Head]:
    entries = [Entry("case.commented", f"case-{n % 3}", NOON, {"n": n, "who": "王强"}) for n in range(length)]
    return chain.append(Head(0, GENESIS), entries)


def found(rows: list[Row], head: Head) -> list[Finding]:
    check = ChainCheck()
    for row in rows:
        check.feed(row)
    return check.findings(head)


def told(rows: list[Row], head: Head) -> list[tuple[str, int, int]]:
    return [(one.trouble, one.first, one.last) for one in found(rows, head)]


def renumbered(rows: list[Row], first: int = 1) -> list[Row]:
    """What somebody does who closes a gap, or makes room."""
    return [replace(row, sequence=number) for number, row in enumerate(rows, first)]


def rehashed(row: Row, **said: object) -> Row:
    """Somebody who knows the formula."""
    body = orjson.dumps({**orjson.loads(row.body), **said}, option=orjson.OPT_SORT_KEYS).decode()
    return replace(row, body=body, hash=chain.linked(row.previous, chain.digest(body)))


def test_nothing_is_found_in_what_nobody_touched() -> None:
    rows, head = a_chain()
    assert found(rows, head) == []
    assert found([], Head(0, GENESIS)) == []


def test_the_hash_is_the_one_that_the_documentation_gives_the_commands_for() -> None:
    """printf '%s\\n%s' "$previous" "$(printf %s "$body" | sha256sum | cut -c1-64)" | sha256sum"""
    (row,), _ = chain.append(Head(0, GENESIS), [Entry("x", None, NOON, {"b": 1, "a": "é", "gone": None})])
    assert row.body == '{"a":"é","at":"2026-03-02T04:00:00+00:00","b":1,"kind":"x","sequence":1}'
    assert row.hash == "9d2ae021d747339b35af3984e2336ea4a7ba2e5ae31cfd9d54976645b5d5e374"


@pytest.mark.parametrize("column", ["body", "hash", "previous"])
@pytest.mark.parametrize("number", [1, 5, 12])
def test_a_row_of_which_one_column_was_rewritten_is_named(column: str, number: int) -> None:
    rows, head = a_chain()
    row = rows[number - 1]
    other = {"body": row.body.replace("case-", "case."), "hash": "1" * 64, "previous": "2" * 64}[column]
    rows[number - 1] = replace(row, **{column: other})  # type: ignore[arg-type]
    assert told(rows, head) == [("rewritten", number, number)]


def test_a_row_that_was_rewritten_with_a_hash_that_fits_is_named_by_the_one_after_it() -> None:
    rows, head = a_chain()
    rows[4] = rehashed(rows[4], who="somebody else")
    assert told(rows, head) == [("rewritten", 5, 5)]


def test_the_last_row_rewritten_with_a_hash_that_fits_is_not_what_the_chain_ends_with() -> None:
    rows, head = a_chain()
    rows[-1] = rehashed(rows[-1], who="somebody else")
    assert told(rows, head) == [("end_rewritten", 12, 12)]


def test_a_removed_row_leaves_a_gap_also_when_it_was_closed() -> None:
    rows, head = a_chain()
    del rows[4:6]
    assert told(rows, head) == [("removed", 5, 6)]
    assert told(renumbered(rows), head) == [("moved", 5, 10), ("removed", 5, 6)]


def test_rows_cut_off_at_the_end_are_missed() -> None:
    rows, head = a_chain()
    assert told(rows[:9], head) == [("truncated", 10, 12)]
    assert told([], head) == [("truncated", 1, 12)]


def test_an_inserted_row_is_told_from_those_that_made_room_for_it() -> None:
    rows, head = a_chain()
    forged = rehashed(replace(rows[3], previous=rows[2].hash), n=99)
    assert told(renumbered([*rows[:3], forged, *rows[3:]]), head) == [("inserted", 4, 4), ("moved", 5, 13)]


def test_a_row_added_behind_the_end_is_found_though_it_fits() -> None:
    rows, head = a_chain()
    more, _ = chain.append(head, [Entry("case.commented", "case-0", NOON, {"n": 99})])
    assert told([*rows, *more], head) == [("inserted", 13, 13)]


def test_two_rows_that_changed_places_are_both_named() -> None:
    rows, head = a_chain()
    rows[4], rows[8] = replace(rows[8], sequence=5), replace(rows[4], sequence=9)
    assert told(rows, head) == [("moved", 5, 5), ("moved", 9, 9)]
    assert [one.says for one in found(rows, head)] == ["written as number 9", "written as number 5"]


def test_one_thing_does_not_hide_another() -> None:
    rows, head = a_chain()
    rows[1] = replace(rows[1], body="no JSON")
    rows[10] = replace(rows[10], hash="0" * 64)
    del rows[6]
    assert told(rows, head) == [("rewritten", 2, 2), ("removed", 7, 7), ("rewritten", 11, 11)]
    assert told(rows[:-1], head)[-1] == ("truncated", 12, 12)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_random_hand_does_is_found_where_it_was_done(seed: int) -> None:
    chance = random.Random(seed)
    rows, head = a_chain(chance.randint(3, 40))
    spoiled, expected = mutated(chance, rows)
    findings = found(spoiled, head)
    assert any(one.trouble in expected[0] and one.first <= expected[1] <= one.last for one in findings), (
        seed,
        expected,
        [str(one) for one in findings],
    )


def mutated(  # noqa: PLR0911 - one for each thing that a hand can do
    chance: random.Random, rows: list[Row]
) -> tuple[list[Row], tuple[set[Trouble], int]]:
    """One change by hand, what it may be called, and of which row: decided here, not by the code that looks for it."""
    rows, number = list(rows), chance.randint(1, len(rows))
    row = rows[number - 1]
    match chance.choice(["character", "hash", "remove", "close", "insert", "swap", "cut"]):
        case "character":
            at = chance.randrange(len(row.body))
            other = chance.choice([char for char in "abc019" if char != row.body[at]])
            rows[number - 1] = replace(row, body=row.body[:at] + other + row.body[at + 1 :])
            return rows, ({Trouble.REWRITTEN}, number)
        case "hash":
            rows[number - 1] = rehashed(row, n="forged")
            return rows, ({Trouble.REWRITTEN, Trouble.END_REWRITTEN}, number)
        case "remove":
            del rows[number - 1]
            return rows, ({Trouble.REMOVED, Trouble.TRUNCATED}, number)
        case "close":
            del rows[number - 1]
            return renumbered(rows), ({Trouble.REMOVED, Trouble.TRUNCATED}, number)
        case "insert":
            before = rows[number - 2].hash if number > 1 else GENESIS
            forged = rehashed(replace(row, previous=before), n="forged")
            return renumbered([*rows[: number - 1], forged, *rows[number - 1 :]]), ({Trouble.INSERTED}, number)
        case "swap":
            place = chance.choice([n for n in range(1, len(rows) + 1) if n != number])
            rows[number - 1] = replace(rows[place - 1], sequence=number)
            rows[place - 1] = replace(row, sequence=place)
            return rows, ({Trouble.MOVED}, number)
        case _:
            return rows[: number - 1], ({Trouble.TRUNCATED}, number)


@pytest.mark.parametrize("seed", SEEDS)
def test_spans_are_sets_of_numbers(seed: int) -> None:
    chance = random.Random(seed)

    def some() -> list[Span]:
        return [Span(first, first + chance.randint(-1, 4)) for first in (chance.randint(1, 30) for _ in range(4))]

    def numbers(spans: list[Span]) -> set[int]:
        return {number for span in spans for number in range(span.first, span.last + 1)}

    one, other = some(), some()
    assert numbers(merged(one)) == numbers(one)
    assert numbers(minus(one, other)) == numbers(one) - numbers(other), seed
    assert numbers(meet(one, other)) == numbers(one) & numbers(other), seed
