"""The pages of every rule as their readers get them, kept beside this file in golden/.

`python -m tests.unit.notifier.golden_pages` writes them anew; what changed is then to be read in the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from schemas import warnings as wire
from services.notifier.messages import Letters
from services.notifier.people import Language
from services.notifier.template_files import shipped
from services.notifier.template_lint import LANGUAGES, reader, sample_letters, sample_notice
from services.notifier.words import load_words
from services.rules.books import SHIPPED, read_files
from services.rules.definition import parse_definition
from services.rules.examples import samples

FOLDER = Path(__file__).with_name("golden")
NOW = datetime.fromisoformat("2026-03-02T12:00:00+08:00")


@cache
def every_sample() -> dict[str, list[wire.Warning]]:
    """What each shipped rule says in its examples."""
    files, _ = read_files(SHIPPED)
    definitions = [parse_definition(text, name) for name, text in files.items()]
    return samples({definition.id: definition for definition in definitions})


def letters() -> Letters:
    """With the shipped templates."""
    return sample_letters(ZoneInfo("Asia/Shanghai"), load_words(), shipped())


def pages(language: Language) -> str:
    """The first sample of every rule: subject, line and text."""
    return "\n".join(_page(rule, said[0], language) for rule, said in every_sample().items())


def _page(rule: str, warning: wire.Warning, language: Language) -> str:
    notice = sample_notice(warning, "raised" if warning.output == "warning" else "nudge", NOW)
    message = letters().single(notice, reader(language))
    return f"════ {rule}\n{message.subject}\n{message.summary}\n\n{message.text}"


def golden() -> Iterator[tuple[Language, Path]]:
    """The file of each language."""
    for language in LANGUAGES:
        yield language, FOLDER / f"pages.{language}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for language, file in golden():
        file.write_text(pages(language), encoding="utf-8")
