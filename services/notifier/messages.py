"""PURE: what a page says, in its reader's language: what happened, why, since when, what to do, by when, and where.

Contact details of anybody are never part of a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from urllib.parse import quote

from schemas import warnings as wire
from schemas.warnings import SEVERITIES, Bilingual
from services.notifier.case import PageKind, Role
from services.notifier.channels.base import Message
from services.notifier.digests import Block, digest_of
from services.notifier.explaining import Group, Leaf, explain, explain_rise, lines
from services.notifier.layout import Row, marked_up, plain
from services.notifier.people import Directory, Language, Person, Source, newest
from services.notifier.wording import DIGEST, DIGEST_LINE, LABEL, OPENING, ROLE, SEVERITY, STAND_IN, SUBJECT
from services.notifier.words import Known, summary_in_words

SHOWN_EVENTS = 3
SHOWN_OTHERS = 5
"""Of each value, and of the customer's other findings, in one message; the console shows them all."""


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

    people: Source
    console_url: str
    zone: tzinfo
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def directory(self) -> Directory:
        """The newest directory."""
        return newest(self.people)

    def single(self, notice: Notice, to: Person) -> Message:
        """The message of one page."""
        words = self._words(notice, to.language)
        subject = SUBJECT[notice.kind][to.language].format(**words)
        paragraphs = [OPENING[notice.kind][to.language].format(**words)]
        if notice.kind not in ("withdrawn", "undelivered"):
            stands_in = notice.warning.department is not None and notice.role != "department"
            said = STAND_IN if stands_in and notice.warning.output == "task" else ROLE[notice.role]
            paragraphs.append(said[to.language].format(**words))
        if notice.warning.merged_into and notice.kind == "withdrawn":
            paragraphs.append(LABEL["merged"][to.language])
        if notice.warning.customer_merged_into and notice.kind == "withdrawn":
            paragraphs.append(LABEL["customer_merged"][to.language].format(into=notice.warning.customer_merged_into))
        rows = [] if notice.kind == "withdrawn" else self._rows(notice, to.language)
        link = self.link(notice)
        end = (LABEL["link" if notice.case_id else "task"][to.language], link)
        text, html = plain(paragraphs, rows, end), marked_up(paragraphs, rows, end, to.language)
        return Message(notice.key, to, subject, text, html, notice.case_id, self._data(notice, link))

    def digest(self, notices: Sequence[Notice], to: Person) -> Message:
        """One message for many pages to one person: by customer, the gravest first, and no longer than a page."""
        chosen = digest_of(notices, self.directory.customer_name)
        words = {"n": len(chosen.ordered), "customers": chosen.customers}
        rows = [self._block(block, to.language) for block in chosen.blocks]
        all_of_it = f"{self.console_url}/cases?whose=mine"
        if chosen.left_out:
            said = {"n": chosen.left_out, "customers": chosen.customers - len(chosen.blocks)}
            rows.append((DIGEST["rest"][to.language].format(**said), [all_of_it]))
        opening = [DIGEST["opening"][to.language].format(**words)]
        end = (LABEL["console"][to.language], all_of_it)
        text, html = plain(opening, rows, end), marked_up(opening, rows, end, to.language)
        key = "digest/" + hashlib.sha256("\n".join(notice.key for notice in notices).encode()).hexdigest()
        data: dict[str, object] = {"kind": "digest", "pages": [self._data(n, self.link(n)) for n in chosen.ordered]}
        return Message(key, to, DIGEST["subject"][to.language].format(**words), text, html, None, data)

    def _block(self, block: Block[Notice], language: Language) -> Row:
        """What a digest says of one customer."""
        first = block.notices[0]
        severity = SEVERITY[first.warning.severity][language]
        said = {"customer": self.directory.customer_name(first.warning.customer_id), "severity": severity}
        label = DIGEST["customer"][language].format(**said, n=len(block.notices))
        lines = [self._digest_line(notice, language) for notice in block.shown]
        if block.left_out:
            lines.append(LABEL["more"][language].format(n=block.left_out))
        return label, [*lines, self._where(block.notices)]

    def _where(self, notices: Sequence[Notice]) -> str:
        """Where all of one customer's pages are followed up."""
        found = {notice.case_id for notice in notices}
        if len(notices) == 1 or (len(found) == 1 and None not in found):
            return self.link(notices[0])
        if found == {None}:
            return f"{self.console_url}/tasks"
        return f"{self.console_url}/customers/{quote(notices[0].warning.customer_id, safe='')}"

    def _digest_line(self, notice: Notice, language: Language) -> str:
        warning = notice.warning
        words = {"severity": SEVERITY[warning.severity][language], "name": _in(warning.name, language)}
        line = DIGEST_LINE[notice.kind][language].format(**words)
        if warning.subject:
            line = DIGEST["line"][language].format(line=line, subject=warning.subject)
        due = DIGEST["due"][language].format(due=self._local(notice.due)[:16]) if notice.due else ""
        return f"{line}  {due}".rstrip()

    def _words(self, notice: Notice, language: Language) -> dict[str, str]:
        warning = notice.warning
        owner = self.directory.responsible(warning.customer_id).owner
        about = notice.about or About("", "", "")
        return {
            "severity": SEVERITY[warning.severity][language],
            "customer": self.directory.customer_name(warning.customer_id),
            "name": _in(warning.name, language),
            "owner": self._name(owner),
            "department": self._known(language)(f"department.{warning.department}", warning.department or ""),
            "about_person": self._name(about.person),
            "about_channel": about.channel,
            # It is a sentence of its own, and stands within one of ours.
            "about_error": about.error.rstrip(".。 "),
        }

    def _rows(self, notice: Notice, language: Language) -> list[Row]:
        warning = notice.warning
        rows = [
            (
                LABEL["what"][language],
                [summary_in_words(_in(warning.evidence.summary, language), language, self._known(language))],
            ),
            (LABEL["why"][language], self._why(warning.evidence, language)),
            (LABEL["since"][language], [self._local(warning.start)]),
            (LABEL["do"][language], [_in(warning.advice, language)]),
        ]
        if warning.subject:
            rows.insert(0, (LABEL["subject"][language], [warning.subject]))
        if warning.clears is not None:
            rows.append((LABEL["clears"][language], [_in(warning.clears, language)]))
        if notice.due is not None:
            rows.append((LABEL["due"][language], [self._local(notice.due)]))
        rows.append((LABEL["clause"][language], [f"{_in(warning.clause, language)} ({warning.clause_source})"]))
        if warning.others:
            rows.append((LABEL["others"][language], self._others(warning.others, language)))
        return rows

    def _why(self, evidence: wire.Evidence, language: Language) -> list[str]:
        known = self._known(language)
        told = explain(evidence, lambda text: _in(text, language), known)
        found = self._lines(told, language) if told else []
        raised = explain_rise(evidence, lambda text: _in(text, language), known)
        if raised:
            found += [raised.said, *(f"\u3000{line}" for line in self._lines(raised.because, language))]
        total = evidence.events_total
        if not total:
            # It rests on a class alone, whose events stand with its leaf on the case's page.
            return found
        return [*found, LABEL["event" if total == 1 else "events"][language].format(n=total)]

    def _lines(self, told: Group, language: Language) -> list[str]:
        # Not spaces: HTML would swallow them, and a mail program may.
        return [
            "\u3000" * depth + (heading if leaf is None else self._leaf(leaf, language))
            for depth, heading, leaf in lines(told, self._known(language))
        ]

    def _leaf(self, leaf: Leaf, language: Language) -> str:
        known = self._known(language)
        mark = "✓" if leaf.held else "✗"
        words = {"label": leaf.label, "value": leaf.value, "condition": leaf.condition}
        said = f"{mark} {LABEL['threshold'][language].format(**words)}"
        if leaf.decided:
            said += f" ← {known('condition.decided', '')}"
        if leaf.events:
            named = [f"{event.source}/{event.id}" for event in leaf.events[-SHOWN_EVENTS:]]
            shown = known("between.values", ", ").join(named)
            said += LABEL["newest"][language].format(n=leaf.total, events=shown)
        return said

    def _others(self, others: Sequence[wire.Other], language: Language) -> list[str]:
        gravest = sorted(others, key=lambda other: -SEVERITIES.index(other.severity))
        found = []
        for other in gravest[:SHOWN_OTHERS]:
            words = {"name": _in(other.name, language), "severity": SEVERITY[other.severity][language]}
            said = LABEL["other"][language].format(**words, since=self._local(other.start)[:10])
            found.append(f"{said}  {self.console_url}/findings/{quote(other.id, safe='')}")
        if len(others) > SHOWN_OTHERS:
            found.append(LABEL["more"][language].format(n=len(others) - SHOWN_OTHERS))
        return found

    def _known(self, language: Language) -> Known:
        def known(key: str, word: str, /, **values: object) -> str:
            return self.words[key][language].format(**values) if key in self.words else word

        return known

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
            "output": warning.output,
            "department": warning.department,
            "severity": warning.severity,
            "since": warning.start.isoformat(),
            "due": notice.due.isoformat() if notice.due else None,
            "url": link,
        }

    def link(self, notice: Notice) -> str:
        """Where a page is followed up: the case, or the task's own page."""
        if notice.case_id:
            return f"{self.console_url}/cases/{quote(notice.case_id, safe='')}"
        return f"{self.console_url}/findings/{quote(notice.warning.id, safe='')}"

    def _local(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %z")

    def _name(self, person_id: str) -> str:
        person = self.directory.people.get(person_id)
        return person.name if person else person_id


def _in(text: Bilingual, language: Language) -> str:
    return text.zh if language == "zh" else text.en
