"""PURE: how much a provider takes from one bot, member or key, and when the next message may go.

The dispatcher keeps a `Usage` for each scope (`Channel.scope`) where all notifiers see it, and changes it in one
transaction: `decide` before a message is sent, `answered` once there is an answer, `blocked` when the provider says
that it was too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Window:
    """At most `messages` in any `seconds`. The last `reserved` of them are for what is critical."""

    messages: int
    seconds: float
    reserved: int = 0

    def __post_init__(self) -> None:
        """What is not critical must be able to go at all."""
        assert 0 <= self.reserved < self.messages, self
        assert self.seconds > 0, self

    @property
    def length(self) -> timedelta:
        """The window's."""
        return timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Limits:
    """What is known of a provider; nothing known is no limit.

    `block_s`: for so long it refuses everything of a scope that went over a window. `bytes`: of one message's body.
    `per` says what a scope is: a bot, a member, a key, a Slack channel.
    """

    windows: tuple[Window, ...] = ()
    block_s: float = 0.0
    bytes: int | None = None
    per: str = "channel"

    @property
    def most_at_once(self) -> int | None:
        """Messages that may go together; None where there is no window."""
        return min((window.messages for window in self.windows), default=None)


UNLIMITED = Limits()


@dataclass(frozen=True)
class Usage:
    """What a scope has used: for each message of the longest window the latest instant at which it can have reached
    the provider, in order, and until when the provider blocks it."""

    arrivals: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


@dataclass(frozen=True)
class Go:
    """The message may be sent now. Keep `usage` first; `hold` names its places for `answered`."""

    usage: Usage
    hold: tuple[datetime, ...]


@dataclass(frozen=True)
class Wait:
    """Not before `until`; `usage` has forgotten what no longer counts. `reason` is "window" or "blocked"."""

    usage: Usage
    until: datetime
    reason: str


def decide(
    limits: Limits,
    usage: Usage,
    now: datetime,
    *,
    messages: int = 1,
    critical: bool = False,
    longest_flight: timedelta = timedelta(seconds=20),
) -> Go | Wait:
    """Whether `messages` may be sent now as one.

    They are counted at the latest instant at which they can arrive, `longest_flight` from now, until `answered` says
    better: a provider counts what reaches it, and a slow message must not share its window with what comes after. More
    messages than a window ever takes go when the window is empty: they cannot be less than they are.
    """
    kept = _forget(limits, usage, now)
    if kept.blocked_until is not None and kept.blocked_until > now:
        return Wait(kept, kept.blocked_until, "blocked")
    free = max((_free_at(window, kept.arrivals, messages, critical, now) for window in limits.windows), default=now)
    if free > now:
        return Wait(kept, free, "window")
    hold = (now + longest_flight,) * messages if limits.windows else ()
    return Go(replace(kept, arrivals=tuple(sorted((*kept.arrivals, *hold)))), hold)


def answered(usage: Usage, hold: Sequence[datetime], at: datetime) -> Usage:
    """The provider had the messages of `hold` by `at`: they count from then on."""
    left = list(usage.arrivals)
    for place in hold:
        if place in left:
            left.remove(place)
            left.append(min(place, at))
    return replace(usage, arrivals=tuple(sorted(left)))


def blocked(limits: Limits, usage: Usage, at: datetime, after_s: float = 0.0) -> Usage:
    """The provider refused for too many: nothing goes before `after_s` or its own block is over, the longer."""
    until = at + timedelta(seconds=max(after_s, limits.block_s))
    return replace(usage, blocked_until=max(until, usage.blocked_until or until))


def _forget(limits: Limits, usage: Usage, now: datetime) -> Usage:
    longest = max((window.length for window in limits.windows), default=timedelta())
    kept = tuple(at for at in usage.arrivals if at + longest > now)
    still = usage.blocked_until if usage.blocked_until is not None and usage.blocked_until > now else None
    return Usage(kept, still)


def _free_at(window: Window, arrivals: Sequence[datetime], messages: int, critical: bool, now: datetime) -> datetime:
    """From when on the window has room."""
    counted = [at for at in arrivals if at + window.length > now]
    room = window.messages - (0 if critical else window.reserved)
    # So many of those counted must have gone first, the oldest before the others.
    leave = min(len(counted), len(counted) + messages - room)
    return counted[leave - 1] + window.length if leave > 0 else now
