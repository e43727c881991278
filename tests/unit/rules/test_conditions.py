"""Leaves, unknown values and the courses of truth."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.rules.calendar import BEGINNING, NEVER
from services.rules.conditions import (
    Leaf,
    Op,
    Side,
    Threshold,
    Tree,
    agreed,
    assumed,
    leaves_of,
    plain_judge,
    side,
    side_course,
    stretches,
    truth_course,
)
from services.rules.facts import UNKNOWN, Point, Span, Value


@pytest.mark.parametrize(
    ("value", "op", "threshold", "expected"),
    [
        (Decimal("500000.00"), ">=", Decimal(500000), 0),
        (Decimal("499999.999999"), ">=", Decimal("500000.00"), -1),
        (3, ">", 2, 1),
        (0.25, "<", Decimal("0.25"), 0),
        ("左", "==", "左", 0),
        ('a"b', "==", "a'b", 1),
        ("abc", ">", 1, -1),
        ("5.00", ">=", 100000, -1),
        ("100000.00", ">=", 100000, 0),
        (True, "==", True, 0),
        (1, "==", True, 1),
        ("left", "==", frozenset({"left", "replaced"}), 0),
        (Span(0, 3), ">=", 2, None),
        (Span(2, 3), ">=", 2, 0),
        (Span(0, 1), ">=", 2, -1),
        (Span(0, 3), "==", 2, None),
        (UNKNOWN, "<", 2, None),
    ],
)
def test_on_which_side_a_value_lies(value: Value, op: Op, threshold: Threshold, expected: Side | None) -> None:
    assert side(Leaf("L", "fact", op, threshold), value) == expected


@pytest.mark.parametrize("op", ["<", "<=", "==", ">=", ">"])
def test_where_there_is_nothing_to_measure_no_comparison_holds(op: Op) -> None:
    leaf = Leaf("L", "fact", op, 5)
    found = side(leaf, None)
    assert found is not None
    assert not plain_judge(leaf)({"L": found})


def test_time_passed_reaches_its_limit_at_one_instant() -> None:
    leaf = Leaf("L", "silence", ">", 30, elapsed=True)
    course = side_course(leaf, [Point(BEGINNING, None), Point(100, 100), Point(120, 120), Point(200, 200)])
    assert course == [(BEGINNING, -1), (100, -1), (120, -1), (150, 1), (200, -1), (230, 1)]


def test_an_anchor_that_lies_far_back_is_past_its_limit_at_once() -> None:
    leaf = Leaf("L", "silence", ">", 30, elapsed=True)
    assert side_course(leaf, [Point(BEGINNING, None), Point(100, 20)]) == [(BEGINNING, -1), (100, 1)]


def truth(tree: Tree | Leaf, facts: dict[str, list[Point]]) -> list[Point]:
    """The tree's course where what is unknown is supposed to hold and not to hold."""
    courses = [(leaf, side_course(leaf, facts[leaf.fact])) for leaf in leaves_of(tree)]
    worlds = [
        truth_course(tree, [assumed(*pair, holds) for pair in courses], plain_judge(tree)) for holds in (False, True)
    ]
    return agreed(*worlds)


def test_where_it_is_not_known_nothing_starts_or_ends() -> None:
    leaf = Leaf("L", "count", ">=", 2)
    rising = [Point(BEGINNING, 0), Point(10, UNKNOWN), Point(20, 3), Point(30, UNKNOWN), Point(40, 0)]
    assert stretches(truth(leaf, {"count": rising})) == ([(20, 40)], NEVER)
    undecided = [Point(BEGINNING, 0), Point(10, UNKNOWN), Point(20, 1)]
    assert stretches(truth(leaf, {"count": undecided})) == ([], NEVER)


def test_what_is_unknown_but_cannot_decide_does_no_harm() -> None:
    sure, unsure = Leaf("A", "a", ">=", 1), Leaf("B", "b", ">=", 1)
    facts: dict[str, list[Point]] = {
        "a": [Point(BEGINNING, 0), Point(10, 1), Point(20, 0)],
        "b": [Point(BEGINNING, UNKNOWN)],
    }
    assert [point.value for point in truth(Tree("any", (sure, unsure)), facts)] == [None, True, None]
    assert [point.value for point in truth(Tree("all", (sure, unsure)), facts)] == [False, None, False]
