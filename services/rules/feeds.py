"""PURE. Feeds that promised to say how far they are complete: which of them have fallen silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from services.rules.calendar import Micros
from services.rules.reference import Feed

MAX_FEEDS = 200
"""Told to Prometheus: each is a time series."""


class FeedState(NamedTuple):
    """A feed as ops see it. `changed`: it has just fallen silent, or has just been heard again."""

    name: str
    feed: Feed
    silent: bool
    changed: bool


class FeedWatch:
    """Remembers who was silent, so that each silence is told once. `limit` is in microseconds."""

    def __init__(self, limit: Micros) -> None:
        self._limit = limit
        self._silent: set[str] = set()

    def look(self, feeds: Mapping[str, Feed], now: Micros) -> list[FeedState]:
        """Every feed by name, at most MAX_FEEDS; a feed is silent when its last heartbeat is older than the limit."""
        states = []
        for name in sorted(feeds)[:MAX_FEEDS]:
            silent = now - feeds[name].last_heartbeat > self._limit
            states.append(FeedState(name, feeds[name], silent, silent != (name in self._silent)))
        self._silent = {state.name for state in states if state.silent}
        return states
