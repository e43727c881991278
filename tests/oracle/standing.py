"""Which events stand, after duplicates, corrections and retractions; and the calendar of the company."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import CustomerEvent, Event, Retraction

Standing = CustomerEvent[Any]
CustomerWord = CustomerEvent[Any] | Retraction


def standing(events: Iterable[Event], customer_id: str) -> list[Standing]:
    """The customer's events that count, each once."""
    known: dict[tuple[str, str], CustomerWord] = {}
    for event in events:
        if isinstance(event, (CustomerEvent, Retraction)) and event.subject == customer_id:
            known.setdefault((event.source, event.id), event)
    return [event for event in known.values() if isinstance(event, CustomerEvent) and _counts(event, known)]


def _counts(event: CustomerWord, known: dict[tuple[str, str], CustomerWord]) -> bool:
    """Nothing corrects it, and all the way back it is the winner among the corrections of what it corrects."""
    if _corrections(event.source, event.id, known):
        return False
    seen = {event.id}
    while event.supersedes is not None:
        rivals = _corrections(event.source, event.supersedes, known)
        if event is not max(rivals, key=lambda one: (one.time, one.id)):
            return False
        corrected = known.get((event.source, event.supersedes))
        if corrected is None:
            return True
        if corrected.id in seen:
            return False  # a ring of corrections: it has no beginning in whose place anything could stand
        seen.add(corrected.id)
        event = corrected
    return True


def _corrections(source: str, name: str, known: dict[tuple[str, str], CustomerWord]) -> list[CustomerWord]:
    return [other for other in known.values() if other.source == source and other.supersedes == name]


def of_kind(events: Iterable[Standing], kind: str) -> list[Standing]:
    """The events of one type, without its prefix."""
    return [event for event in events if event.kind == kind]


def newest_by(events: Iterable[Standing], name: Callable[[Standing], str]) -> list[Standing]:
    """One event for each name: of several, the one with the greatest (time, source, id)."""
    chosen: dict[str, Standing] = {}
    for event in sorted(events, key=lambda one: (one.time, one.source, one.id)):
        chosen[name(event)] = event
    return list(chosen.values())


def when(event: Standing, *fields: str) -> datetime:
    """The first of the fields that is given, else the envelope's time; in UTC."""
    for field in fields:
        given: datetime | None = getattr(event.data, field)
        if given is not None:
            return given.astimezone(UTC)
    return event.time.astimezone(UTC)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the day starts at the company, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def first_of_month(year_month: tuple[int, int]) -> date:
    return date(year_month[0], year_month[1], 1)


def next_month(year_month: tuple[int, int]) -> tuple[int, int]:
    year, month = year_month
    return (year + 1, 1) if month == 12 else (year, month + 1)


def previous_month(year_month: tuple[int, int]) -> tuple[int, int]:
    year, month = year_month
    return (year - 1, 12) if month == 1 else (year, month - 1)


def last_of_month(year_month: tuple[int, int]) -> date:
    return first_of_month(next_month(year_month)) - timedelta(days=1)


def months_between(first: date, last: date) -> list[tuple[int, int]]:
    """Every (year, month) from the one of `first` to the one of `last`."""
    months, month = [], (first.year, first.month)
    while month <= (last.year, last.month):
        months.append(month)
        month = next_month(month)
    return months
