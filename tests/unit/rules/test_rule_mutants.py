"""Whatever is wrong with a rule file, the check says so or lets it pass, and what compiles does not break the core."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import lru_cache

import pytest

from schemas.codec import InvalidEvent, parse
from schemas.events import PREFIX, Event
from schemas.fields import parse_instant
from services.rules.books import SHIPPED, assemble, load, read_files
from services.rules.calendar import DAY, micros
from services.rules.checking import check_files
from services.rules.compiling import Rule
from services.rules.definition import BadRule, parse_definition
from services.rules.examples import EXAMPLE_ZONE
from services.rules.linting import lint
from services.rules.rulebook import Rulebook
from tests.unit.rules.mutants import text_mutant, tree_mutant

FILES = read_files(SHIPPED)[0]
TEXTS = [FILES[name] for name in sorted(FILES)]


@lru_cache(maxsize=1)
def reads() -> dict[str, dict[str, str]]:
    """Each file with those of the rules that it reads the results of, in the end."""
    loaded = {one.rule.id: one for one in load(FILES, {})[0]}
    found: dict[str, dict[str, str]] = {}
    for one in loaded.values():
        wanted = [one.rule.id]
        for rule in wanted:
            wanted += [name for name in loaded[rule].rule.results if name not in wanted]
        found[one.file] = {loaded[rule].file: FILES[loaded[rule].file] for rule in wanted}
    return found


@lru_cache(maxsize=1)
def pool() -> list[tuple[str, str, dict[str, object]]]:
    """The events of all examples: types, times and data that the rules are about."""
    definitions = [parse_definition(text, name) for name, text in sorted(FILES.items())]
    examples = [example for definition in definitions for example in definition.examples]
    return [(event.type, event.time, event.data) for example in examples for event in example.events if event.data]


def history(rng: random.Random, length: int = 20) -> list[Event]:
    """Events of one customer, within a few months and in any order; some take the place of others."""
    events = []
    for number in range(length):
        kind, time, data = rng.choice(pool())
        said = {"specversion": "1.0", "id": str(number), "source": "mutants", "type": PREFIX + kind, "subject": "C1"}
        moved = parse_instant(time) + timedelta(hours=rng.randrange(-2400, 2400))
        replaced = {"supersedes": str(rng.randrange(number))} if number and rng.random() < 0.15 else {}
        events.append(parse({**said, "time": moved.isoformat(), "data": data, **replaced}))
    return events


def live_through(rules: list[Rule], events: list[Event]) -> None:
    """The life of a customer under some rules: every event, a write, and a year of silence."""
    core = assemble(rules, EXAMPLE_ZONE, None)
    state = core.open("C1", {})
    now = max(micros(event.time) for event in events)
    for offset, event in enumerate(events):
        try:
            core.apply(state, event, offset=offset, now=now)
        except InvalidEvent:
            continue
    records = {name: record for name, record in core.close(state).records if record is not None}
    state = core.open("C1", records)
    core.wake(state, now=now + 366 * DAY)
    core.close(state)


def mutant(rng: random.Random, name: str) -> dict[str, str]:
    text = FILES[name]
    changed = text_mutant(rng, text) if rng.random() < 0.3 else tree_mutant(rng, text, TEXTS)
    return {**reads()[name], name: changed}


def try_mutants(seed: int, number: int, *, with_examples: int) -> tuple[int, int]:
    """How many of some mutants compiled, and how many of them the lint let pass."""
    rng, compiled, passed = random.Random(seed), 0, 0
    for which in range(number):
        name = rng.choice(sorted(FILES))
        files = mutant(rng, name)
        if which % with_examples == 0:
            checked = check_files(files, {}, bounds=True)
            assert all(checked.problems)
        loaded, _ = load(files, {})
        findings = lint(loaded)
        assert all(finding.said and finding.line >= 1 for finding in findings)
        try:
            Rulebook([one.rule for one in loaded])
        except BadRule:
            continue
        if name in {one.file for one in loaded}:
            compiled += 1
            passed += not any(finding.level == "error" for finding in findings)
            live_through([one.rule for one in loaded], history(rng))
    return compiled, passed


@pytest.mark.parametrize("seed", range(5))
def test_mutants_are_judged_and_those_that_compile_do_not_break_the_core(seed: int) -> None:
    compiled, passed = try_mutants(seed, 30, with_examples=10)
    assert compiled >= passed > 3


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_thousand_mutants_more(seed: int) -> None:
    compiled, passed = try_mutants(seed, 100, with_examples=1)
    assert passed < compiled
