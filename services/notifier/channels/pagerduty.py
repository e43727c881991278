"""PURE: PagerDuty's Events API v2: an incident a case, triggered, acknowledged and resolved by the case's key.

Its own deduplication makes every request repeatable. No contact details by default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.notifier.channels.base import (
    Accepted,
    Action,
    BadCredential,
    Message,
    RateLimited,
    Refused,
    TooLarge,
)
from services.notifier.channels.fitting import cut_characters, fit, in_json
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.provider import (
    Answer,
    Request,
    document,
    judge_status,
    no_verdict,
    retry_after_s,
    said_status,
)
from services.notifier.channels.saying import one_line, subject_of, text_of, without_contacts
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

HOME = "https://events.pagerduty.com"
SUMMARY_CHARACTERS = 1024
KEY_LENGTH = 32
"""Of a routing key."""
KEY_CHARACTERS = 255
"""Of a deduplication key."""
LONGEST_BODY = 512_000
LONGEST_DETAILS = 200_000
MOST_INCIDENTS = 20
"""Of one digest; the rest is told together in one more."""
LIMITS = Limits((Window(120, 60.0, reserved=30),), 60.0, LONGEST_BODY, "key")

_SEVERITY = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}


@dataclass(frozen=True)
class PagerDuty:
    """`routing_key`: 32 characters, of an integration "Events API v2"."""

    routing_key: str = field(repr=False)
    contacts: bool = False
    home: str = HOME
    kind: str = "pagerduty"
    title: str = "PagerDuty / PagerDuty"
    limits: Limits = LIMITS
    repeatable: bool = True

    def scope(self, message: Message) -> str:
        """The key."""
        return f"{self.kind}:{fingerprint(self.routing_key)}"

    def reaches(self, person: Person) -> bool:
        """Everybody: PagerDuty knows who is on call."""
        return True

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One event for each case that the message is about; none for the withdrawal of one of a case's warnings,
        which is no reason to wake anybody, and is told when the case is closed."""
        pages = _pages(message) if message.action == "trigger" else []
        if not pages:
            action = action_of(message.action, message.data, message.case_id)
            return [self._event(message, message.data, action, _key(message))] if action else []
        wanted = _by_case(pages)
        events = [
            self._event(message, page, action, key)
            for key, page in list(wanted.items())[:MOST_INCIDENTS]
            if (action := action_of("trigger", page, _text(page, "case_id"))) is not None
        ]
        if len(wanted) > MOST_INCIDENTS:
            events.append(self._event(message, {}, "trigger", _key(message)))
        return events

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """202 alone is accepted."""
        found = document(answer) or {}
        if answer.status == 202:
            return Accepted(str(found.get("dedup_key", "")))
        said, code = said_status(self.title, answer), str(answer.status)
        if answer.status == 429:
            after_s = retry_after_s(answer.headers.get("retry-after"), at) or LIMITS.block_s
            raise RateLimited(said, after_s, everyone=True, code=code)
        if answer.status == 400:
            raise _invalid(said, answer.text)
        judge_status(self.title, answer, at)
        raise no_verdict(self.title, answer)

    def _event(self, message: Message, page: Mapping[str, object], action: Action, key: str) -> Request:
        event: dict[str, object] = {"routing_key": self.routing_key, "event_action": action, "dedup_key": key}
        if action == "trigger":
            event |= self._what(message, page)
        return Request(f"{self.home}/v2/enqueue", orjson.dumps(event))

    def _what(self, message: Message, page: Mapping[str, object]) -> dict[str, object]:
        subject = subject_of(message, contacts=self.contacts)
        text = text_of(message, contacts=self.contacts)
        link = _text(page, "url") or message.link
        told = fit(text, LONGEST_DETAILS, message.link, message.to.language, in_json)
        payload: dict[str, object] = {
            "summary": cut_characters(self._summary(message) or subject, SUMMARY_CHARACTERS),
            "source": "Bellwether",
            "severity": _SEVERITY.get(str(page.get("severity", "")), "error"),
            "class": _text(page, "rule") or "digest",
            "group": _text(page, "customer") or "",
            # A message without a link is no longer than any: its parts stay together.
            "custom_details": {"text": "\n".join(told), "due": page.get("due")},
        }
        links = [{"href": link, "text": subject}] if link else []
        return {"payload": payload, "links": links, "client": "Bellwether", "client_url": link or ""}

    def _summary(self, message: Message) -> str:
        found = one_line(message.summary)
        return found if self.contacts else without_contacts(found, message)


def action_of(action: Action, page: Mapping[str, object], case_id: str | None) -> Action | None:
    """What becomes of the incident. A withdrawn task has no case that would resolve it later; a case has."""
    if action == "trigger" and page.get("kind") == "withdrawn":
        return None if case_id else "resolve"
    return action


def _invalid(said: str, words: str) -> Refused | TooLarge | BadCredential:
    low = words.lower()
    if "routing_key" in low or "routing key" in low:
        return BadCredential(said, code="400")
    return TooLarge(said, code="400") if "size" in low or "too large" in low else Refused(said, code="400")


def _pages(message: Message) -> list[Mapping[str, object]]:
    pages = message.data.get("pages")
    return [page for page in pages if isinstance(page, Mapping)] if isinstance(pages, list) else []


def _by_case(pages: Sequence[Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """The first page of each case stands for it: digests have the gravest first. That one of its warnings is off tells
    nothing of the others."""
    found: dict[str, Mapping[str, object]] = {}
    for page in sorted(pages, key=lambda one: one.get("kind") == "withdrawn"):
        found.setdefault(_shortened(_text(page, "case_id") or _text(page, "warning_id") or str(page.get("url"))), page)
    return found


def _key(message: Message) -> str:
    return _shortened(message.case_id or _text(message.data, "warning_id") or message.key)


def _shortened(key: str) -> str:
    return key if len(key) <= KEY_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()


def _text(page: Mapping[str, object], name: str) -> str | None:
    found = page.get(name)
    return found if isinstance(found, str) and found else None
