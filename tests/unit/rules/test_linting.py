"""The lint of rule files: a good file with one thing wrong is told its line, what is wrong there, and what to write."""

from __future__ import annotations

import pytest

from services.rules.linting import lint
from tests.unit.rules.lint_cases import NAMES, TYPES, errors, file_of, mutated, others
from tests.unit.rules.lint_cases_of_sense import EXAMPLES, PEOPLE, REACH, TEXTS, TRUTH

ALL = {**NAMES, **TYPES, **TRUTH, **TEXTS, **PEOPLE, **EXAMPLES, **REACH}


@pytest.mark.parametrize("name", ALL)
def test_what_is_wrong_is_told_with_its_line_and_what_to_write(name: str) -> None:
    case = ALL[name]
    text = mutated(case.rule, *case.changes)
    told = [one for one in errors(case.rule, text) if case.said in one]
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if case.at in line]
    places = {f"{file_of(case.rule)}:{line}: {case.rule}: " for line in lines}
    assert told, errors(case.rule, text)
    assert any(one.startswith(tuple(places)) for one in told), (told, lines)


def test_the_shipped_rules_have_nothing_wrong_not_even_at_the_bounds_of_their_parameters() -> None:
    assert [finding.text for finding in lint(others())] == []
