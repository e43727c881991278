"""PURE: what becomes of a page after an attempt to send it, and what follows for people when it is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.case import Page, PageKind, Role
from services.notifier.channels.base import FateUnknown, NotSent, RateLimited, TryLater
from services.notifier.views import PageState

MAX_ATTEMPTS = 6
"""Of one page. That a whole channel is away is not counted: a mail server that restarts is no reason to give up."""
LONGEST_OUTAGE = timedelta(hours=24)
"""A page that has waited so long for an absent channel is given up, and the fallback told."""
FIRST_BACKOFF_S = 15.0
LONGEST_BACKOFF_S = 15 * 60.0
JITTER = 0.2
"""Of a pause at most: what failed together is not tried again together."""
MAX_REPEATS = 3
"""Of a page in doubt, through its own channel and marked as perhaps the second. Then people have to look."""
INBOX = "inbox"


@dataclass(frozen=True)
class Queued:
    """A row of the outbox. `about` is the page that this one reports on or is sent instead of; `later` are the channels
    to be tried in turn once this one has failed for good."""

    id: int
    key: str
    case_id: str | None
    warning_id: str
    revision: int
    step: str
    kind: PageKind
    role: Role
    person: str
    channel: str
    due_at: datetime | None
    state: PageState
    attempts: int
    created_at: datetime
    error: str | None
    about: int | None
    message_key: str | None
    sent_at: datetime | None = None
    round_at: datetime | None = None
    critical: bool = False
    claimed_by: str | None = None
    later: str = ""

    @property
    def next_channels(self) -> tuple[str, ...]:
        """Those of `later`, in their order."""
        return tuple(name for name in self.later.split(",") if name)


@dataclass(frozen=True)
class Again:
    """To be sent again, `after_s` seconds from now; `counted`: the attempt was one."""

    after_s: float
    counted: bool = True


@dataclass(frozen=True)
class Lost:
    """`failed` for good, or `uncertain`: it may have been sent and may not. `why` is for people."""

    state: PageState
    why: str


@dataclass(frozen=True)
class Successor:
    """A page that follows from the lost one `about`: to go through `channel` in `after_s` seconds, `later` if that
    fails."""

    page: Page
    about: int
    channel: str
    later: tuple[str, ...] = ()
    after_s: float = 0.0


def backoff_s(attempts: int, key: str = "") -> float:
    """Seconds until the next attempt after so many: doubling, bounded, and a little longer by what the key says."""
    pause_s = min(FIRST_BACKOFF_S * float(2 ** max(attempts - 1, 0)), LONGEST_BACKOFF_S)
    if not key:
        return pause_s
    digest = hashlib.sha256(f"{key}/{attempts}".encode()).digest()
    return pause_s * (1.0 + JITTER * int.from_bytes(digest[:4], "big") / 2**32)


def after(reason: NotSent, attempts: int, key: str) -> Again | Lost:
    """What becomes of a page whose attempt ended so; `attempts` counts this one. Where is_outage holds, ask
    after_outage instead."""
    if isinstance(reason, FateUnknown):
        return Lost("uncertain", str(reason))
    if not isinstance(reason, TryLater):
        return Lost("failed", str(reason))
    if attempts >= MAX_ATTEMPTS:
        return Lost("failed", f"{reason}（已尝试 {attempts} 次，不再重试 / given up after {attempts} attempts）")
    return Again(max(reason.after_s, backoff_s(attempts, key)))


def is_outage(reason: NotSent) -> bool:
    """Whether the attempt says nothing of the page: the channel reaches nobody now, or takes no more at present."""
    return isinstance(reason, TryLater) and (reason.everyone or isinstance(reason, RateLimited))


def after_outage(reason: TryLater, key: str, created_at: datetime, now: datetime) -> Again | Lost:
    """What becomes of a page that had no chance: it waits, but not for ever."""
    if now - created_at >= LONGEST_OUTAGE:
        return Lost("failed", f"{reason}（已等待 24 小时，不再重试 / given up after 24 hours）")
    return Again(reason.after_s if reason.everyone else max(reason.after_s, backoff_s(1, key)), counted=False)


def follow(lost: Queued, state: PageState, fallback: str, reach_fallback: Sequence[str]) -> tuple[Successor, ...]:
    """Who is told instead, and how. `reach_fallback` are the channels of the fallback, who learns of a page once.

    In doubt: the same person, with the doubt, by the inbox and by the same channel. Failed: by the next channel; if
    there is none the fallback. A report to the fallback that is lost itself stays in the list of what is not delivered.
    """
    if lost.kind == "undelivered":
        return ()
    if state == "uncertain":
        again = _repeats(lost)
        if again:
            return again
    elif lost.next_channels:
        first, *rest = lost.next_channels
        return (Successor(_same(lost), _origin(lost), first, tuple(rest)),)
    origin = _origin(lost)
    report = Page(
        f"undelivered:{origin}",
        "undelivered",
        fallback,
        "fallback",
        lost.warning_id,
        lost.revision,
        lost.due_at,
        lost.critical,
    )
    told = [channel for channel in reach_fallback if channel != lost.channel or channel == INBOX]
    return tuple(Successor(report, origin, channel) for channel in told)


def _origin(lost: Queued) -> int:
    """The page itself, or the one that it repeats."""
    return lost.about if lost.kind == "uncertain" and lost.about is not None else lost.id


def _repeats(lost: Queued) -> tuple[Successor, ...]:
    """Through the inbox the first time only, and nothing once it has been repeated often enough."""
    number, origin = 1, _origin(lost)
    if lost.kind == "uncertain":
        number += int(lost.step.rpartition("#")[2])
    if number > MAX_REPEATS or lost.channel == INBOX:
        return ()
    doubt = _same(lost, step=f"uncertain:{origin}#{number}", kind="uncertain")
    through = Successor(doubt, origin, lost.channel, lost.next_channels, backoff_s(number, lost.key))
    return (Successor(doubt, origin, INBOX), through) if number == 1 else (through,)


def _same(lost: Queued, *, step: str | None = None, kind: PageKind | None = None) -> Page:
    return Page(
        step or lost.step,
        kind or lost.kind,
        lost.person,
        lost.role,
        lost.warning_id,
        lost.revision,
        lost.due_at,
        lost.critical,
    )
