"""PURE: when a code for an address may be sent, and what becomes of one that somebody enters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

DIGITS = 6
LIVES = timedelta(minutes=10)
MAX_ATTEMPTS = 5
"""With so many guesses at one of a million, one address in 200,000 is proved by luck."""

PAUSE = timedelta(minutes=1)
WINDOW = timedelta(hours=24)
MAX_SENT = 10
"""In a window: whoever may ask for codes shall not flood somebody with them, nor guess for ever."""


class Answer(StrEnum):
    """What is said to who asks for a code or enters one."""

    SENT = "sent"
    CONFIRMED = "confirmed"
    VERIFIED_ALREADY = "verified_already"
    TOO_SOON = "too_soon"
    TOO_MANY = "too_many"
    NO_CODE = "no_code"
    WRONG = "wrong"
    NOT_SENT = "not_sent"
    CHANNEL_FULL = "channel_full"
    UNKNOWN_METHOD = "unknown_method"


@dataclass(frozen=True)
class Code:
    """What is kept of a code. `window_at` is when the first of `sent_in_window` was sent."""

    method: str
    person: str
    digest: str
    sent_at: datetime
    expires_at: datetime
    attempts: int
    window_at: datetime
    sent_in_window: int


def may_send(last: Code | None, now: datetime) -> Answer:
    """SENT, or why not."""
    if last is None:
        return Answer.SENT
    if now - last.sent_at < PAUSE:
        return Answer.TOO_SOON
    if now - last.window_at < WINDOW and last.sent_in_window >= MAX_SENT:
        return Answer.TOO_MANY
    return Answer.SENT


def next_code(last: Code | None, method: str, person: str, digest: str, now: datetime) -> Code:
    """The code that takes the place of the last one, which works no more."""
    fresh = last is None or now - last.window_at >= WINDOW
    window_at = now if last is None or fresh else last.window_at
    sent = 1 if last is None or fresh else last.sent_in_window + 1
    return Code(method, person, digest, now, now + LIVES, 0, window_at, sent)


def may_try(code: Code | None, now: datetime) -> Answer:
    """CONFIRMED if what is entered may be compared at all, else why not. An expired code and none are told alike."""
    if code is None or now >= code.expires_at:
        return Answer.NO_CODE
    return Answer.TOO_MANY if code.attempts >= MAX_ATTEMPTS else Answer.CONFIRMED


def attempts_left(code: Code | None, now: datetime) -> int:
    """How often what is entered may still be compared with the code; 0 once it works no more."""
    return MAX_ATTEMPTS - code.attempts if code is not None and may_try(code, now) is Answer.CONFIRMED else 0


def tried(code: Code) -> Code:
    """One attempt more was made; count it before comparing, so that no crash makes it free."""
    return replace(code, attempts=code.attempts + 1)
