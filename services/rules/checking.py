"""Whether a rulebook may be used: it compiles, and every rule does what its own examples say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import yaml

from schemas.rulebook import BadBook, PublishedBook, decode_book
from services.rules.books import Overrides, rules_of
from services.rules.compiling import Rule
from services.rules.definition import BadRule, Definition, parse_definition
from services.rules.examples import run_examples


class Checked(NamedTuple):
    """What was found: `problems` are sentences with file, line and what to mend; there are rules when there are none
    of these. `examples` counts those that were run."""

    rules: list[Rule]
    problems: list[str]
    examples: int


def check_files(files: Mapping[str, str], overrides: Overrides, unread: Sequence[str] = ()) -> Checked:
    """Checks texts by file name. `unread` are the problems of files that could not be read."""
    rules, problems, examples = list[Rule](), list[str](), 0
    try:
        rules = rules_of(files, overrides, unread)
    except BadRule as error:
        problems += error.problems
    definitions = _definitions(files)
    others = {definition.id: definition for definition in definitions.values()}
    for file, definition in definitions.items():
        for verdict in run_examples(definition, file, others):
            examples += 1
            if verdict.problem and verdict.problem not in problems:
                problems.append(f"{file}: {verdict.rule}: example “{verdict.example}”: {verdict.problem}")
    return Checked(rules, problems, examples)


def _definitions(files: Mapping[str, str]) -> dict[str, Definition]:
    """The definition of each file that can be read; what is wrong with the others is said by rules_of."""
    definitions = {}
    for file, text in sorted(files.items()):
        try:
            definitions[file] = parse_definition(text, file)
        except BadRule:
            continue
    return definitions


def check_published(raw: bytes) -> list[str]:
    """What is wrong with the bytes of a published rulebook; nothing when it may be used. Raises nothing."""
    try:
        book = decode_book(raw)
        return _knots(book) or check_files(book.files, book.overrides).problems
    except (BadBook, BadRule) as error:
        return error.problems
    except Exception as error:  # noqa: BLE001 a book may be wrong in ways that nobody has thought of
        return [f"the rulebook cannot be judged: {type(error).__name__}: {error}"]


def rules_in(raw: bytes) -> list[Rule]:
    """The rules of a published book; raises BadBook or BadRule, and whatever else one that was not checked can do."""
    book = decode_book(raw)
    return rules_of(book.files, book.overrides)


def _knots(book: PublishedBook) -> list[str]:
    """Aliases let a few lines of YAML stand for a mapping of any size; no rule needs one."""
    problems = []
    for file, text in sorted(book.files.items()):
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
