"""PURE: what the templates of messages are given: the parts of a page and of a digest, in one reader's language.

Every part is plain text as it came, or a Link of ours: how it is escaped is the business of the shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import quote

from schemas import warnings as wire
from schemas.cases import Money
from schemas.warnings import SEVERITIES, Bilingual
from services.notifier.case import PageKind, Role
from services.notifier.digests import Block, Digest
from services.notifier.escaping import Link
from services.notifier.explaining import Group, Leaf, explain, explain_rise, lines
from services.notifier.links import ACTIONS, LinkAction
from services.notifier.people import Directory, Language
from services.notifier.wording import (
    DIGEST,
    DIGEST_LINE,
    JOIN,
    LABEL,
    OPENING,
    ROLE,
    SEVERITY,
    STAND_IN,
    SUBJECT,
    TASK_ASSIGNED,
    TEAM,
    TOLD_TOO,
    Words,
)
from services.notifier.words import summary_in_words

SHOWN_EVENTS = 3
SHOWN_OTHERS = 5
"""Of each value, and of the customer's other findings, in one message; the console shows them all."""

Parts = dict[str, object]

_JOINING: tuple[PageKind, ...] = ("join", "join_due")


@dataclass(frozen=True)
class About:
    """The page that an `undelivered` or `uncertain` one reports on."""

    person: str
    channel: str
    error: str
    kind: PageKind = "raised"


@dataclass(frozen=True)
class Notice:
    """One page with what its text needs. `value` is what people say is at risk, `at` when the page was written down;
    `todo`: it is about something to do that is its warning's own, a task or what a case's warning advises. For
    `departments` its reader was asked, and they have not joined the case."""

    key: str
    kind: PageKind
    role: Role
    case_id: str | None
    warning: wire.Warning
    due: datetime | None = None
    about: About | None = None
    value: Money | None = None
    at: datetime | None = None
    todo: bool = False
    departments: tuple[str, ...] = ()

    @property
    def is_joining(self) -> bool:
        """Whether it asks for a department, or repeats or reports a page that did: the deadline is the department's."""
        return self.kind in _JOINING or (self.about is not None and self.about.kind in _JOINING)


@dataclass(frozen=True)
class Contents:
    """For one reader at one instant: see Letters, which has the same."""

    directory: Directory
    console_url: str
    zone: tzinfo
    words: Mapping[str, Mapping[str, str]]
    language: Language

    def page(self, notice: Notice) -> Parts:
        """The parts of one page. What there is none of is empty."""
        warning, language = notice.warning, self.language
        words = self._words(notice)
        shown_others = sorted(warning.others, key=lambda other: -SEVERITIES.index(other.severity))[:SHOWN_OTHERS]
        hidden = len(warning.others) - len(shown_others)
        return {
            "kind": notice.kind,
            "is_over": notice.kind == "withdrawn",
            "is_joining": notice.is_joining,
            "severity": words["severity"],
            "title": SUBJECT[notice.kind][language].format(**words),
            "opening": self._opening(notice, words),
            "customer": words["customer"],
            "customer_id": warning.customer_id,
            "rule": warning.rule,
            "name": words["name"],
            "owner": words["owner"],
            "subject": warning.subject,
            "what": summary_in_words(self.say(warning.evidence.summary), language, self.known),
            "why": self._why(warning.evidence),
            "since": self.local(warning.start),
            "value": self.value(notice),
            "do": self.say(warning.advice),
            "clears": "" if warning.clears is None else self.say(warning.clears),
            "due": "" if notice.due is None else self.local(notice.due),
            "clause": f"{self.say(warning.clause)} ({warning.clause_source})",
            "others": [self._other(other) for other in shown_others],
            "more_others": LABEL["more"][language].format(n=hidden) if hidden else "",
            "link": self.link(notice),
            "has_case": notice.case_id is not None,
            **self.acts({}),
            "shortened": False,
        }

    def acts(self, signed: Mapping[LinkAction, str]) -> Parts:
        """The links by which the reader acts, each a template's own part: empty where there is none."""
        return {action: Link(signed[action]) if action in signed else "" for action in ACTIONS}

    def digest(self, chosen: Digest[Notice]) -> Parts:
        """The parts of a digest."""
        language = self.language
        words = {"n": len(chosen.ordered), "customers": chosen.customers}
        left = {"n": chosen.left_out, "customers": chosen.customers - len(chosen.blocks)}
        return {
            "title": DIGEST["subject"][language].format(**words),
            "opening": DIGEST["opening"][language].format(**words),
            "pages": len(chosen.ordered),
            "blocks": [self._block(block) for block in chosen.blocks],
            "rest": DIGEST["rest"][language].format(**left) if chosen.left_out else "",
            "link": Link(f"{self.console_url}/cases?whose=mine"),
        }

    def say(self, text: Bilingual) -> str:
        """In the reader's language."""
        return text.zh if self.language == "zh" else text.en

    def known(self, key: str, word: str, /, **values: object) -> str:
        """The reader's text for a key of words.yaml, or the word itself."""
        return self.words[key][self.language].format(**values) if key in self.words else word

    def local(self, at: datetime) -> str:
        """In the company's zone."""
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %z")

    def link(self, notice: Notice) -> Link:
        """Where a page is followed up: the case, or the task's own page."""
        if notice.case_id:
            return Link(f"{self.console_url}/cases/{quote(notice.case_id, safe='')}")
        return Link(f"{self.console_url}/findings/{quote(notice.warning.id, safe='')}")

    def value(self, notice: Notice) -> str:
        """What is at risk: what people said of the case, else what the customer is worth to the company in a year."""
        if notice.value is not None:
            return f"{notice.value.amount:,} {notice.value.currency}"
        customer = self.directory.customers.get(notice.warning.customer_id)
        if customer is None or customer.value is None:
            return ""
        return LABEL["worth"][self.language].format(value=f"{customer.value:,}")

    def _opening(self, notice: Notice, words: Mapping[str, str]) -> list[str]:
        warning, language = notice.warning, self.language
        of_task = notice.kind == "assigned" and notice.case_id is None
        found = [(TASK_ASSIGNED if of_task else OPENING[notice.kind])[language].format(**words)]
        if notice.kind not in ("withdrawn", "undelivered"):
            found += [said[language].format(**words) for said in _role(notice)]
        if warning.merged_into and notice.kind == "withdrawn":
            found.append(LABEL["merged"][language])
        if warning.customer_merged_into and notice.kind == "withdrawn":
            found.append(LABEL["customer_merged"][language].format(into=warning.customer_merged_into))
        return found

    def _team(self, notice: Notice) -> dict[str, str]:
        """The departments that the reader is asked for, and with whom they are to take part."""
        review = notice.warning.review
        wanted = review.departments if review else []
        own = notice.departments or tuple(wanted)
        named = [self.known(f"department.{name}", name) for name in dict.fromkeys(own)]
        others = [self.known(f"department.{name}", name) for name in wanted if name not in own]
        owner = self._name(self.directory.responsible(notice.warning.customer_id).owner)
        between = self.known("between.values", ", ")
        company = between.join([TEAM["owner"][self.language].format(owner=owner), *others])
        return {"asked": between.join(named), "company": company}

    def _words(self, notice: Notice) -> dict[str, str]:
        warning = notice.warning
        about = notice.about or About("", "", "")
        return {
            "severity": SEVERITY[warning.severity][self.language],
            "customer": self.directory.customer_name(warning.customer_id),
            "name": self.say(warning.name),
            "owner": self._name(self.directory.responsible(warning.customer_id).owner),
            "department": self.known(f"department.{warning.department}", warning.department or ""),
            **self._team(notice),
            "about_person": self._name(about.person),
            "about_channel": about.channel,
            # It is a sentence of its own, and stands within one of ours.
            "about_error": about.error.rstrip(".。 "),
        }

    def _why(self, evidence: wire.Evidence) -> list[str]:
        told = explain(evidence, self.say, self.known)
        found = self._lines(told) if told else []
        raised = explain_rise(evidence, self.say, self.known)
        if raised:
            found += [raised.said, *(f"\u3000{line}" for line in self._lines(raised.because))]
        total = evidence.events_total
        if not total:
            # It rests on a class alone, whose events stand with its leaf on the case's page.
            return found
        return [*found, LABEL["event" if total == 1 else "events"][self.language].format(n=total)]

    def _lines(self, told: Group) -> list[str]:
        # Not spaces: HTML would swallow them, and a mail program may.
        return [
            "\u3000" * depth + (heading if leaf is None else self._leaf(leaf))
            for depth, heading, leaf in lines(told, self.known)
        ]

    def _leaf(self, leaf: Leaf) -> str:
        mark = "✓" if leaf.held else "✗"
        words = {"label": leaf.label, "value": leaf.value, "condition": leaf.condition}
        said = f"{mark} {LABEL['threshold'][self.language].format(**words)}"
        if leaf.decided:
            said += f" ← {self.known('condition.decided', '')}"
        if leaf.events:
            named = [f"{event.source}/{event.id}" for event in leaf.events[-SHOWN_EVENTS:]]
            shown = self.known("between.values", ", ").join(named)
            said += LABEL["newest"][self.language].format(n=leaf.total, events=shown)
        return said

    def _other(self, other: wire.Other) -> Parts:
        words = {"name": self.say(other.name), "severity": SEVERITY[other.severity][self.language]}
        said = LABEL["other"][self.language].format(**words, since=self.local(other.start)[:10])
        return {"said": said, "link": Link(f"{self.console_url}/findings/{quote(other.id, safe='')}")}

    def _block(self, block: Block[Notice]) -> Parts:
        """What a digest says of one customer."""
        first = block.notices[0]
        severity = SEVERITY[first.warning.severity][self.language]
        said = {"customer": self.directory.customer_name(first.warning.customer_id), "severity": severity}
        return {
            **said,
            "pages": len(block.notices),
            "label": DIGEST["customer"][self.language].format(**said, n=len(block.notices)),
            "lines": [self._digest_line(notice) for notice in block.shown],
            "more": LABEL["more"][self.language].format(n=block.left_out) if block.left_out else "",
            "link": self._where(block.notices),
        }

    def _where(self, notices: Sequence[Notice]) -> Link:
        """Where all of one customer's pages are followed up."""
        found = {notice.case_id for notice in notices}
        if len(notices) == 1 or (len(found) == 1 and None not in found):
            return self.link(notices[0])
        if found == {None}:
            return Link(f"{self.console_url}/tasks")
        return Link(f"{self.console_url}/customers/{quote(notices[0].warning.customer_id, safe='')}")

    def _digest_line(self, notice: Notice) -> str:
        warning = notice.warning
        words = self._words(notice)
        line = DIGEST_LINE[notice.kind][self.language].format(**words)
        if notice.departments and notice.kind != "withdrawn":
            line = DIGEST["asked"][self.language].format(line=line, **words)
        if warning.subject:
            line = DIGEST["line"][self.language].format(line=line, subject=warning.subject)
        by = DIGEST["join_by" if notice.is_joining else "due"][self.language]
        due = by.format(due=self.local(notice.due)[:16]) if notice.due else ""
        return f"{line}  {due}".rstrip()

    def _name(self, person_id: str) -> str:
        person = self.directory.people.get(person_id)
        return person.name if person else person_id


def _role(notice: Notice) -> Iterator[Words]:
    """What the reader has to do with it."""
    warning = notice.warning
    ticket = warning.department is not None
    if notice.is_joining or notice.departments:
        if notice.role != "department":
            yield ROLE[notice.role]
        yield JOIN
    elif ticket and warning.output == "task" and notice.role != "department":
        yield STAND_IN
    else:
        yield ROLE[notice.role] if ticket or notice.role != "department" else TOLD_TOO
