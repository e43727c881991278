"""PURE how fresh a feed is: when it was heard last, and whether that is too long ago."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import orjson

from schemas.events import PREFIX
from schemas.fields import parse_instant
from services.ingest.judge import Judgement

IsWorkingDay = Callable[[date], bool]

MAX_FEEDS = 500
"""Sources of which it is remembered when they were heard, beyond those of which something is expected."""

MAX_DAYS = 400
"""Looked through for working time; what was not heard for longer is late anyway."""

_KIND = "feed.heartbeat"


@dataclass(frozen=True, slots=True)
class Heard:
    """When a source sent its last event and its last heartbeat (the time of receipt), and how far it is complete."""

    event_at: datetime | None = None
    heartbeat_at: datetime | None = None
    complete_until: datetime | None = None

    @property
    def last(self) -> datetime | None:
        """The last sign of life."""
        return _latest(self.event_at, self.heartbeat_at)

    def and_(self, other: Heard) -> Heard:
        """The latest of both."""
        return Heard(
            _latest(self.event_at, other.event_at),
            _latest(self.heartbeat_at, other.heartbeat_at),
            _latest(self.complete_until, other.complete_until),
        )


@dataclass(frozen=True, slots=True)
class Expected:
    """Something is to be heard at least once in `period`, since somebody said so. `working_days`: only the time of the
    company's working days counts."""

    period: timedelta
    since: datetime
    working_days: bool = False


@dataclass(frozen=True, slots=True)
class Feed:
    """A source, as far as it was heard and something is expected of it."""

    source: str
    heard: Heard
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The company's days."""

    zone: ZoneInfo
    is_working_day: IsWorkingDay

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time from `start` to `end` lies in working days; of the last MAX_DAYS."""
        first, last = start.astimezone(self.zone).date(), end.astimezone(self.zone).date()
        first = max(first, last - timedelta(days=MAX_DAYS))
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        worked = (day for day in days if self.is_working_day(day))
        return sum((self._overlap(day, start, end) for day in worked), timedelta())

    def _overlap(self, day: date, start: datetime, end: datetime) -> timedelta:
        # In UTC: two times of one zone are subtracted by the clock on the wall, and on some days that is moved.
        begins, ends = (
            datetime.combine(one, time(), self.zone).astimezone(UTC) for one in (day, day + timedelta(days=1))
        )
        return max(timedelta(), min(ends, end.astimezone(UTC)) - max(begins, start.astimezone(UTC)))


def late_by(feed: Feed, now: datetime, calendar: Calendar) -> timedelta | None:
    """How much longer than its period it was not heard; None when it is in time, or nothing is expected of it.

    One that was never heard counts from when somebody began to expect it.
    """
    if feed.expected is None:
        return None
    since = feed.heard.last or feed.expected.since
    quiet = calendar.working_time(since, now) if feed.expected.working_days else now - since
    late = quiet - feed.expected.period
    return late if late > timedelta() else None


def heard_in(judgement: Judgement, reference_topic: str, now: datetime) -> dict[str, Heard]:
    """Who was heard in a request that is durable: by the source of its events, and by the feed of its heartbeats."""
    sources = {verdict.source for verdict in judgement.verdicts if verdict.accepted}
    heard = {source: Heard(event_at=now) for source in sources if source is not None}
    for record in judgement.records:
        if record.topic == reference_topic and f"/{_KIND}/".encode() in record.key:
            event = orjson.loads(record.value)
            if event["type"] == PREFIX + _KIND:
                beat = Heard(heartbeat_at=now, complete_until=parse_instant(event["data"]["complete_until"]))
                feed = event["data"]["feed"]
                heard[feed] = heard.get(feed, Heard()).and_(beat)
    return heard


def merged(one: Mapping[str, Heard], other: Mapping[str, Heard]) -> dict[str, Heard]:
    """What both know."""
    return {**one, **{source: one.get(source, Heard()).and_(heard) for source, heard in other.items()}}


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)
