"""PURE. A partition's place on a worker: how far it has come, what of it is known, whether it may go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from services.rules.batch import MAX_EVENTS_ASKED_ALONE
from services.rules.partition import Partition
from services.rules.port import Record

HOLE_PATIENCE_S = 2.0
"""After asking for missing records again, how long batches beyond the hole are dropped before asking once more."""

STILL_OBSERVATIONS = 3
"""After so many observations without an advance, what is left of the log is taken for markers."""

BEHIND_RECORDS = 100
"""With more records than this waiting a partition works through its past."""


class Follows(Enum):
    """Whether fetched records go on from where we are."""

    YES = "yes"
    NO = "applied already, or beyond a hole that was asked about"
    HOLE = "records are missing: ask for them"


@dataclass(slots=True)
class Place:
    """A partition on this worker. `next_offset`: everything below is applied and durable.

    `dirty`: memory and changelog may differ, something is being written. `caught_up`: everything that had been
    published when we took the partition over has been applied. `still`: observations in a row without an advance.
    """

    partition: Partition
    changelog_offset: int = -1
    ready: bool = False
    next_offset: int | None = None
    committed: int | None = None
    dirty: bool = False
    caught_up: bool = False
    takeover_end: int | None = None
    hole: int | None = None
    asked_at_s: float = 0.0
    lag: int = 0
    highwater: int = 0
    still: int = 0
    observed_offset: int | None = None

    def take_over(self, committed: int | None, earliest: int, end: int) -> None:
        """Start at the group's commit, or where retention lets us; `end` is that of the log."""
        self.highwater = end
        self.next_offset = max(committed or 0, earliest)
        self.committed, self.hole, self.ready, self.caught_up = committed, None, False, False
        self.takeover_end = None

    def stand_by(self) -> None:
        """The partition is another worker's; its states are read along. What we knew of its events is old."""
        self.next_offset = self.committed = None
        self.ready = self.caught_up = False

    def follows(self, records: Sequence[Record], now_s: float) -> Follows:
        """Whether consecutive records go on from here. `now_s` is of any steady clock.

        A genuine hole (transaction marker, retention) comes back the same when the records are read again, and is
        accepted then; batches that were already on their way are dropped and come again.
        """
        first, last, wanted = records[0].offset, records[-1].offset, self.next_offset
        if wanted is None or last < wanted:
            return Follows.NO
        if first > wanted and first != self.hole:
            if self.hole is not None and now_s - self.asked_at_s <= HOLE_PATIENCE_S:
                return Follows.NO
            self.hole, self.asked_at_s = first, now_s
            return Follows.HOLE
        self.hole = None
        return Follows.YES

    def observe(self, position: int, highwater: int, *, idle: bool) -> None:
        """What the consumer sees: where it reads next, and the end of the log.

        The log may end with transaction markers that no record ever shows us. So a consumer that stands at the end,
        with nothing queued (`idle`) and no advance for a while, has nothing left to give.
        """
        if not self.ready or self.next_offset is None:
            return
        self.still = self.still + 1 if idle and self.observed_offset == self.next_offset else 0
        self.observed_offset = self.next_offset
        self.highwater = highwater
        at_end = position >= highwater and self.still >= STILL_OBSERVATIONS
        self.lag = 0 if at_end else max(0, highwater - self.next_offset)
        if self.takeover_end is None:
            self.takeover_end = highwater
        self.caught_up = self.caught_up or self.lag == 0 or self.next_offset >= self.takeover_end

    def is_behind(self, records: Sequence[Record]) -> bool:
        """Whether much more waits behind the batch that begins with these, as far as is known: the log's end is never
        further back than we think. Asked on the events' own time, where each event is asked of alone."""
        last = records[:MAX_EVENTS_ASKED_ALONE][-1].offset
        return max(self.highwater, records[-1].offset + 1) - last > BEHIND_RECORDS

    def note_written(self, last: int, count: int) -> bool:
        """Of the changelog we know what we have read and what we wrote right behind it; False when others have written.

        If records of another worker lie in between, because we or they have slept through a rebalance, the next
        recovery must read them: it goes on behind the last offset that we claim to know.
        """
        if last == self.changelog_offset + count:
            self.changelog_offset = last
            return True
        return count == 0
