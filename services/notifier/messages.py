"""PURE: what a page says, in its reader's language: what happened, why, since when, what to do, by when, and where.

Contact details of anybody are never part of a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from html import escape
from urllib.parse import quote

from schemas import warnings as wire
from schemas.warnings import SEVERITIES, Bilingual
from services.notifier.case import PageKind, Role
from services.notifier.channels.base import Message
from services.notifier.people import Directory, Language, Person
from services.notifier.wording import DIGEST, LABEL, OPENING, ROLE, SEVERITY, SUBJECT
from services.notifier.words import value_in_words

MAX_DIGEST_LINES = 200
"""A digest with more pages than that lists the gravest and says how many more there are."""


@dataclass(frozen=True)
class About:
    """The page that an `undelivered` or `uncertain` one reports on."""

    person: str
    channel: str
    error: str


@dataclass(frozen=True)
class Notice:
    """One page with what its text needs."""

    key: str
    kind: PageKind
    role: Role
    case_id: str | None
    warning: wire.Warning
    due: datetime | None = None
    about: About | None = None


@dataclass(frozen=True)
class Letters:
    """Writes messages. `console_url` is where the console answers, without a slash at the end; `zone` the company's.
    `words` are those of the evidence; a value that has none is said as it is."""

    directory: Directory
    console_url: str
    zone: tzinfo
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def single(self, notice: Notice, to: Person) -> Message:
        """The message of one page."""
        words = self._words(notice, to.language)
        subject = SUBJECT[notice.kind][to.language].format(**words)
        paragraphs = [OPENING[notice.kind][to.language].format(**words)]
        if notice.kind not in ("withdrawn", "undelivered"):
            paragraphs.append(ROLE[notice.role][to.language].format(**words))
        if notice.warning.merged_into and notice.kind == "withdrawn":
            paragraphs.append(LABEL["merged"][to.language])
        rows = [] if notice.kind == "withdrawn" else self._rows(notice, to.language)
        link = self._link(notice)
        text, html = _text(paragraphs, rows, link, to.language), _html(paragraphs, rows, link, to.language)
        return Message(notice.key, to, subject, text, html, notice.case_id, self._data(notice, link))

    def digest(self, notices: Sequence[Notice], to: Person) -> Message:
        """One message for many pages to one person, the gravest first."""
        ordered = sorted(notices, key=lambda notice: -SEVERITIES.index(notice.warning.severity))
        customers = len({notice.warning.customer_id for notice in ordered})
        words = {"n": len(ordered), "customers": customers}
        rows = []
        for notice in ordered[:MAX_DIGEST_LINES]:
            subject = SUBJECT[notice.kind][to.language].format(**self._words(notice, to.language))
            rows.append((subject, [*self._deadline(notice, to.language), self._link(notice)]))
        if len(ordered) > MAX_DIGEST_LINES:
            rows.append((f"+ {len(ordered) - MAX_DIGEST_LINES}", [f"{self.console_url}/"]))
        opening = [DIGEST["opening"][to.language].format(**words)]
        link = f"{self.console_url}/"
        text, html = _text(opening, rows, link, to.language), _html(opening, rows, link, to.language)
        key = "digest/" + hashlib.sha256("\n".join(notice.key for notice in ordered).encode()).hexdigest()
        data: dict[str, object] = {"kind": "digest", "pages": [self._data(n, self._link(n)) for n in ordered]}
        return Message(key, to, DIGEST["subject"][to.language].format(**words), text, html, None, data)

    def _words(self, notice: Notice, language: Language) -> dict[str, str]:
        warning = notice.warning
        owner = self.directory.responsible(warning.customer_id).owner
        about = notice.about or About("", "", "")
        return {
            "severity": SEVERITY[warning.severity][language],
            "customer": self.directory.customer_name(warning.customer_id),
            "name": _in(warning.name, language),
            "owner": self._name(owner),
            "about_person": self._name(about.person),
            "about_channel": about.channel,
            # It is a sentence of its own, and stands within one of ours.
            "about_error": about.error.rstrip(".。 "),
        }

    def _rows(self, notice: Notice, language: Language) -> list[tuple[str, list[str]]]:
        warning = notice.warning
        rows = [
            (LABEL["what"][language], [_in(warning.evidence.summary, language)]),
            (LABEL["why"][language], self._why(warning.evidence, language)),
            (LABEL["since"][language], [self._local(warning.start)]),
            (LABEL["do"][language], [_in(warning.advice, language)]),
        ]
        if notice.due is not None:
            rows.append((LABEL["due"][language], [self._local(notice.due)]))
        rows.append((LABEL["clause"][language], [f"{_in(warning.clause, language)} ({warning.clause_source})"]))
        return rows

    def _why(self, evidence: wire.Evidence, language: Language) -> list[str]:
        def known(key: str, word: str) -> str:
            return self.words[key][language] if key in self.words else word

        lines = []
        for leaf in evidence.compared:
            if leaf.held:
                said = {"label": _in(leaf.label, language), "op": known(f"op.{leaf.op}", leaf.op)}
                value, threshold = value_in_words(leaf.value, known), value_in_words(leaf.threshold, known)
                lines.append(LABEL["threshold"][language].format(**said, value=value, threshold=threshold))
        return [*lines, LABEL["events"][language].format(n=evidence.events_total)]

    def _deadline(self, notice: Notice, language: Language) -> list[str]:
        return [f"{LABEL['due'][language]}: {self._local(notice.due)}"] if notice.due else []

    def _data(self, notice: Notice, link: str) -> dict[str, object]:
        warning = notice.warning
        return {
            "kind": notice.kind,
            "role": notice.role,
            "customer_id": warning.customer_id,
            "customer": self.directory.customer_name(warning.customer_id),
            "warning_id": warning.id,
            "revision": warning.revision,
            "rule": warning.rule,
            "severity": warning.severity,
            "since": warning.start.isoformat(),
            "due": notice.due.isoformat() if notice.due else None,
            "url": link,
        }

    def _link(self, notice: Notice) -> str:
        return f"{self.console_url}/cases/{quote(notice.case_id)}" if notice.case_id else f"{self.console_url}/tasks"

    def _local(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %z")

    def _name(self, person_id: str) -> str:
        person = self.directory.people.get(person_id)
        return person.name if person else person_id


def _text(paragraphs: Sequence[str], rows: Sequence[tuple[str, list[str]]], link: str, language: Language) -> str:
    blocks = ["\n".join(paragraphs)]
    blocks += [f"{label}\n" + "\n".join(f"  {line}" for line in lines) for label, lines in rows]
    blocks.append(f"{LABEL['link'][language]}: {link}")
    return "\n\n".join(blocks) + "\n"


def _html(paragraphs: Sequence[str], rows: Sequence[tuple[str, list[str]]], link: str, language: Language) -> str:
    head = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    body = "".join(f"<dt><b>{escape(label)}</b></dt>{_definitions(lines)}" for label, lines in rows)
    end = f'<p><a href="{escape(link)}">{escape(LABEL["link"][language])}: {escape(link)}</a></p>'
    tag = "zh-CN" if language == "zh" else "en"
    return f'<!doctype html><html lang="{tag}"><meta charset="utf-8"><body>{head}<dl>{body}</dl>{end}</body></html>'


def _definitions(lines: Sequence[str]) -> str:
    return "".join(f"<dd>{escape(line)}</dd>" for line in lines)


def _in(text: Bilingual, language: Language) -> str:
    return text.zh if language == "zh" else text.en
