"""PURE: a provider described: what is asked of it by HTTP, and what its answer means. posting.py does the asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import orjson

from services.notifier.channels.base import (
    Accepted,
    BadCredential,
    FateUnknown,
    Message,
    RateLimited,
    Refused,
    TooLarge,
    TryLater,
)
from services.notifier.channels.limits import Limits
from services.notifier.people import Person

LONGEST_RETRY_AFTER_S = 3600.0
SHOWN = 200
"""Characters of a provider's own words that are kept."""


@dataclass(frozen=True)
class Request:
    """What is asked. The address may hold a secret: it is never shown."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"}, repr=False)
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """`headers` have names in small letters; `body` is its beginning, at most courier.LONGEST_BODY bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, fit to be shown in a line."""
        found = self.body.decode(errors="replace")
        return " ".join("".join(char if char.isprintable() else " " for char in found).split())[:SHOWN]


class Provider(Protocol):
    """One bot, app or key of a provider.

    `title` names it in errors, "企业微信机器人 / the WeCom bot". `repeatable`: the provider itself takes the same
    request twice for one, so a lost answer is no reason for doubt.
    """

    @property
    def kind(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def repeatable(self) -> bool: ...

    def scope(self, message: Message) -> str:
        """See Channel.scope."""
        ...

    def reaches(self, person: Person) -> bool:
        """See Channel.reaches."""
        ...

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """What is posted, in order; more than one where the message is too long for one and has no link. Empty when
        there is nothing to tell. Raises BadAddress, TooLarge."""
        ...

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """Accepted, or raises what is under NotSent."""
        ...


def document(answer: Answer) -> dict[str, object] | None:
    """The body as a JSON object; None when it is none."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def judge_status(title: str, answer: Answer, at: datetime) -> None:
    """Returns for 2xx; raises for what the status alone decides."""
    status = answer.status
    if 200 <= status < 300:
        return
    said, code = said_status(title, answer), str(status)
    after_s = retry_after_s(answer.headers.get("retry-after"), at)
    if status == 429:
        raise RateLimited(said, after_s, everyone=True, code=code)
    if status in (401, 403):
        raise BadCredential(said, code=code)
    if status == 413:
        raise TooLarge(said, code=code)
    if status == 504:
        # A gateway gave up waiting: the provider behind it may well go on.
        raise FateUnknown(said, code=code)
    if status == 408 or status >= 500:
        raise TryLater(said, after_s, everyone=status == 503, code=code)
    raise Refused(said, code=code)


def said_status(title: str, answer: Answer) -> str:
    """A sentence with the HTTP status and what the body says of it."""
    chinese, _, english = title.partition(" / ")
    return f"{chinese}答复 / {english} answered {answer.status}: {answer.text}"


def said_code(title: str, code: object, words: object) -> str:
    """A sentence with the code and the words in a body."""
    chinese, _, english = title.partition(" / ")
    shown = " ".join(str(words).split())[:SHOWN]
    return f"{chinese}拒绝 / {english} refused, code {code}: {shown}"


def no_verdict(title: str, answer: Answer) -> FateUnknown:
    """For a 2xx whose body does not say what became of the message."""
    chinese, _, english = title.partition(" / ")
    said = f"{chinese}的答复无法理解 / the answer of {english} cannot be understood: {answer.text}"
    return FateUnknown(said, code=str(answer.status))


def retry_after_s(header: str | None, now: datetime) -> float:
    """Seconds or an HTTP date; what cannot be read counts as 0, and the outbox's own backoff applies."""
    if header is None:
        return 0.0
    if header.isascii() and header.isdigit():
        return min(float(header), LONGEST_RETRY_AFTER_S)
    try:
        after = (parsedate_to_datetime(header) - now).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, min(after, LONGEST_RETRY_AFTER_S))
