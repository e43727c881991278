"""PURE: who owns a customer by the events that told it, in whatever order and however often they came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class OwnerEvent:
    """One customer.owner_changed, or its retraction (`owner` None). (source, id) names it for ever; `at` is from when
    on it is true, `time` when it was said; `supersedes` the id of an event of the same source that it replaces."""

    source: str
    id: str
    customer_id: str
    time: datetime
    at: datetime
    owner: str | None
    supersedes: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Its name."""
        return self.source, self.id


def owner_by_events(events: Iterable[OwnerEvent], now: datetime) -> OwnerEvent | None:
    """Of one customer's events the one that says who owns it now: the newest that stands and is true already; None when
    there is none. Order and repetition of the events make no difference."""
    true = [event for event in standing(events) if event.at <= now]
    return max(true, key=lambda event: (event.at, event.time, event.source, event.id), default=None)


def standing(events: Iterable[OwnerEvent]) -> list[OwnerEvent]:
    """What is neither replaced nor taken back. Of corrections of one event the greatest (time, id) counts, as for the
    rules service; of events that replace each other in a ring none does."""
    known = {event.key: event for event in events}
    corrections: dict[tuple[str, str], list[OwnerEvent]] = {}
    for event in known.values():
        if event.supersedes is not None:
            corrections.setdefault((event.source, event.supersedes), []).append(event)
    roots = {key for key, event in known.items() if event.supersedes is None} | (corrections.keys() - known.keys())
    found = []
    for root in roots:
        key = root
        while theirs := corrections.get(key):
            key = max(theirs, key=lambda event: (event.time, event.id)).key
        last = known.get(key)
        if last is not None and last.owner is not None:
            found.append(last)
    return found
