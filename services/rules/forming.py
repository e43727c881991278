"""What is wrong with the form of a rule file, and what to write instead. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import yaml


class BadParameter(ValueError):
    """A parameter whose value cannot be used; `name` is its."""

    def __init__(self, said: str, name: str) -> None:
        super().__init__(said)
        self.name = name


WANTED = {
    "id": "a capital letter and up to 15 letters or digits, such as `id: R40`",
    "name": "what people call the rule, `name: {zh: …, en: …}`",
    "kind": "one of stretch, streak, point, class, score",
    "output": "one of warning, task, suggestion, class, score",
    "clause": "the policy behind the rule, `clause: {zh: …, en: …, source: …}`",
    "source": "where the sentence stands, `source: …`",
    "summary": "what happened, `summary: {zh: …, en: …}`",
    "advice": "what to do, `advice: {zh: …, en: …}`",
    "examples": "at least one example that fires and one that stays quiet",
    "zh": "the text in Chinese, `zh: …`",
    "en": "the text in English, `en: …`",
}
"""What a key that is missing wants."""

EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "dict_type": "a mapping, `{key: …}`",
    "model_type": "a mapping, `{key: …}`",
    "list_type": "a list, `[…]`",
}
"""What stands where pydantic found something of another type."""


def mended(item: Any, known: Sequence[str]) -> str:
    """A sentence for one of pydantic's errors: what is wrong and what to write. `known` are the keys of its place."""
    key = str(item["loc"][-1]) if item["loc"] else ""
    given, kind = _short(item["input"]), item["type"]
    word = f"{given} cannot be used: write {WANTED.get(key, 'small letters, digits and _, beginning with a letter')}"
    said = {
        "extra_forbidden": f"there is no such key{_meant(key, known) or f' (known here: {_listed(known)})'}",
        "missing": f"is missing: add {WANTED.get(key, f'`{key}: …`')}",
        "string_too_short": f"is empty: write {WANTED.get(key, 'something')}",
        "string_pattern_mismatch": word,
        "too_short": f"holds too little: give {WANTED.get(key, 'more')}",
        **{one: f"{given} stands here: write {wanted}" for one, wanted in EXPECTED.items()},
    }
    if kind == "literal_error":
        words = item["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{given} is none of {_listed(words)}{_meant(item['input'], words)}"
    return said.get(kind) or str(item["msg"])


def _meant(name: Any, known: Sequence[str]) -> str:
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _short(given: Any) -> str:
    said = "nothing" if given is None else repr(given)
    return said if len(said) <= 40 else f"{said[:40]}…"


def written_twice(tree: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """The line and the key of everything that one mapping says twice: YAML would take the last without a word."""
    waiting, seen = [tree], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set[str]()
            for key, value in node.value:
                name = str(key.value)
                if name in keys:
                    yield key.start_mark.line + 1, name
                keys.add(name)
                waiting += [key, value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


MOST_LEVELS = 32
"""Of mappings and lists in each other. Conditions take two for each that is inside another."""


def too_deep(tree: yaml.Node | None) -> int | None:
    """The line at which a file is nested too deep. A node that an alias repeats is looked at once."""
    level, seen = [tree], set[int]()
    for _ in range(MOST_LEVELS):
        inner = [child for node in level for child in _children(node) if id(child) not in seen]
        seen.update(map(id, inner))
        level = list(inner)
    return level[0].start_mark.line + 1 if level and level[0] is not None else None


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
