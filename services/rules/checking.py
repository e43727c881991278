"""Whether a rulebook may be used: it compiles, and every rule does what its own examples say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from schemas.rulebook import BadBook, decode_book
from services.rules.books import Overrides, load, rules_of
from services.rules.compiling import Rule
from services.rules.definition import BadRule, Definition, parse_definition
from services.rules.examples import run_examples
from services.rules.linting import HORIZON_MONTHS, lint
from services.rules.linting_found import Finding
from services.rules.rulebook import Rulebook


class Checked(NamedTuple):
    """What was found: `problems` are sentences with file, line and what to mend; there are rules when there are none
    of these. `findings` are what the lint found, also those among the problems. `examples` counts those that ran."""

    rules: list[Rule]
    problems: list[str]
    examples: int
    findings: list[Finding]

    @property
    def warnings(self) -> list[str]:
        """What may be meant as it is."""
        return [finding.text for finding in self.findings if finding.level == "warning"]


def check_files(
    files: Mapping[str, str],
    overrides: Overrides,
    unread: Sequence[str] = (),
    horizon_months: int = HORIZON_MONTHS,
    *,
    bounds: bool = False,
) -> Checked:
    """Checks texts by file name. `unread` are the problems of files that could not be read; with `bounds` it warns of
    what the bounds of parameters allow."""
    loaded, wrong = load(files, overrides)
    problems = [*unread, *knots(files), *wrong]
    findings = lint(loaded, horizon_months, bounds=bounds)
    problems += [finding.text for finding in findings if finding.level == "error"]
    rules = [one.rule for one in loaded]
    if not problems:
        try:
            Rulebook(rules)  # whether they fit together
        except BadRule as error:
            problems += error.problems
    ran, failed = _examples(files, problems)
    problems += failed
    return Checked([] if problems else rules, problems, ran, findings)


def _examples(files: Mapping[str, str], problems: Sequence[str]) -> tuple[int, list[str]]:
    """How many examples were run, and what is wrong with them, but for what is known to be wrong with their rules."""
    ran, failed = 0, list[str]()
    definitions = _definitions(files)
    others = {definition.id: definition for definition in definitions.values()}
    for file, definition in definitions.items():
        for number, verdict in enumerate(run_examples(definition, file, others)):
            ran += 1
            if verdict.problem and verdict.problem not in problems:
                line = definition.line(["examples", str(number)])
                failed.append(f"{file}:{line}: {verdict.rule}: example “{verdict.example}”: {verdict.problem}")
    return ran, failed


def _definitions(files: Mapping[str, str]) -> dict[str, Definition]:
    """The definition of each file that can be read; what is wrong with the others is said by rules_of."""
    definitions = {}
    for file, text in sorted(files.items()):
        try:
            definitions[file] = parse_definition(text, file)
        except BadRule:
            continue
    return definitions


_PLACE = re.compile(
    r"(?P<file>[^:\n]+\.yaml)(?::(?P<line>\d+))?: (?:(?P<rule>[A-Z][A-Za-z0-9]{0,15}): )?(?P<said>.*)", re.DOTALL
)


def report(checked: Checked, rules: int) -> dict[str, Any]:
    """What was found, for tools: a row for each problem and warning with its place, as far as that is known."""
    warnings = [finding for finding in checked.findings if finding.level == "warning"]
    return {
        "rules": rules,
        "examples": checked.examples,
        "right": not checked.problems,
        "findings": [_row(problem) for problem in checked.problems] + [finding._asdict() for finding in warnings],
    }


def _row(problem: str) -> dict[str, Any]:
    place = _PLACE.fullmatch(problem)
    if place is None:
        return {"file": None, "line": None, "rule": None, "said": problem, "level": "error"}
    line = None if place["line"] is None else int(place["line"])
    return {"file": place["file"], "line": line, "rule": place["rule"], "said": place["said"], "level": "error"}


def check_published(raw: bytes) -> list[str]:
    """What is wrong with the bytes of a published rulebook; nothing when it may be used. Raises nothing."""
    try:
        book = decode_book(raw)
        return knots(book.files) or check_files(book.files, book.overrides).problems
    except (BadBook, BadRule) as error:
        return error.problems
    except Exception as error:  # noqa: BLE001 a book may be wrong in ways that nobody has thought of
        return [f"the rulebook cannot be judged: {type(error).__name__}: {error}"]


def rules_in(raw: bytes) -> list[Rule]:
    """The rules of a published book; raises BadBook or BadRule, and whatever else one that was not checked can do."""
    book = decode_book(raw)
    return rules_of(book.files, book.overrides)


def knots(files: Mapping[str, str]) -> list[str]:
    """Aliases let a few lines of YAML stand for a mapping of any size; no rule needs one."""
    problems = []
    for file, text in sorted(files.items()):
        if "&" not in text or "*" not in text:
            continue
        try:
            alias = next((event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)), None)
        except yaml.YAMLError:
            continue  # said by parse_definition, better
        if alias is not None:
            line = alias.start_mark.line + 1 if alias.start_mark else 1
            problems.append(f"{file}:{line}: write out what the alias *{alias.anchor} stands for")
    return problems
