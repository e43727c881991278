"""Whether every text is there in both languages, and the examples are what they should be. PURE."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from schemas.fields import parse_instant
from services.rules.conditions import leaves_of
from services.rules.definition import Class, Definition, Otherwise
from services.rules.linting_found import Looking

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")
LANGUAGES = ("zh", "en")

Path = list[str]


def texts_of(definition: Definition) -> Iterator[tuple[Path, str]]:
    """Every text of a rule that people read, with its place."""
    for path, words in _words(definition):
        for language in LANGUAGES:
            if isinstance(words.get(language), str):
                yield [*path, language], words[language]


def _words(definition: Definition) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Everything that should be there in both languages."""
    said = definition.model_dump(include={"name", "clause", "summary", "advice", "clears"}, exclude_none=True)
    yield from (([name], words) for name, words in said.items())
    for group in ("params", "facts", "inputs"):
        for name, one in _named(getattr(definition, group)):
            label = one["label"] if isinstance(one, dict) and "label" in one else getattr(one, "label", None)
            if label is not None:
                yield [group, name, "label"], label if isinstance(label, dict) else _plain(label)
    yield from ((["fields", name], words.model_dump()) for name, words in definition.fields.items())
    given: list[tuple[Path, Class | Otherwise]] = [
        (["classes", str(n)], one) for n, one in enumerate(definition.classes)
    ]
    given += [(["otherwise"], definition.otherwise)] if definition.otherwise else []
    for path, word in given:
        yield [*path, "name"], word.name.model_dump()
        if word.advice is not None:
            yield [*path, "advice"], word.advice.model_dump()


def _named(group: Any) -> Iterator[tuple[str, Any]]:
    yield from group.items() if isinstance(group, dict) else ((str(n), one) for n, one in enumerate(group))


def _plain(label: Any) -> dict[str, Any]:
    dumped = label.model_dump() if hasattr(label, "model_dump") else {}
    return dict(dumped)


def look_at_texts(looking: Looking) -> None:
    """Finds texts that are missing, or that are in one language only."""
    definition = looking.rule.definition
    for path, words in _words(definition):
        _both(looking, path, words)
    _labels(looking)
    if definition.clears is None:
        what = "makes it change" if definition.judges else "would end it"
        looking.error([], f"nobody is told what {what}: add clears: {{zh: …, en: …}}")
    for leaf in leaves_of(looking.rule.when):
        if leaf.fact not in definition.facts and leaf.fact not in definition.fields:
            said = f"the field {leaf.fact} is compared and has no label: add {leaf.fact}: {{zh: …, en: …}} to `fields`"
            looking.error(looking.place(leaf), said)


def _labels(looking: Looking) -> None:
    definition = looking.rule.definition
    for name, fact in definition.facts.items():
        if not isinstance(fact.get("label"), dict):
            looking.error(["facts", name], f"the fact {name} has no label: add label: {{zh: …, en: …}}")
    for name, parameter in definition.params.items():
        if parameter.label is None:
            looking.error(["params", name], f"the parameter {name} has no label: add label: {{zh: …, en: …}}")
    for number, one in enumerate(definition.inputs):
        if one.label is None:
            looking.error(["inputs", str(number)], f"the input {one.fact} has no label: add label: {{zh: …, en: …}}")


def _both(looking: Looking, path: Path, words: dict[str, Any]) -> None:
    for language in LANGUAGES:
        if not isinstance(words.get(language), str) or not words[language].strip():
            looking.error(path, f"{'.'.join(path)} has no text in {language}: add one")
            return
    zh, en = words["zh"], words["en"]
    if zh == en and (CHINESE.search(zh) or LATIN.search(en)):
        looking.error(path, f"{'.'.join(path)} says the same in zh and en: translate one of them")
    elif not CHINESE.search(zh):
        looking.error([*path, "zh"], f"{'.'.join(path)}.zh has no Chinese character: translate it")
    elif not LATIN.search(en):
        looking.error([*path, "en"], f"{'.'.join(path)}.en has no Latin letter: translate it")


def look_at_examples(looking: Looking) -> None:
    """Finds names that occur twice, and examples that look at an instant before their last event."""
    examples = looking.rule.definition.examples
    names = Counter(example.name for example in examples)
    for number, example in enumerate(examples):
        place = ["examples", str(number)]
        if names[example.name] > 1:
            looking.error([*place, "name"], f"more than one example is named “{example.name}”: name what differs")
            names[example.name] = 0
        try:
            until = parse_instant(example.until)
            times = [parse_instant(event.time) for event in (*example.events, *example.reference)]
        except ValueError:
            continue  # running the example says it better
        if times and max(times) > until:
            said = f"`until` lies before the last event, of {max(times).isoformat()}: let it end later"
            looking.error([*place, "until"], said)
