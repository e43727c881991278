"""Sends what the outbox holds for one channel, and writes down what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from services.common.clock import Now
from services.common.database import Database
from services.notifier import outbox, store
from services.notifier.case import Entry, Page
from services.notifier.channels.base import Accepted, Channel, FateUnknown, Message, NotSent, Refused, TryLater
from services.notifier.messages import About, Letters, Notice
from services.notifier.outbox import INBOX, LONGEST_OUTAGE, MAX_ATTEMPTS, Queued
from services.notifier.workers import PASSING

log = logging.getLogger(__name__)

DIGEST_FROM = 4
"""So many pages or more that wait for one person become one message: a first import does not flood anybody."""

CHUNK = 200
"""Pages of a digest that are written off in one transaction: nobody else waits long for the database."""

_CRASHED = "发送过程被中断。 / Sending was interrupted before its outcome was written down."

_UNFORESEEN = "发送时出现意外错误 / an unforeseen error while sending"


class Dispatcher:
    """One thread's work for one channel: nobody else may send through it meanwhile."""

    def __init__(self, database: Database, channel: Channel, letters: Letters, now: Now) -> None:
        self._database = database
        self._channel = channel
        self._letters = letters
        self._now = now
        self._outages = 0
        self._away_until: datetime | None = None

    def recover(self) -> int:
        """Judge what a crash or an absent database left in flight: by what the channel knows of it, and where it cannot
        tell, uncertain."""
        with self._database.reading() as tx:
            left = outbox.in_flight(tx, self._channel.name)
        for key, group in groupby(left, key=lambda page: page.message_key or page.key):
            self._judge(list(group), self._channel.has_sent(key))
        return len(left)

    def _judge(self, left: Sequence[Queued], sent: bool | None) -> None:
        if sent:
            self._accepted(left, Accepted(f"{self._channel.name} had it before the interruption"))
            return
        with self._database.writing() as tx:
            if sent is None:
                self._give_up(tx, left, FateUnknown(_CRASHED))
            else:
                outbox.mark_pending(tx, [page.id for page in left], 0.0, None, self._now())

    def round(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Send what is due now; the number of pages that were tried."""
        # A round that the database cut short has left pages behind in `sending`, which nobody else would look at.
        self.recover()
        if self._away_until is not None and self._now() < self._away_until:
            return 0
        with self._database.reading() as tx:
            waiting = outbox.pending(tx, self._channel.name, self._now())
        tried = 0
        for bundle in bundles(waiting):
            if stop():
                break
            tried += len(bundle)
            if not self._deliver(bundle):
                break
        return tried

    def _deliver(self, bundle: Sequence[Queued]) -> bool:
        """False when the channel reaches nobody at present."""
        letter = self._letter(bundle)
        # Write first: a crash from here on leaves the pages visibly in doubt, never silently unsent or sent twice.
        with self._database.writing() as tx:
            pending = outbox.still_pending(tx, [page.id for page in bundle])
            if len(pending) == len(bundle):
                key = letter.key if letter else bundle[0].key
                outbox.mark_sending(tx, [page.id for page in bundle], key, self._now())
        if len(pending) < len(bundle):
            # Withdrawn since the round began: the letter is written anew without it.
            left = [page for page in bundle if page.id in pending]
            return self._deliver(left) if left else True
        try:
            accepted = self._send(letter, bundle[0].person)
        except NotSent as reason:
            return self._not_sent(bundle, reason)
        except PASSING:
            raise
        except Exception as error:
            # One receiver that answers as nobody foresaw must not end the service for all others.
            log.exception("%s: %s", self._channel.name, type(error).__name__)
            return self._not_sent(bundle, FateUnknown(f"{_UNFORESEEN}: {type(error).__name__}"))
        self._outages, self._away_until = 0, None
        for start in range(0, len(bundle), CHUNK):
            self._accepted(bundle[start : start + CHUNK], accepted)
        return True

    def _send(self, letter: Message | None, person: str) -> Accepted:
        if letter is None:
            raise Refused(f"通讯录中已没有 {person}。 / {person} is not in the directory any more.")
        return self._channel.send(letter)

    def _letter(self, bundle: Sequence[Queued]) -> Message | None:
        """None when the person has left the directory."""
        person = self._letters.directory.people.get(bundle[0].person)
        if person is None:
            return None
        with self._database.reading() as tx:
            notices = [self._notice(tx, page) for page in bundle]
        return self._letters.single(notices[0], person) if len(notices) == 1 else self._letters.digest(notices, person)

    def _notice(self, tx: Connection, page: Queued) -> Notice:
        warning = store.find_warning(tx, page.warning_id, page.revision)
        if warning is None:
            raise LookupError(
                f"page {page.id} is about revision {page.revision} of {page.warning_id}, which is not filed"
            )
        subject = outbox.find(tx, page.about) if page.about is not None else None
        about = About(subject.person, subject.channel, subject.error or "") if subject else None
        return Notice(page.key, page.kind, page.role, page.case_id, warning, page.due_at, about)

    def _accepted(self, sent: Sequence[Queued], accepted: Accepted) -> None:
        now = self._now()
        with self._database.writing() as tx:
            outbox.mark_accepted(tx, [page.id for page in sent], accepted.provider_id, now)
            customers = store.customers_of(tx, {page.case_id for page in sent if page.case_id})
            for page in sent:
                if page.case_id is not None:
                    paged = Entry("case.paged", now, None, page.warning_id, page.person, channel=page.channel)
                    store.append(tx, page.case_id, customers[page.case_id], [paged])

    def _not_sent(self, bundle: Sequence[Queued], reason: NotSent) -> bool:
        log.warning("%s: %d pages to %s: %s", self._channel.name, len(bundle), bundle[0].person, reason)
        if isinstance(reason, TryLater) and reason.everyone:
            self._away(bundle, reason)
            return False
        self._outages, self._away_until = 0, None
        with self._database.writing() as tx:
            if not isinstance(reason, TryLater):
                self._give_up(tx, bundle, reason)
                return True
            for page in bundle:
                # The attempt that just failed is not yet counted in the row as it was read.
                attempts = page.attempts + 1
                if attempts >= MAX_ATTEMPTS:
                    self._give_up(
                        tx,
                        [page],
                        Refused(f"{reason}（已尝试 {attempts} 次，不再重试 / given up after {attempts} attempts）"),
                    )
                else:
                    after_s = max(reason.after_s, outbox.backoff_s(attempts))
                    outbox.mark_pending(tx, [page.id], after_s, str(reason), self._now())
            self._cancel_withdrawn(tx, bundle)
        return True

    def _away(self, bundle: Sequence[Queued], reason: TryLater) -> None:
        """The channel reaches nobody: all of its pages wait, and only those are given up that have waited for a day."""
        now = self._now()
        self._outages += 1
        self._away_until = now + timedelta(seconds=max(reason.after_s, outbox.backoff_s(self._outages)))
        with self._database.writing() as tx:
            waiting = [*bundle, *outbox.pending(tx, self._channel.name, now, CHUNK)]
            lost = [page for page in waiting if now - page.created_at >= LONGEST_OUTAGE]
            given_up = {page.id for page in lost}
            kept = [page.id for page in bundle if page.id not in given_up]
            outbox.mark_untried(tx, kept, reason.after_s, str(reason), now)
            if lost:
                self._give_up(tx, lost, Refused(f"{reason}（已等待 24 小时，不再重试 / given up after 24 hours）"))
            self._cancel_withdrawn(tx, bundle)

    def _cancel_withdrawn(self, tx: Connection, bundle: Sequence[Queued]) -> None:
        # A warning may have been withdrawn while its page was on its way.
        for warning_id in store.withdrawn_among(tx, {page.warning_id for page in bundle}):
            outbox.cancel(tx, warning_id, self._now())

    def _give_up(self, tx: Connection, lost: Sequence[Queued], reason: NotSent) -> None:
        """Failed or uncertain, in plain sight: the inbox tells the fallback, or repeats the page with its doubt."""
        uncertain = isinstance(reason, FateUnknown)
        now = self._now()
        outbox.mark_lost(tx, [page.id for page in lost], "uncertain" if uncertain else "failed", str(reason), now)
        customers = store.customers_of(tx, {page.case_id for page in lost if page.case_id})
        for page in lost:
            if uncertain and page.case_id is not None:
                entry = Entry("case.page_uncertain", now, None, page.warning_id, page.person, channel=page.channel)
                store.append(tx, page.case_id, customers[page.case_id], [entry])
            if page.about is None:
                report = self._report(page, uncertain=uncertain)
                outbox.enqueue(tx, page.case_id, [(report, INBOX)], now, about=page.id)

    def _report(self, page: Queued, *, uncertain: bool) -> Page:
        about = page.warning_id, page.revision, page.due_at
        if uncertain:
            return Page(f"uncertain:{page.id}", "uncertain", page.person, page.role, *about)
        return Page(f"undelivered:{page.id}", "undelivered", self._letters.directory.fallback, "fallback", *about)


def bundles(waiting: Sequence[Queued]) -> list[list[Queued]]:
    """What goes into one message each: all of a person's pages when they are many, otherwise those of one round of
    settled warnings together and each of the others alone."""
    found: list[list[Queued]] = []
    for _, group in groupby(sorted(waiting, key=lambda page: (page.person, page.id)), key=lambda page: page.person):
        mine = list(group)
        found += [mine] if len(mine) >= DIGEST_FROM else _by_round(mine)
    return sorted(found, key=lambda bundle: bundle[0].id)


def _by_round(mine: Sequence[Queued]) -> list[list[Queued]]:
    found: dict[datetime | int, list[Queued]] = {}
    for page in mine:
        found.setdefault(page.round_at or page.id, []).append(page)
    return list(found.values())
