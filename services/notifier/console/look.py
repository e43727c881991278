"""Rendering: templates with everything escaped, and the few words they need besides the catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from schemas.warnings import SEVERITIES, Bilingual, Evidence
from services.notifier.console.story import linked
from services.notifier.console.texts import LANGUAGE_NAMES, LANGUAGES, Texts
from services.notifier.console.times import Countdown, countdown, date_text, instant_text, offset_text, span_text
from services.notifier.explaining import Group, Raised, explain, explain_rise, heading
from services.notifier.people import Person
from services.notifier.words import summary_in_words

HERE = Path(__file__).parent
STATIC = HERE / "static"


@dataclass(frozen=True)
class Frame:
    """What surrounds every page. `said` and `problems` are sentences; `here` is the path that forms come back to.
    `has_methods`: the menu leads to the reader's contact methods."""

    texts: Texts
    csrf: str
    here: str
    person: Person | None = None
    unread: int = 0
    section: str = ""
    has_methods: bool = False
    said: str | None = None
    problems: tuple[str, ...] = ()


class Words:
    """Instants, spans and bilingual texts for one reader at one instant. Templates know it as `w`."""

    def __init__(self, texts: Texts, zone: ZoneInfo, now: datetime) -> None:
        self.zone = zone
        self.now = now
        self._texts = texts

    def say(self, text: Bilingual) -> str:
        """The text in the reader's language."""
        return self._texts.of(text)

    def summary(self, evidence: Evidence) -> str:
        """What happened, without the names of the code."""
        return summary_in_words(self._texts.of(evidence.summary), self._texts.language, self._texts.known)

    def explain(self, evidence: Evidence) -> Group | None:
        """The condition with its values, for the macros of explanation.html."""
        return explain(evidence, self._texts.of, self._texts.known)

    def explain_rise(self, evidence: Evidence) -> Raised | None:
        """What raised the severity, for the same macros."""
        return explain_rise(evidence, self._texts.of, self._texts.known)

    def linked(self, text: str) -> list[tuple[str, str | None]]:
        """A message in pieces, each with the page of this console that it leads to."""
        return linked(text)

    def heading(self, group: Group) -> str:
        """How the branches of a group hang together."""
        return heading(group, self._texts.known)

    def instant(self, at: datetime) -> str:
        """Date and time in the company's zone."""
        return instant_text(at, self.zone, self._texts.language)

    def date(self, at: datetime) -> str:
        """The date in the company's zone."""
        return date_text(at, self.zone, self._texts.language)

    def exactly(self, at: datetime) -> str:
        """Date and time with the zone's offset, for tooltips."""
        return f"{self.instant(at)} {offset_text(at, self.zone)}"

    def ago(self, at: datetime) -> str:
        """How long `at` is past."""
        return span_text(self.now - at, self._texts)

    def countdown(self, due: datetime) -> Countdown:
        """How a deadline stands now."""
        return countdown(due, self.now, self._texts)

    def offset(self) -> str:
        """The company's zone now."""
        return offset_text(self.now, self.zone)


class Look:
    """Renders pages in the company's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            asset=_asset_addresses(),
            languages=[(language, LANGUAGE_NAMES[language]) for language in LANGUAGES],
            locales={"zh": "zh-CN", "en": "en"},
            severities=SEVERITIES,
        )

    def page(
        self, template: str, frame: Frame, now: datetime, values: Mapping[str, object], status: int = 200
    ) -> HTMLResponse:
        """Renders `template` for the reader of `frame`; problems on the page turn 200 into 422."""
        if frame.problems and status == 200:
            status = 422
        words = Words(frame.texts, self.zone, now)
        html = self._templates.get_template(template).render(frame=frame, t=frame.texts, w=words, **values)
        return HTMLResponse(html, status)


def _asset_addresses() -> Mapping[str, str]:
    """Static files by name, with a digest of their content: a new release is fetched, an old one is not."""
    files = sorted(file for file in STATIC.iterdir() if file.is_file())
    return {f.name: f"/static/{f.name}?v={hashlib.sha256(f.read_bytes()).hexdigest()[:10]}" for f in files}
