"""Writes down what became of messages that were sent: on the pages, on the timeline, and what follows for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from schemas.cases import CaseEventType
from services.common.clock import Now
from services.common.database import Database
from services.notifier import claims, outbox, store
from services.notifier.case import Entry
from services.notifier.channels.base import Accepted, NotSent, TryLater
from services.notifier.claims import Parcel
from services.notifier.delivering import INBOX, LONGEST_OUTAGE, Lost, Queued, after, after_outage, follow, is_outage
from services.notifier.outbox import Reaches, Way, by_address, channels_for
from services.notifier.people import Source, newest

CHUNK = 200
"""Pages that are written off in one transaction: nobody else waits long for the database."""

OURSELVES = "bellwether"
"""Who has handled a lost page when another one in its place was accepted."""


@dataclass(frozen=True)
class Postponed:
    """It was not sent, and could not be yet: `why` is for people, None where there is nothing to tell."""

    after_s: float
    why: str | None = None


Result = Accepted | NotSent | Postponed


@dataclass(frozen=True)
class Outcome:
    """What became of a parcel."""

    parcel: Parcel
    result: Result


class Recorder:
    """`configured` are the channels beside the inbox, by which a fallback may be told."""

    def __init__(
        self,
        database: Database,
        replica: str,
        directory: Source,
        now: Now,
        configured: Sequence[str] = (),
        reaches: Reaches = by_address,
    ) -> None:
        self._database = database
        self._replica = replica
        self._directory = directory
        self._now = now
        self._configured = tuple(configured)
        self._reaches = reaches

    def record(self, outcomes: list[Outcome]) -> None:
        """Take them from the list as they are written down, so that the database's error loses none of the rest."""
        while outcomes:
            some, pages = [outcomes[0]], len(outcomes[0].parcel.pages)
            while len(some) < len(outcomes) and pages + len(outcomes[len(some)].parcel.pages) <= CHUNK:
                pages += len(outcomes[len(some)].parcel.pages)
                some.append(outcomes[len(some)])
            self._write(some)
            del outcomes[: len(some)]

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        """In one transaction, but for the pages of a digest that is larger than that."""
        for start in range(0, max(len(outcomes[0].parcel.pages), 1), CHUNK):
            now = self._now()
            with self._database.writing() as tx:
                parts = [(one.parcel.pages[start : start + CHUNK], one.result) for one in outcomes]
                ids = [page.id for part, _ in parts for page in part]
                ours = claims.still_ours(tx, ids, self._replica)
                sent: list[tuple[Queued, str]] = []
                for part, result in parts:
                    if isinstance(result, Accepted):
                        # Somebody may have taken us for dead and put them in doubt: we know better.
                        sent += [(page, result.provider_id) for page in part if page.id in ours]
                    elif taken := [page for page in part if ours.get(page.id) == "sending"]:
                        self._one(tx, taken, result, now)
                self.accepted(tx, sent, now)

    def _one(self, tx: Connection, taken: Sequence[Queued], result: NotSent | Postponed, now: datetime) -> None:
        if isinstance(result, Postponed):
            outbox.mark_untried(tx, [page.id for page in taken], result.after_s, result.why, now)
        else:
            self._not_sent(tx, taken, result, now)
        # A warning may have been withdrawn while its page was on its way.
        for warning_id in store.withdrawn_among(tx, {page.warning_id for page in taken}):
            outbox.cancel(tx, warning_id, now)

    def accepted(self, tx: Connection, sent: Sequence[tuple[Queued, str]], now: datetime) -> None:
        """The provider has them, under these ids: on the timeline, and nobody needs to look at what they were sent in
        place of."""
        outbox.mark_accepted(tx, sent, now)
        taken = [page for page, _ in sent]
        instead = [page.about for page in taken if page.about and page.channel != INBOX and page.kind != "undelivered"]
        if instead:
            outbox.mark_handled(tx, instead, OURSELVES, "已由另一条通知送达 / another page was accepted instead", now)
        self._append(tx, taken, "case.paged", now)

    def _append(self, tx: Connection, about: Sequence[Queued], type: CaseEventType, now: datetime) -> None:
        by_case: dict[str, list[Entry]] = {}
        for page in about:
            if page.case_id is not None:
                entry = Entry(type, now, None, page.warning_id, page.person, channel=page.channel)
                by_case.setdefault(page.case_id, []).append(entry)
        store.append_all(tx, by_case)

    def _not_sent(self, tx: Connection, taken: Sequence[Queued], reason: NotSent, now: datetime) -> None:
        for page in taken:
            if isinstance(reason, TryLater) and is_outage(reason):
                fate = after_outage(reason, page.key, page.created_at, now)
            else:
                # The attempt that just failed is not yet counted in the row as it was read.
                fate = after(reason, page.attempts + 1, page.key)
            if isinstance(fate, Lost):
                self.lost(tx, [page], fate, now)
            elif fate.counted:
                outbox.mark_pending(tx, [page.id], fate.after_s, str(reason), now)
            else:
                outbox.mark_untried(tx, [page.id], fate.after_s, str(reason), now)

    def give_up_old(self, tx: Connection, channel: str, reason: TryLater, now: datetime) -> None:
        """The channel reaches nobody: those are given up that have waited for a day, tried or not."""
        for page in claims.waiting_since(tx, channel, now, now - LONGEST_OUTAGE, CHUNK):
            fate = after_outage(reason, page.key, page.created_at, now)
            if isinstance(fate, Lost):
                self.lost(tx, [page], fate, now)

    def lost(self, tx: Connection, pages: Iterable[Queued], fate: Lost, now: datetime) -> None:
        """Failed or uncertain, in plain sight, and somebody is told instead."""
        directory = newest(self._directory)
        fallback = directory.fallback
        reach = channels_for(directory.people.get(fallback), self._configured, self._reaches)
        for page in pages:
            outbox.mark_lost(tx, [page.id], fate.state, fate.why, now)
            if fate.state == "uncertain":
                self._append(tx, [page], "case.page_uncertain", now)
            for next_ in follow(page, fate.state, fallback, reach):
                way = Way(next_.channel, next_.later)
                outbox.enqueue(tx, page.case_id, [(next_.page, way)], now, next_.about, after_s=next_.after_s)
