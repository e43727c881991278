"""Words of the evidence, from words.yaml beside this file: the console and the pages say the same."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import yaml

WORDS_FILE = Path(__file__).with_name("words.yaml")
_SPAN = re.compile(r"-?\d+ (?:d|h|min)(?: \d+ h)?")
_PART = re.compile(r"(\d+) (d|h|min)")
_CODE = re.compile(r"[A-Za-z]+(?:_[a-z]+)*")
_TWICE = re.compile(r"([^（）\s]+)（\1）")
_LARGE = re.compile(r"-?\d{5,}(?:\.\d+)?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_OPEN = re.compile(r"(.+)–\?")


class Known(Protocol):
    """`known(key, word)`: the reader's text for a key with its placeholders filled in, or the word itself."""

    def __call__(self, key: str, word: str, /, **values: object) -> str: ...


def load_words(file: Path = WORDS_FILE) -> dict[str, dict[str, str]]:
    """The words by language, by `op.<operator>`, `value.<value>`, `condition.<part>`, `department.<name>` and so on."""
    sections: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {f"{section}.{word}": both for section, words in sections.items() for word, both in words.items()}


def value_in_words(listed: str, known: Known) -> str:
    """A compared value in the reader's words; one that has none is said as it is. Also a list (`left, replaced`), a
    span of time (`31 d 4 h`), a large number (`500,000.00`) and a value of which only the least is known (`10–?`), as
    the rules service writes them."""
    return known("between.values", ", ").join(_in_words(value, known) for value in listed.split(", "))


def percent(ratio: str) -> str:
    """`0.6` as 60%, in a span as well (`0–0.5`); what is no number is left alone."""
    return _NUMBER.sub(lambda found: f"{(Decimal(found[0]) * 100).normalize():f}%", ratio)


def _in_words(value: str, known: Known) -> str:
    if _SPAN.fullmatch(value):
        span = _PART.sub(lambda part: f"{part[1]} {known(f'unit.{part[2]}', part[2])}", value.removeprefix("-"))
        return known("condition.ahead", value, value=span) if value.startswith("-") else span
    if _LARGE.fullmatch(value):
        whole, dot, rest = value.partition(".")
        return f"{int(whole):,}{dot}{rest}"
    least = _OPEN.fullmatch(value)
    if least is not None:
        return known("condition.at_least", value, value=_in_words(least[1], known))
    return known(f"value.{value}", value)


def summary_in_words(summary: str, language: str, known: Known) -> str:
    """A warning's summary without the names of the code: the rules service fills values in as they are in the data
    (`contract_review`). In English only what is no English word is replaced."""

    def word(found: re.Match[str]) -> str:
        code = found[0]
        plain_english = language == "en" and "_" not in code and code not in ("true", "false")
        return code if plain_english else known(f"value.{code}", code)

    # A rule that says a class beside its name, key_cultivation（重点培育）, would say it twice now.
    return _TWICE.sub(r"\1", _CODE.sub(word, summary))
