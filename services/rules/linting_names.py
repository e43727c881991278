"""Whether everything that a rule declares is used, and every name in its texts means something. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from services.rules.conditions import leaves_of
from services.rules.forms import Forms
from services.rules.linting_found import Looking
from services.rules.linting_texts import texts_of
from services.rules.wanted import did_you_mean, listed

NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def look_at_names(looking: Looking) -> None:
    """Finds what is declared and not used, and `{names}` that nothing is put in for."""
    _facts(looking)
    _parameters(looking)
    _conditions(looking)
    _fields(looking)
    _placeholders(looking)


def shown(looking: Looking) -> set[str]:
    """The names in the summary."""
    summary = looking.rule.definition.summary
    return set(NAME.findall(summary.zh)) | set(NAME.findall(summary.en))


def compared(looking: Looking) -> set[str]:
    """The facts and fields that a condition compares."""
    return {leaf.fact for tree in looking.rule.trees() for leaf in leaves_of(tree)}


def _facts(looking: Looking) -> None:
    definition = looking.rule.definition
    used = compared(looking) | shown(looking) | {one.fact for one in definition.inputs} | {definition.run}
    for name in definition.facts:
        if name not in used:
            looking.error(["facts", name], f"nothing uses the fact {name}: compare it, show it, or take it away")
        if name in definition.params:
            said = f"{name} is a fact and a parameter, and {{{name}}} shows the fact: give one another name"
            looking.error(["params", name], said)


def _parameters(looking: Looking) -> None:
    definition = looking.rule.definition
    said = definition.model_dump(exclude={"params", "examples"})
    used = {text[1:] for text in _strings(said) if text.startswith("$")}
    for name in definition.params:
        if name not in used:
            looking.error(["params", name], f"nothing uses the parameter {name}: write ${name} where it is meant")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _conditions(looking: Looking) -> None:
    definition = looking.rule.definition
    said = definition.model_dump(exclude={"params", "examples"})
    used = set(_named_conditions(said))
    for name in definition.conditions:
        if name not in used:
            said_of = f"nothing uses the condition {name}: write {{condition: {name}}} where it is meant"
            looking.error(["conditions", name], said_of)


def _named_conditions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("condition", "while") and isinstance(inner, str):
                yield inner
            yield from _named_conditions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_conditions(inner)


def _fields(looking: Looking) -> None:
    definition, used = looking.rule.definition, compared(looking) | shown(looking)
    for name in definition.fields:
        if looking.rule.of is None:
            looking.error(["fields"], "only a point shows fields of its event: take `fields` away")
            return
        try:
            Forms(definition, looking.rule.params).path({"of": looking.of}, name)
        except ValueError as error:
            looking.error(["fields", name], str(error))
            continue
        if name not in used:
            looking.error(["fields", name], f"nothing uses the field {name}: compare it, show it, or take it away")


def _placeholders(looking: Looking) -> None:
    definition = looking.rule.definition
    known = {*definition.facts, *definition.params, *definition.fields} | ({"run"} if definition.run else set())
    for path, text in texts_of(definition):
        for name in NAME.findall(text):
            if path[0] != "summary":
                looking.error(path, f"{{{name}}} is only filled in in the summary: say it in words here")
            elif name not in known:
                meant = did_you_mean(name, known)
                said = f"{{{name}}} is no fact, parameter or field (there are: {listed(sorted(known))}){meant}"
                looking.error(path, said)
    zh, en = (set(NAME.findall(text)) for text in (definition.summary.zh, definition.summary.en))
    for name in sorted((zh ^ en) & known):
        language = "en" if name in zh else "zh"
        looking.error(["summary", language], f"the other language shows {{{name}}}, this one does not: show it in both")
