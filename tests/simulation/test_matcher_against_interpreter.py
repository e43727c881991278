"""What durable_rules decides about rule files against a plain interpreter that reads them as they are written.

The values go the program's own way: to the sides of the compiled leaves, into the matcher, through the judge that
remembers. Nothing that works out a side is shared with the interpreter.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.fields import parse_instant
from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, assemble, rules_of
from services.rules.calendar import DAY, Micros, micros
from services.rules.compiling import Rule
from services.rules.conditions import (
    FALSE_SIDE,
    TRUE_SIDE,
    Leaf,
    Node,
    Side,
    assumed,
    leaves_of,
    side_course,
)
from services.rules.examples import EXAMPLE_ZONE
from services.rules.facts import UNKNOWN, Point, Span, Value
from services.rules.matcher import MAX_RULES, DurableMatcher, PlainMatcher, matcher_for, remembering_judge
from services.rules.rulebook import Rulebook
from tests.simulation.interpreter import Between, NotKnown, RuleFile
from tests.simulation.playing import how_many
from tests.simulation.ruletrees import Author, values_for
from tests.support.commands import ROOT
from tests.unit.rules.making import event

NOW: Micros = 20_000 * DAY
BOOKS = 60
BY_CHANCE = settings(deadline=None, print_blob=True, phases=[Phase.explicit, Phase.reuse, Phase.generate])
SEEDS = st.integers(0, 2**32 - 1)
"""What hypothesis says of a failure is the seed; there is nothing smaller to be found."""


def values_of(file: RuleFile, rng: random.Random) -> dict[str, Any]:
    return values_for(rng, [one for tree in file.trees() for one in file.comparisons(tree)])


def compiled(files: Sequence[RuleFile]) -> dict[str, Rule]:
    texts = {f"{file.raw['id']}.yaml": yaml.safe_dump(file.raw, allow_unicode=True) for file in files}
    return Rulebook(rules_of(texts, {})).rules


def trees_of(rules: Mapping[str, Rule]) -> dict[str, Node]:
    """The trees under the names that the program gives them."""
    return {f"{rule.id}#{number}": tree for rule in rules.values() for number, tree in enumerate(rule.trees())}


def course_of(leaf: Leaf, value: Any) -> list[Point]:
    """A fact with one value all the time; of a time passed, the instant since when."""
    known: Value = value
    if isinstance(value, NotKnown):
        known = UNKNOWN
    elif isinstance(value, Between):
        known = Span(value.low, value.high)
    elif leaf.elapsed and value is not None:
        known = NOW - value
    return [Point(0, known)]


def sides_of(tree: Node, values: Mapping[str, Any], supposed: bool) -> dict[str, Side]:
    """The side on which each leaf lies now."""
    sides: dict[str, Side] = {}
    for leaf in leaves_of(tree):
        value = values[leaf.fact]
        if leaf.elapsed and isinstance(value, NotKnown):
            sides[leaf.name] = TRUE_SIDE[leaf.op] if supposed else FALSE_SIDE[leaf.op]
            continue
        course = assumed(leaf, side_course(leaf, course_of(leaf, value)), supposed)
        sides[leaf.name] = next(side for at, side in reversed(course) if at <= NOW)  # type: ignore[misc]
    return sides


def holding(trees: Mapping[str, Node], matcher: DurableMatcher | PlainMatcher, sides: dict[str, Side]) -> set[str]:
    """What holds as a judge says that remembers, which must be what the matcher says of all at once."""
    fired = set(matcher.fired(sides))
    judges = {name: remembering_judge(matcher, name, tree) for name, tree in trees.items()}
    for _ in range(2):
        assert {name for name, judge in judges.items() if judge(sides)} == fired
    return fired


Valuation = Mapping[str, Mapping[str, Any]]
"""A value by rule and fact."""


class Book:
    """Rule files, and what each of the three makes of them."""

    def __init__(self, files: Sequence[RuleFile]) -> None:
        self.files = files
        self.trees = trees_of(compiled(files))
        matcher = matcher_for(self.trees)
        assert isinstance(matcher, DurableMatcher)
        self.durable, self.plain = matcher, PlainMatcher(self.trees)

    def read(self) -> dict[str, tuple[RuleFile, Mapping[str, Any]]]:
        """The trees as they stand in the files, under the program's names."""
        return {
            f"{file.raw['id']}#{number}": (file, tree)
            for file in self.files
            for number, tree in enumerate(file.trees())
        }

    def check(self, values: Valuation) -> set[str]:
        """All three agree on every tree, whatever is supposed of what is unknown; gives what holds without it."""
        found: list[set[str]] = []
        for supposed in (False, True):
            wanted = {
                name
                for name, (file, tree) in self.read().items()
                if file.holds(tree, values[file.raw["id"]], supposed=supposed)
            }
            sides: dict[str, Side] = {}
            for name, tree in self.trees.items():
                sides |= sides_of(tree, values[name.partition("#")[0]], supposed)
            assert holding(self.trees, self.durable, sides) == wanted
            assert self.plain.fired(sides) == wanted
            found.append(wanted)
        return found[0]


@settings(BY_CHANCE, max_examples=how_many(BOOKS))
@given(seed=SEEDS)
def test_invented_rules_over_invented_facts(seed: int) -> None:
    rng = random.Random(seed)
    author = Author(rng)
    files = [author.rule(f"X{number}") for number in range(rng.randint(1, 4))]
    book = Book(files)
    for _ in range(8):
        book.check({file.raw["id"]: values_of(file, rng) for file in files})


@settings(BY_CHANCE, max_examples=how_many(BOOKS))
@given(seed=SEEDS)
def test_invented_points_on_real_events(seed: int) -> None:
    """The whole core: JSON in, warnings out."""
    rng = random.Random(seed)
    author = Author(rng, points=True)
    files = [author.rule(f"X{number}") for number in range(rng.randint(1, 4))]
    comparisons = [one for file in files for tree in file.trees() for one in file.comparisons(tree)]
    core = assemble(list(compiled(files).values()), EXAMPLE_ZONE, None)
    run = Backtest(core)
    wanted = set()
    for number in range(12):
        values = values_for(rng, comparisons, of_events=True)
        fields = {name.removeprefix("fields."): value for name, value in values.items() if value is not None}
        fields["serial"] = number
        made = event("profile.updated", f"2026-03-01 {number:02}:00", id=f"E{number}", section="basic", fields=fields)
        run.feed(decode(encode(made)))
        wanted |= {(file.raw["id"], micros(made.time)) for file in files if file.holds(file.raw["when"], values)}
    assert run.refused == []
    assert {(one.rule, micros(parse_instant(one.start))) for one in run.episodes()} == wanted


def books_of(rng: random.Random, *, firing: int, quiet: int) -> tuple[list[RuleFile], dict[str, dict[str, Any]]]:
    """So many rules that hold, and so many that do not, each over values of its own."""
    author, files, values = Author(rng), list[RuleFile](), dict[str, dict[str, Any]]()
    left = {True: firing, False: quiet}
    while any(left.values()):
        file = author.rule(f"X{len(files)}")
        found = values_of(file, rng)
        holds = file.holds(file.raw["when"], found)
        if left[holds]:
            left[holds] -= 1
            values[file.raw["id"]] = found
            files.append(file)
    return files, values


@pytest.mark.parametrize("firing", [50, 130, 300])
def test_three_hundred_rules_of_which_many_fire_at_once(firing: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    files, values = books_of(rng, firing=firing, quiet=300 - firing)
    found = Book(files).check(values)
    assert len({name for name in found if name.endswith("#0")}) == firing


def test_as_many_rules_as_one_ruleset_holds_fire_in_one_message() -> None:
    """Each has a single comparison, so MAX_RULES and not the number of leaves ends the ruleset."""
    assert MAX_RULES <= 64
    trees: dict[str, Node] = {f"R{number}": Leaf(f"R{number}_1", "fact", ">=", 1) for number in range(2 * MAX_RULES)}
    sides: dict[str, Side] = {f"R{number}_1": 1 for number in range(2 * MAX_RULES)}
    assert holding(trees, matcher_for(trees), sides) == set(trees)


@cache
def shipped() -> Book:
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(SHIPPED.glob("*.yaml"))]
    return Book([RuleFile(file) for file in files])


@settings(BY_CHANCE, max_examples=how_many(BOOKS))
@given(seed=SEEDS)
def test_the_shipped_rules_over_invented_facts(seed: int) -> None:
    rng, book = random.Random(seed), shipped()
    book.check({file.raw["id"]: values_of(file, rng) for file in book.files})


def test_every_shipped_tree_is_seen_to_hold_and_not_to_hold() -> None:
    """So that the comparison above says something about each of them."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for name, (file, tree) in shipped().read().items():
        answers = (file.holds(tree, values_of(file, rng)) for _ in range(20_000))
        first = next(answers)
        assert (not first) in answers, f"{name} is always {first}"


def test_the_program_and_this_interpreter_find_the_same_leaves_in_the_shipped_files() -> None:
    assert shipped().trees.keys() == shipped().read().keys()
    for name, (file, tree) in shipped().read().items():
        mine = [(one.name, one.is_time) for one in file.comparisons(tree)]
        assert [(leaf.fact, leaf.elapsed) for leaf in leaves_of(shipped().trees[name])] == mine


WITHOUT_THE_EXTENSION = """
import sys
sys.modules["durable"] = None
from services.rules.books import SHIPPED, read_files
from services.rules.checking import check_files
from services.rules.matcher import PlainMatcher, matcher_for
assert isinstance(matcher_for({}), PlainMatcher)
few = ("R1_", "R2_", "R24e_", "R28_")
checked = check_files({name: text for name, text in read_files(SHIPPED)[0].items() if name.startswith(few)}, {})
print(len(checked.rules), checked.examples, checked.problems)
"""


def test_without_the_extension_the_rules_still_do_what_their_examples_say() -> None:
    argv = [sys.executable, "-c", WITHOUT_THE_EXTENSION]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rules, examples, problems = done.stdout.split(maxsplit=2)
    assert (rules, problems.strip()) == ("4", "[]")
    assert int(examples) >= 8
    assert "the plain interpreter decides" in done.stderr
