"""PURE how many events a second a sender may send: token buckets, one for a key with a limit of its own, one for each
source else. Each replica counts for itself."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from services.ingest.treating import Sender

BURST_S = 5.0
"""What a sender may send at once: as much as in so many seconds."""

BUCKETS_MAX = 10_000
"""Buckets kept; beyond it the one that was used longest ago is forgotten, which fills it."""


@dataclass(slots=True)
class Bucket:
    """Events that may still be sent, full at `per_second` * BURST_S. It may be overdrawn: how many events a body holds
    is known only when it was read."""

    per_second: int
    level: float
    at: float

    def wait_s(self, now: float) -> float:
        """Seconds until something may be sent; 0: now."""
        self._fill(now)
        return 0.0 if self.level > 0 else (1.0 - self.level) / self.per_second

    def draw(self, events: int) -> None:
        """Take events out."""
        self.level -= events

    def _fill(self, now: float) -> None:
        self.level = min(self.level + (now - self.at) * self.per_second, self.per_second * BURST_S)
        self.at = now


class Limits:
    """All buckets of a replica. Seconds come from a clock that only goes forward."""

    def __init__(self, per_source: int | None) -> None:
        """`per_source`: events a second for each source without a limit of its own; None: no limit."""
        self._per_source = per_source
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait_s(self, sender: Sender, now: float) -> float:
        """How long the sender has to wait before it may send anything; 0: not at all. Never more than it takes to pay
        for one request: whoever finds nothing left is not let in."""
        bucket = self._bucket(sender, now)
        return 0.0 if bucket is None else bucket.wait_s(now)

    def draw(self, sender: Sender, events: int, now: float) -> float:
        """Count events that are about to be sent; what the sender has to wait instead, if others of its requests took
        all that was left."""
        bucket = self._bucket(sender, now)
        if bucket is None:
            return 0.0
        wait_s = bucket.wait_s(now)
        if not wait_s:
            bucket.draw(events)
        return wait_s

    def _bucket(self, sender: Sender, now: float) -> Bucket | None:
        own = sender.per_second is not None
        per_second = sender.per_second if own else self._per_source
        if not per_second:
            return None
        # A key that changes with its source keeps the source's bucket: a new secret is no new allowance.
        name = sender.name if own else sender.source or sender.name
        bucket = self._buckets.get(name)
        if bucket is None or bucket.per_second != per_second:
            bucket = self._buckets[name] = Bucket(per_second, per_second * BURST_S, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return bucket
