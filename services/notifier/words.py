"""Words of the evidence, from words.yaml beside this file: the console and the pages say the same."""

from __future__ import annotations

from pathlib import Path

import yaml

WORDS_FILE = Path(__file__).with_name("words.yaml")


def load_words(file: Path = WORDS_FILE) -> dict[str, dict[str, str]]:
    """The words by language, by `op.<operator>` and `value.<value>`."""
    sections: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {f"{section}.{word}": both for section, words in sections.items() for word, both in words.items()}
