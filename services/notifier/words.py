"""Words of the evidence, from words.yaml beside this file: the console and the pages say the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import yaml

WORDS_FILE = Path(__file__).with_name("words.yaml")
_SPAN = re.compile(r"\d+ (?:d|h|min)(?: \d+ h)?")
_PART = re.compile(r"(\d+) (d|h|min)")

Known = Callable[[str, str], str]
"""`known(key, word)`: the reader's text for a key, or the word itself."""


def load_words(file: Path = WORDS_FILE) -> dict[str, dict[str, str]]:
    """The words by language, by `op.<operator>`, `value.<value>`, `unit.<unit>` and `between.values`."""
    sections: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {f"{section}.{word}": both for section, words in sections.items() for word, both in words.items()}


def value_in_words(listed: str, known: Known) -> str:
    """A compared value in the reader's words; one that has none is said as it is. Also a list (`left, replaced`) and a
    span of time (`31 d 4 h`), as the rules service writes them."""
    return known("between.values", ", ").join(_in_words(value, known) for value in listed.split(", "))


def _in_words(value: str, known: Known) -> str:
    if _SPAN.fullmatch(value):
        return _PART.sub(lambda part: f"{part[1]} {known(f'unit.{part[2]}', part[2])}", value)
    return known(f"value.{value}", value)
