"""Rows that belong together: whole, or refused."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from services.ingest.imports.grouping import grouped
from services.ingest.imports.reading import Row
from services.ingest.imports.rows import BadRow


def key_of(cells: Sequence[str]) -> str:
    if not cells[0]:
        raise BadRow("order", "is empty")
    return cells[0]


def groups(keys: str) -> list[tuple[list[int], str | None]]:
    """Of rows with these keys; "!" is a row that cannot be read, "_" one without a key."""
    rows = [
        Row(number, [] if key == "!" else [key.replace("_", "")], "is broken" if key == "!" else None)
        for number, key in enumerate(keys, start=2)
    ]
    return [([part.number for part in row.together], row.problem) for row in grouped(rows, key_of)]


def test_rows_on_end_with_the_same_key_are_one() -> None:
    assert groups("AABCC") == [([2, 3], None), ([4], None), ([5, 6], None)]
    assert groups("") == []


def test_a_key_that_comes_back_is_refused() -> None:
    (first, second, back) = groups("ABA")
    assert (first[1], second[1]) == (None, None)
    assert back == ([4], "A stood further up already: sort the file by it (at most 1000 rows belong together)")


@pytest.mark.parametrize(("broken", "why"), [("!", "is broken"), ("_", "order: is empty")])
def test_neighbours_of_a_row_that_cannot_be_read_may_not_be_whole(broken: str, why: str) -> None:
    beside = "stands beside row 4, which cannot be read and may belong to it"
    assert groups(f"AB{broken}BC") == [([2], None), ([3], beside), ([4], why), ([5], beside), ([6], None)]


def test_no_row_is_lost_and_no_order_is_taken_in_half() -> None:
    seed = random.randrange(1_000_000)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(300):
        keys = "".join(chance.choices("AAABBC!_", k=chance.randrange(12)))
        found = groups(keys)
        assert sorted(number for numbers, _ in found for number in numbers) == list(range(2, 2 + len(keys)))
        whole = [{keys[number - 2] for number in numbers} for numbers, problem in found if problem is None]
        assert all(len(keys_of_one) == 1 for keys_of_one in whole)
        taken = [keys_of_one.pop() for keys_of_one in whole]
        assert len(taken) == len(set(taken))
