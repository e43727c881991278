"""The catalogue has every text in both languages, and times read naturally in each."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

import services.notifier.console as console
from schemas.cases import CaseEventType, Decision
from schemas.warnings import SEVERITIES, Change, ComparedOp, Output
from services.notifier.case import PageKind, Role
from services.notifier.console.cases import ACTIONS
from services.notifier.console.texts import LANGUAGES, Language, load_catalogue, load_texts
from services.notifier.console.times import countdown, date_text, instant_text, offset_text, span_text
from services.notifier.links import LinkAction
from services.notifier.views import PageState, ReviewState, TaskStatus

CATALOGUE = load_catalogue()
TEXTS = load_texts()
FOLDER = Path(console.__file__).parent
NOW = datetime(2026, 3, 18, 6, 30, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
_USED = re.compile(r"""(?:\bt|texts)\(\s*"([a-z_]+\.[a-z_.]+)\"""")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _forms(key: str, language: Language) -> list[str]:
    entry = CATALOGUE[key][language]
    return [entry] if isinstance(entry, str) else list(entry.values())


@pytest.mark.parametrize("key", CATALOGUE)
def test_every_text_is_there_in_both_languages_with_the_same_placeholders(key: str) -> None:
    assert set(CATALOGUE[key]) == set(LANGUAGES)
    found = {language: [set(_PLACEHOLDER.findall(form)) for form in _forms(key, language)] for language in LANGUAGES}
    assert all(form.strip() for language in LANGUAGES for form in _forms(key, language))
    (chinese,) = found["zh"]
    assert all(english <= chinese and chinese - english <= {"n"} for english in found["en"])


def test_every_text_that_the_pages_ask_for_is_in_the_catalogue() -> None:
    sources = [*FOLDER.glob("templates/*.html"), *FOLDER.glob("*.py")]
    asked = {key for source in sources for key in _USED.findall(source.read_text(encoding="utf-8"))}
    assert len(asked) > 80
    assert asked - set(CATALOGUE) == set()


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("severity", SEVERITIES),
        ("decision", get_args(Decision)),
        ("review", get_args(ReviewState)),
        ("pages", get_args(PageState)),
        ("role", get_args(Role)),
        ("kind", get_args(PageKind)),
        ("tasks", get_args(TaskStatus)),
        ("timeline", get_args(CaseEventType)),
        ("op", get_args(ComparedOp)),
        ("output", get_args(Output)),
        ("change", get_args(Change)),
        ("done", [done for _, done, _ in ACTIONS.values()]),
        ("link", [*get_args(LinkAction), *(f"{action}_go" for action in get_args(LinkAction))]),
        ("link_done", get_args(LinkAction)),
        ("channel", ("inbox", "email", "webhook")),
    ],
)
def test_every_word_of_the_system_has_a_text(section: str, names: list[str]) -> None:
    assert {f"{section}.{name}" for name in names} - set(CATALOGUE) == set()


def test_dates_and_times_are_written_as_each_language_does() -> None:
    assert instant_text(NOW, SHANGHAI, "zh") == "2026年3月18日 14:30"
    assert instant_text(NOW, SHANGHAI, "en") == "18 Mar 2026, 14:30"
    assert date_text(NOW + timedelta(hours=10), SHANGHAI, "en") == "19 Mar 2026"


@pytest.mark.parametrize(
    ("hours", "text"), [(8, "UTC+8"), (0, "UTC+0"), (5.5, "UTC+5:30"), (-3.5, "UTC-3:30"), (-11, "UTC-11")]
)
def test_a_zone_is_named_by_its_offset(hours: float, text: str) -> None:
    assert offset_text(NOW, timezone(timedelta(hours=hours))) == text


@pytest.mark.parametrize(
    ("span", "zh", "en"),
    [
        (timedelta(days=2, hours=3, minutes=5), "2 天 3 小时", "2 days 3 h"),
        (timedelta(days=1, minutes=5), "1 天", "1 day"),
        (timedelta(hours=3, minutes=20), "3 小时 20 分钟", "3 h 20 min"),
        (timedelta(seconds=59), "0 分钟", "0 min"),
        (timedelta(seconds=-1), "0 分钟", "0 min"),
    ],
)
def test_a_span_has_its_two_greatest_units(span: timedelta, zh: str, en: str) -> None:
    assert span_text(span, TEXTS["zh"]) == zh
    assert span_text(span, TEXTS["en"]) == en


def test_a_deadline_is_overdue_from_its_very_instant_on() -> None:
    assert countdown(NOW, NOW, TEXTS["en"]).urgency == "overdue"
    assert countdown(NOW + timedelta(seconds=1), NOW, TEXTS["en"]).urgency == "soon"
    assert countdown(NOW + timedelta(hours=6), NOW, TEXTS["en"]).urgency == "calm"
    assert countdown(NOW - timedelta(hours=2), NOW, TEXTS["en"]).text == "Overdue by 2 h"
