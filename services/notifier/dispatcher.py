"""Sends what the outbox holds for one channel, several messages side by side, and has it written down what became of
them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

from sqlalchemy import Connection

from schemas import warnings as wire
from services.common.clock import Now, wall_now
from services.common.database import Database
from services.notifier import claims, outbox, store
from services.notifier.channels.base import (
    Accepted,
    Channel,
    FateUnknown,
    Message,
    NotSent,
    RateLimited,
    Refused,
    TakesMany,
    TryLater,
)
from services.notifier.channels.limits import Wait
from services.notifier.claims import Claimer, Parcel
from services.notifier.delivering import Lost, Queued, backoff_s
from services.notifier.grouping import Manners
from services.notifier.lists import reminder_of
from services.notifier.messages import About, Letters, Notice
from services.notifier.outcomes import CHUNK, Outcome, Postponed, Recorder
from services.notifier.throttle import Throttle
from services.notifier.workers import PASSING, RETRY_S

log = logging.getLogger(__name__)

_CRASHED = "发送过程被中断。 / Sending was interrupted before its outcome was written down."

_UNFORESEEN = "发送时出现意外错误 / an unforeseen error while sending"


ROUND_PAGES = 2000
"""About so many are tried in a round: what a dead notifier left is judged between rounds, however many wait."""

GATHER_S = 0.02
"""So long a message that is done waits for others beside it, to be written down in one transaction with them."""


class Claims(Protocol):
    """What a dispatcher asks of its Replica."""

    name: str

    def holds(self) -> bool: ...

    def others(self, tx: Connection) -> set[str]: ...


class Alone:
    """The only notifier there is, for tests: whatever it did not do itself a dead one did."""

    name = "alone"

    def holds(self) -> bool:
        return True

    def others(self, tx: Connection) -> set[str]:
        return set()


class Dispatcher:
    """One thread's work for one channel. `width`: so many messages are in hand at once, sent side by side; all of them
    together by a channel that TakesMany."""

    def __init__(
        self,
        database: Database,
        channel: Channel,
        letters: Letters,
        now: Now,
        *,
        replica: Claims | None = None,
        manners: Manners | None = None,
        configured: Sequence[str] = (),
        reaches: outbox.Reaches = outbox.by_address,
        width: int = 1,
        wall: Now = wall_now,
    ) -> None:
        self._database = database
        self._channel = channel
        self._letters = letters
        self._now = now
        self._replica = replica or Alone()
        self._claimer = Claimer(channel.name, self._replica.name, manners or Manners())
        self._recorder = Recorder(database, self._replica.name, lambda: letters.directory, now, configured, reaches)
        self._throttle = Throttle(database, wall)
        self._width = width
        self._many = channel if isinstance(channel, TakesMany) else None
        threads = width > 1 and self._many is None
        self._pool = ThreadPoolExecutor(width, f"send-{channel.name}") if threads else None
        self._outcomes: list[Outcome] = []
        self._outages = 0
        self._away_until: datetime | None = None
        self._full_until: datetime | None = None
        self._surely_more = False

    def close(self) -> None:
        """What is on its way is waited for; nothing new is begun."""
        if self._pool is not None:
            self._pool.shutdown()

    def recover(self) -> int:
        """Judge what a crash or an absent database left in flight, ours or a dead notifier's: by what the channel knows
        of it, and where it cannot tell, uncertain."""
        # What we know ourselves of an earlier round must not be taken for doubt.
        self._recorder.record(self._outcomes)
        with self._database.reading() as tx:
            left = claims.in_doubt(tx, self._channel.name, self._replica.others(tx))
        fates: dict[bool | None, list[Queued]] = {}
        for key, group in groupby(left, key=lambda page: page.message_key or page.key):
            fates.setdefault(self._channel.has_sent(key), []).extend(group)
        for sent, pages in fates.items():
            for start in range(0, len(pages), CHUNK):
                self._judge(pages[start : start + CHUNK], sent)
        return len(left)

    def _judge(self, left: Sequence[Queued], sent: bool | None) -> None:
        now = self._now()
        with self._database.writing() as tx:
            # Another notifier may have judged them a moment ago.
            left = claims.still_so(tx, left)
            if sent:
                had_it = f"{self._channel.name} had it before the interruption"
                self._recorder.accepted(tx, [(page, had_it) for page in left], now)
            elif sent is None:
                self._recorder.lost(tx, left, Lost("uncertain", _CRASHED), now)
            else:
                outbox.mark_pending(tx, [page.id for page in left], 0.0, None, now)

    def round(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Send what is due now; the number of pages that were tried."""
        with self._database.reading() as tx:
            if not self._outcomes and not claims.is_anything(tx, self._channel.name, self._now()):
                return 0
        # A round that the database cut short has left pages behind in `sending`, which nobody else would look at.
        self.recover()
        tried, running = 0, set[Future[Outcome]]()
        try:
            while True:
                # Half of the places empty: fewer transactions, each with more messages.
                more = tried < ROUND_PAGES and not stop() and not self._is_away()
                if more and 2 * len(running) <= self._width:
                    parcels = self._claim(self._width - len(running))
                    tried += sum(len(parcel.pages) for parcel in parcels)
                    self._begin(parcels, running)
                if running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    if running:
                        beside, running = wait(running, timeout=GATHER_S)
                        done |= beside
                    self._collect(done)
                if not self._outcomes:
                    return tried
                self._settle()
        finally:
            # Nothing of this round may be on its way when the next one judges what is left.
            self._collect(wait(running).done, quietly=True)

    def _collect(self, done: set[Future[Outcome]], *, quietly: bool = False) -> None:
        """Keep what is known of them. Raises what one of them raised, after the others; its pages are in doubt."""
        errors = [one.exception() for one in done]
        self._outcomes += [one.result() for one, error in zip(done, errors, strict=True) if error is None]
        for error in errors:
            if error is not None and not quietly:
                raise error

    def _claim(self, room: int) -> list[Parcel]:
        now = self._now()
        only_critical = self._full_until is not None and now < self._full_until
        if not self._surely_more:
            with self._database.reading() as tx:
                if not self._claimer.is_due(tx, now, only_critical=only_critical):
                    return []
        with self._database.claiming() as tx:
            parcels = self._claimer.claim(tx, now, room, only_critical=only_critical)
        # Whoever got all they asked for need not look first whether there is anything.
        self._surely_more = len(parcels) == room
        return parcels

    def _begin(self, parcels: Sequence[Parcel], running: set[Future[Outcome]]) -> None:
        if not parcels:
            return
        try:
            letters = self._written(parcels)
        except PASSING as error:
            log.warning("%s: no message could be written: %s", self._channel.name, type(error).__name__)
            self._outcomes += [Outcome(parcel, Postponed(RETRY_S)) for parcel in parcels]
            return
        ready: list[tuple[Parcel, Message]] = []
        for parcel, letter in zip(parcels, letters, strict=True):
            if letter is not None:
                ready.append((parcel, letter))
                continue
            gone = f"通讯录中已没有 {parcel.person}。 / {parcel.person} is not in the directory any more."
            self._outcomes.append(Outcome(parcel, Refused(gone)))
        if self._many is not None:
            self._outcomes += self._try_all(self._many, ready)
        elif self._pool is None:
            self._outcomes += [self._try(parcel, letter) for parcel, letter in ready]
        else:
            running.update(self._pool.submit(self._try, parcel, letter) for parcel, letter in ready)

    def _is_away(self) -> bool:
        return self._away_until is not None and self._now() < self._away_until

    def _settle(self) -> None:
        """Write down what is known, and learn from it how the channel is."""
        for outcome in self._outcomes:
            result = outcome.result
            if isinstance(result, NotSent):
                parcel = outcome.parcel
                log.warning("%s: %d pages to %s: %s", self._channel.name, len(parcel.pages), parcel.person, result)
            if isinstance(result, TryLater) and result.everyone:
                self._note_outage(result)
            elif not isinstance(result, Postponed):
                self._outages, self._away_until = 0, None
        self._recorder.record(self._outcomes)

    def _note_outage(self, reason: TryLater) -> None:
        """The channel reaches nobody: it is left alone for a while, longer each time."""
        now = self._now()
        if self._is_away():
            # Messages that were sent side by side tell of one outage.
            return
        self._outages += 1
        self._away_until = now + timedelta(seconds=max(reason.after_s, backoff_s(self._outages)))
        with self._database.writing() as tx:
            self._recorder.give_up_old(tx, self._channel.name, reason, now)

    def _try(self, parcel: Parcel, letter: Message) -> Outcome:
        """Hand it over. Raises only what leaves the fate of the pages to the next round."""
        limits, scope, hold = self._channel.limits, self._channel.scope(letter), tuple[datetime, ...]()
        if limits.windows or limits.block_s:
            cost = self._channel.cost(letter)
            verdict = self._throttle.reserve(limits, scope, cost, critical=parcel.critical)
            if isinstance(verdict, Wait):
                return self._full(parcel, self._throttle.wait_s(verdict))
            hold = verdict.hold
        if not self._replica.holds():
            # Whoever takes us for dead finds these pages in doubt; they were not sent, but who could tell?
            return Outcome(parcel, Postponed(RETRY_S))
        result = self._send(letter)
        self._throttle.answered(scope, hold)
        if isinstance(result, RateLimited):
            self._throttle.blocked(limits, scope, result.after_s)
        return Outcome(parcel, result)

    def _try_all(self, channel: TakesMany, ready: Sequence[tuple[Parcel, Message]]) -> list[Outcome]:
        """Hand them over together; one after another where something is wrong that nobody foresaw, for it may be with
        one of them alone. Raises as _try does."""
        if not self._replica.holds():
            return [Outcome(parcel, Postponed(RETRY_S)) for parcel, _ in ready]
        try:
            sent = channel.send_all([letter for _, letter in ready])
        except NotSent as reason:
            return [Outcome(parcel, reason) for parcel, _ in ready]
        except PASSING:
            raise
        except Exception as error:
            log.exception("%s: %d messages together: %s", self._channel.name, len(ready), type(error).__name__)
            return [self._try(parcel, letter) for parcel, letter in ready]
        return [Outcome(parcel, accepted) for (parcel, _), accepted in zip(ready, sent, strict=True)]

    def _full(self, parcel: Parcel, after_s: float) -> Outcome:
        """The provider takes no more of this scope; where that is all of the channel, the rest need not be tried."""
        if self._channel.limits.per != "member":
            until = self._now() + timedelta(seconds=after_s)
            self._full_until = until
            if parcel.critical:
                self._away_until = until
        return Outcome(parcel, Postponed(after_s))

    def _send(self, letter: Message) -> Accepted | NotSent:
        try:
            return self._channel.send(letter)
        except NotSent as reason:
            return reason
        except PASSING:
            raise
        except Exception as error:
            # One receiver that answers as nobody foresaw must not end the service for all others.
            log.exception("%s: %s", self._channel.name, type(error).__name__)
            return FateUnknown(f"{_UNFORESEEN}: {type(error).__name__}")

    def _written(self, parcels: Sequence[Parcel]) -> list[Message | None]:
        """None where the person has left the directory."""
        # Of several pages about one warning only the newest says anything new.
        told = [parcel.pages if parcel.digest else parcel.pages[-1:] for parcel in parcels]
        needed = [page for pages in told for page in pages]
        with self._database.reading() as tx:
            known = _Known(
                store.find_warnings(tx, {(page.warning_id, page.revision) for page in needed}),
                outbox.find_all(tx, {page.about for page in needed if page.about is not None}),
                store.said_of(tx, {page.case_id for page in needed if page.case_id is not None}),
            )
        return [
            self._letter(parcel, [known.notice(page) for page in pages])
            for parcel, pages in zip(parcels, told, strict=True)
        ]

    def _letter(self, parcel: Parcel, notices: list[Notice]) -> Message | None:
        person = self._letters.directory.people.get(parcel.person)
        if person is None:
            return None
        letter = self._letters.digest(notices, person) if parcel.digest else self._letters.single(notices[0], person)
        # By the outbox's key a channel is asked after a crash.
        return replace(letter, key=parcel.key)


@dataclass(frozen=True)
class _Known:
    """What the pages of a claim tell of: revisions of warnings, other pages by id, and what is said of cases."""

    warnings: Mapping[tuple[str, int], wire.Warning]
    subjects: Mapping[int, Queued]
    cases: Mapping[str, store.Said]

    def notice(self, page: Queued) -> Notice:
        """What is to be said of it."""
        warning = self.warnings.get((page.warning_id, page.revision))
        if warning is None:
            raise LookupError(
                f"page {page.id} is about revision {page.revision} of {page.warning_id}, which is not filed"
            )
        subject = self.subjects.get(page.about) if page.about is not None else None
        about = About(subject.person, subject.channel, subject.error or "", subject.kind) if subject else None
        case = self.cases.get(page.case_id) if page.case_id is not None else None
        value = case.value if case else None
        todo = warning.output == "task" if page.case_id is None else page.step.startswith(reminder_of(warning.id))
        asked = tuple(department for person, department in case.asked if person == page.person) if case else ()
        told = page.key, page.kind, page.role, page.case_id, warning, page.due_at, about, value, page.created_at
        return Notice(*told, todo=todo, departments=asked)
