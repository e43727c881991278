"""Reading the rulebook from its files, and putting the core together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.rules.calendar import Calendar, Micros
from services.rules.compiling import Loaded, Rule, compile_rule
from services.rules.core import Core
from services.rules.definition import BadRule, parse_definition
from services.rules.engine import Engine, Settings, judges_for
from services.rules.matcher import matcher_for, remembering_judge
from services.rules.reference import Reference
from services.rules.rulebook import Rulebook
from services.rules.workdays import is_working_day

SHIPPED = Path(__file__).parent / "rulebook"

Overrides = Mapping[str, Mapping[str, Any]]
"""Parameter values by rule and name, as a person gave them."""


def read_files(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The rule files of a folder, text by name, and a sentence for each that cannot be read."""
    files, problems = {}, []
    for file in sorted(folder.glob("*.yaml")):
        try:
            files[file.name] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{file.name}: cannot be read: {error}")
    problems += [f"{file.name}: is not read: name it {file.stem}.yaml" for file in sorted(folder.glob("*.yml"))]
    if not files and not problems:
        problems.append(f"{folder}: there is no rule file (*.yaml) here")
    return files, problems


def read_rules(folder: Path, overrides: Overrides | None = None) -> list[Rule]:
    """Every rule of a folder; raises BadRule with all problems of all files, or when the folder holds none."""
    files, problems = read_files(folder)
    return rules_of(files, overrides or {}, problems)


def rules_of(files: Mapping[str, str], overrides: Overrides, unread: Sequence[str] = ()) -> list[Rule]:
    """The rules of texts by file name; raises BadRule with all their problems, `unread` among them."""
    loaded, problems = load(files, overrides)
    if unread or problems:
        raise BadRule([*unread, *problems])
    rules = [one.rule for one in loaded]
    Rulebook(rules)  # whether they fit together
    return rules


def load(files: Mapping[str, str], overrides: Overrides) -> tuple[list[Loaded], list[str]]:
    """The rules of those files that compile, and what is wrong with the others."""
    loaded, problems, seen, known = list[Loaded](), list[str](), dict[str, str](), set[str]()
    for file, text in sorted(files.items()):
        try:
            definition = parse_definition(text, file)
            known.add(definition.id)
            rule = compile_rule(definition, overrides.get(definition.id, {}), file)
        except BadRule as error:
            problems += error.problems
            continue
        if rule.id in seen:
            line = definition.line(["id"])
            problems.append(f"{file}:{line}: {rule.id} is also in {seen[rule.id]}: give each rule its own id")
            continue
        seen[rule.id] = file
        loaded.append(Loaded(file, rule))
    problems += [f"{name}: there is no rule {name} to set a parameter of" for name in overrides if name not in known]
    return loaded, problems


def parse_overrides(settings: list[str]) -> dict[str, dict[str, str]]:
    """`RULE.PARAM=VALUE` as given on a command line; raises ValueError."""
    overrides: dict[str, dict[str, str]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        rule, dot, parameter = name.partition(".")
        if not (equals and dot and rule and parameter):
            raise ValueError(f"{setting!r} is not RULE.PARAM=VALUE, as in R1.grace_days=5")
        overrides.setdefault(rule, {})[parameter] = value
    return overrides


def assemble(
    rules: list[Rule],
    zone: ZoneInfo,
    horizon_months: int | None,
    reference: Reference | None = None,
    snapshot_every: Micros | None = None,
) -> Core:
    """The core over these rules, with durable_rules deciding. Raises BadRule when rules do not fit together.

    `snapshot_every`: how long after a change reports are told of a customer; None: never, as in a backtest.
    """
    rulebook = Rulebook(rules)
    trees = {f"{rule.id}#{n}": tree for rule in rulebook.rules.values() for n, tree in enumerate(rule.trees())}
    matcher = matcher_for(trees)
    judges = judges_for(rulebook, lambda name, tree: remembering_judge(matcher, name, tree))
    calendar = Calendar(zone, is_working_day)
    settings = Settings(horizon_months, snapshot_every)
    return Core(Engine(rulebook, judges, calendar, settings, Reference() if reference is None else reference))
