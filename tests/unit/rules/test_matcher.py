"""The matcher gives the answers of the plain interpreter, within durable_rules' limits."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import pytest

from services.rules.conditions import Leaf, Node, Op, Side, Tree, leaves_of, plain_judge, true_on
from services.rules.matcher import (
    MAX_GROUPS,
    MAX_PROPERTIES,
    DurableMatcher,
    MatcherFailed,
    PlainMatcher,
    matcher_for,
    pieces_of,
    remembering_judge,
)

OPS: list[Op] = ["<", "<=", "==", "!=", ">=", ">"]
SIDES: list[Side] = [-1, 0, 1]


def random_tree(rng: random.Random, rule: str, serial: list[int], depth: int = 0) -> Node:
    if depth > 2 or rng.random() < 0.4:
        serial[0] += 1
        return Leaf(f"{rule}_{serial[0]}", "fact", rng.choice(OPS), 1)
    branches = tuple(random_tree(rng, rule, serial, depth + 1) for _ in range(rng.randint(1, 3)))
    return Tree(rng.choice(["all", "any"]), branches)


def random_trees(rng: random.Random, count: int) -> dict[str, Node]:
    return {f"R{number}": random_tree(rng, f"R{number}", [0]) for number in range(count)}


def random_sides(rng: random.Random, trees: dict[str, Node]) -> dict[str, Side]:
    return {leaf.name: rng.choice(SIDES) for tree in trees.values() for leaf in leaves_of(tree)}


@pytest.mark.parametrize("rules", [1, 12, 300])
def test_it_agrees_with_the_plain_interpreter(rules: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    trees = random_trees(rng, rules)
    durable, plain = DurableMatcher(trees), PlainMatcher(trees)
    for _ in range(40):
        sides = random_sides(rng, trees)
        assert durable.fired(sides) == plain.fired(sides)


def test_fifty_rules_fire_at_once() -> None:
    trees: dict[str, Node] = {f"R{number}": Leaf(f"R{number}_1", "fact", ">=", 1) for number in range(200)}
    sides: dict[str, Side] = {f"R{number}_1": 1 if number < 50 else -1 for number in range(200)}
    assert DurableMatcher(trees).fired(sides) == {f"R{number}" for number in range(50)}


def test_asking_the_same_again_and_again_gives_the_same_answer() -> None:
    matcher = DurableMatcher({"R": Leaf("R_1", "fact", ">", 1)})
    assert [matcher.fired({"R_1": 1}) for _ in range(50)] == [frozenset({"R"})] * 50
    assert [matcher.fired({"R_1": 0}) for _ in range(50)] == [frozenset()] * 50


def test_a_tree_with_more_leaves_than_one_ruleset_likes_is_still_right() -> None:
    leaves = tuple(Leaf(f"R_{number}", "fact", ">", 1) for number in range(MAX_PROPERTIES + 10))
    matcher = DurableMatcher({"R": Tree("all", leaves), "S": Leaf("S_1", "fact", "<", 1)})
    high: dict[str, Side] = {leaf.name: 1 for leaf in leaves}
    assert matcher.fired({**high, "S_1": -1}) == {"R", "S"}
    assert matcher.fired({**high, "R_7": 0, "S_1": -1}) == {"S"}


def nested(depth: int, mode: str = "all") -> Node:
    """all of a leaf and any of a leaf and all of …"""
    leaf = Leaf(f"R_{depth}", "fact", ">", 1)
    return (
        Tree("all" if mode == "all" else "any", (leaf, nested(depth - 1, "any" if mode == "all" else "all")))
        if depth
        else leaf
    )


def wide(groups: int, each: int) -> Node:
    """any of so many alls of so many leaves."""
    alls = [tuple(Leaf(f"R_{n}_{m}", "fact", ">", 1) for m in range(each)) for n in range(groups)]
    return Tree("any", tuple(Tree("all", leaves) for leaves in alls))


BIG: list[Node] = [
    *(nested(depth) for depth in (MAX_GROUPS - 1, MAX_GROUPS, MAX_GROUPS + 1, 15, 16, 60)),
    *(wide(groups, 2) for groups in (MAX_GROUPS - 2, MAX_GROUPS - 1, MAX_GROUPS, 20, 100)),
    wide(3, 100),
    wide(1, 400),
    wide(400, 1),
    wide(1, MAX_PROPERTIES * (MAX_PROPERTIES + 1)),
]


@pytest.mark.parametrize("tree", BIG, ids=lambda tree: f"{len(list(leaves_of(tree)))} leaves")
def test_a_tree_that_is_too_big_for_one_rule_is_cut_into_pieces(tree: Node) -> None:
    rng = random.Random(len(list(leaves_of(tree))))
    matcher, judge = DurableMatcher({"R": tree, "S": Leaf("S_1", "fact", "<", 1)}), plain_judge(tree)
    seen = set()
    for chance in [0.0, 0.5, 0.9, 0.99, 1.0] * 4:
        sides: dict[str, Side] = {leaf.name: 1 if rng.random() < chance else 0 for leaf in leaves_of(tree)}
        seen.add(judge(sides))
        assert matcher.fired({**sides, "S_1": -1}) == ({"R", "S"} if judge(sides) else {"S"})
    assert seen == {True, False}


def test_a_tree_that_fits_is_one_rule_and_a_condition_that_stands_alone_is_no_group() -> None:
    leaf, other = Leaf("R_1", "fact", ">", 1), Leaf("R_2", "fact", ">", 1)
    assert pieces_of("R", Tree("all", (Tree("any", (Tree("any", (leaf, other)),)),))) == {
        "R": (Tree("any", (leaf, other)), 0)
    }


def test_what_durable_rules_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.rules.matcher.MAX_GROUPS", 100)
    with pytest.raises(MatcherFailed, match="durable_rules refuses R: .*error code: 113"):
        DurableMatcher({"R": nested(30)})


def test_only_trees_whose_leaves_are_all_given_are_asked() -> None:
    trees: dict[str, Node] = {"R": Leaf("R_1", "fact", "<=", 1), "S": Leaf("S_1", "fact", "<=", 1)}
    for matcher in (DurableMatcher(trees), PlainMatcher(trees)):
        assert matcher.fired({"R_1": 0}) == {"R"}


def test_the_judge_asks_once_for_each_signature() -> None:
    asked: list[dict[str, Side]] = []

    class Counting(PlainMatcher):
        def fired(self, sides: Mapping[str, Side], among: Iterable[str] | None = None) -> frozenset[str]:
            asked.append(dict(sides))
            return super().fired(sides, among)

    tree = Tree("any", (Leaf("R_1", "fact", ">=", 1), Leaf("R_2", "fact", "==", 1)))
    judge = remembering_judge(Counting({"R": tree}), "R", tree)
    answers = [judge({"R_1": one, "R_2": other}) for one in SIDES for other in SIDES for _ in range(3)]
    assert len(asked) == 9
    assert answers == [
        plain_judge(tree)({"R_1": one, "R_2": other}) for one in SIDES for other in SIDES for _ in range(3)
    ]


def test_where_durable_rules_is_missing_the_interpreter_decides_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("services.rules.matcher._missing", ImportError("no compiler"))
    assert isinstance(matcher_for({"R": Leaf("R_1", "fact", ">", 1)}), PlainMatcher)
    assert "the plain interpreter decides" in caplog.text


@pytest.mark.parametrize("op", OPS)
def test_every_comparison_on_every_side(op: Op) -> None:
    matcher = DurableMatcher({"R": Leaf("R_1", "fact", op, 1)})
    assert [bool(matcher.fired({"R_1": side})) for side in SIDES] == [true_on(op, side) for side in SIDES]
