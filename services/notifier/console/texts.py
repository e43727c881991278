"""Every text of the console, in Chinese and English, from texts.yaml beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import yaml

from schemas.warnings import Bilingual
from services.notifier.words import load_words

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_NAMES: dict[Language, str] = {"zh": "中文", "en": "English"}
CATALOGUE_FILE = Path(__file__).with_name("texts.yaml")

Entry = Mapping[str, str | Mapping[str, str]]


class Texts:
    """The catalogue in one language. `texts("list.lede", n=2)` fills the placeholders in; they are plain text.

    Raises KeyError for a key that is not in the catalogue: a page with a hole in it is a bug, not a fallback.
    """

    def __init__(self, catalogue: Mapping[str, Entry], language: Language) -> None:
        self.language: Language = language
        self._entries = {key: entry[language] for key, entry in catalogue.items()}

    def __call__(self, key: str, /, **values: object) -> str:
        entry = self._entries[key]
        if not isinstance(entry, str):
            entry = entry["one" if values["n"] == 1 else "other"]
        return entry.format(**values)

    def of(self, text: Bilingual) -> str:
        """A bilingual text from elsewhere, in this language."""
        return text.zh if self.language == "zh" else text.en

    def known(self, key: str, fallback: str, /, **values: object) -> str:
        """For words that other parts of the system may add to (states, channels): the text, or the word itself."""
        return self(key, **values) if key in self._entries else fallback


def load_catalogue(file: Path = CATALOGUE_FILE) -> dict[str, Entry]:
    """Reads the catalogue: `section: {key: {zh: text, en: text}}` becomes `section.key`, beside the words of pages.

    An English text may be `{one: ..., other: ...}`, chosen by the placeholder `n`.
    """
    sections: dict[str, dict[str, Entry]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    catalogue: dict[str, Entry] = {}
    catalogue.update(load_words())
    catalogue.update(
        (f"{section}.{key}", entry) for section, entries in sections.items() for key, entry in entries.items()
    )
    return catalogue


def load_texts(file: Path = CATALOGUE_FILE) -> dict[Language, Texts]:
    """The catalogue for each language."""
    catalogue = load_catalogue(file)
    return {language: Texts(catalogue, language) for language in LANGUAGES}


def choose_language(remembered: str | None, accept_language: str) -> Language:
    """For somebody who has not signed in: the language of the last visit, or the browser's, or Chinese."""
    for language in LANGUAGES:
        if remembered == language:
            return language
    for part in accept_language.lower().split(",")[:20]:
        for language in LANGUAGES:
            if part.strip().startswith(language):
                return language
    return "zh"
