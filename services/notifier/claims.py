"""Taking pages in hand, so that no two notifiers take one: rows locked with SKIP LOCKED. Inside Database.claiming()."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.notifier import outbox
from services.notifier.delivering import Queued
from services.notifier.grouping import Manners, Row, Sent, group
from services.notifier.outbox import TOLD
from services.notifier.tables import pages, recipients, settling
from services.notifier.views import PageState

MAX_PAGES = 5000
"""In one look, of all who are looked at: what is over comes with the next."""
LOOK_BACK = timedelta(minutes=1)
"""At least: so far back critical messages are counted."""

_PAGE = [pages.c[name] for name in Queued.__dataclass_fields__]


@dataclass(frozen=True)
class Parcel:
    """One message's pages, oldest first, claimed. `digest`: it tells of several things."""

    key: str
    person: str
    pages: tuple[Queued, ...]
    digest: bool

    @property
    def ids(self) -> list[int]:
        """Of its pages."""
        return [page.id for page in self.pages]

    @property
    def critical(self) -> bool:
        """Every page in it is."""
        return all(page.critical for page in self.pages)


@dataclass(frozen=True)
class Claimer:
    """Who takes pages for one channel, and how people are treated there."""

    channel: str
    replica: str
    manners: Manners

    def is_due(self, tx: Connection, now: datetime, *, only_critical: bool = False) -> bool:
        """Whether there is anything to look at: most often there is not, and nothing need be locked."""
        same = and_(recipients.c.channel == pages.c.channel, recipients.c.person == pages.c.person)
        free = or_(recipients.c.held_until.is_(None), recipients.c.held_until <= now)
        query = select(pages.c.id).outerjoin(recipients, same).where(*self._due(now, only_critical=only_critical), free)
        return tx.execute(query.limit(1)).first() is not None

    def claim(self, tx: Connection, now: datetime, room: int, *, only_critical: bool = False) -> list[Parcel]:
        """At most `room` messages to be sent now, what is critical first; their pages are `sending` from here on.
        Empty when there is nothing to do before a new page comes or time passes."""
        found: list[Parcel] = []
        passed: set[str] = set()
        while len(found) < room:
            people = self._people(tx, now, room - len(found), passed, only_critical=only_critical)
            if not people:
                break
            passed.update(people)
            found += self._of(tx, people, now, room - len(found), only_critical=only_critical)
        return found

    def _people(
        self, tx: Connection, now: datetime, limit: int, passed: Collection[str], *, only_critical: bool
    ) -> list[str]:
        """Whom there is something for, and whom nobody else is looking at: locked until the transaction ends."""
        urgency = func.max(case((pages.c.critical, 1), else_=0))
        due = self._due(now, only_critical=only_critical)
        query = select(pages.c.person).where(*due, pages.c.person.not_in(passed)).group_by(pages.c.person)
        same = and_(recipients.c.channel == pages.c.channel, recipients.c.person == pages.c.person)
        free = or_(recipients.c.held_until.is_(None), recipients.c.held_until <= now)
        query = (
            query.outerjoin(recipients, same).where(free).order_by(urgency.desc(), func.min(pages.c.id)).limit(limit)
        )
        people = list(tx.execute(query).scalars())
        if not people:
            return []
        mine = recipients.c.channel == self.channel, recipients.c.person.in_(people)
        self._expect(tx, people)
        locked = set(tx.execute(select(recipients.c.person).where(*mine).with_for_update(skip_locked=True)).scalars())
        return [person for person in people if person in locked]

    def _expect(self, tx: Connection, people: Sequence[str]) -> None:
        """A page whose recipient the channel does not know is no reason not to send it."""
        mine = recipients.c.channel == self.channel, recipients.c.person.in_(people)
        known = set(tx.execute(select(recipients.c.person).where(*mine)).scalars())
        for person in sorted(set(people) - known):
            # Another notifier may do the same at this moment.
            with contextlib.suppress(IntegrityError), tx.begin_nested():
                tx.execute(insert(recipients).values(channel=self.channel, person=person))

    def _due(self, now: datetime, *, only_critical: bool) -> list[ColumnElement[bool]]:
        # A round that is still being decided would be told in pieces.
        undecided = select(settling.c.round_at).where(settling.c.round_at.is_not(None))
        whole = or_(pages.c.round_at.is_(None), pages.c.round_at.not_in(undecided))
        due: list[ColumnElement[bool]] = [
            pages.c.channel == self.channel,
            pages.c.state == "pending",
            pages.c.next_at <= now,
            whole,
        ]
        return [*due, pages.c.critical] if only_critical else due

    def _of(
        self, tx: Connection, people: Sequence[str], now: datetime, room: int, *, only_critical: bool
    ) -> list[Parcel]:
        """What goes to these people now. Who has something that must wait is held until then."""
        due = self._due(now, only_critical=only_critical)
        query = select(*_PAGE).where(*due, pages.c.person.in_(people)).order_by(pages.c.critical.desc(), pages.c.id)
        rows = [Queued(*row) for row in tx.execute(query.limit(MAX_PAGES).with_for_update(skip_locked=True))]
        told = self._told(tx, people, now)
        found: list[Parcel] = []
        for person in people:
            mine = [row for row in rows if row.person == person]
            decided = group(map(_row, mine), [one for one in told if one.person == person], now, self.manners)
            by_id = {row.id: row for row in mine}
            taken = decided.now[: room - len(found)]
            found += [_parcel(tuple(by_id[one] for one in bundle.ids), digest=bundle.digest) for bundle in taken]
            if decided.again_at is not None and not only_critical and len(taken) == len(decided.now):
                at = recipients.c.channel == self.channel, recipients.c.person == person
                tx.execute(update(recipients).where(*at).values(held_until=decided.again_at))
        claimed = [(page.id, parcel.key) for parcel in found for page in parcel.pages]
        outbox.mark_sending(tx, claimed, self.replica, now)
        return found

    def _told(self, tx: Connection, people: Sequence[str], now: datetime) -> list[Sent]:
        """The messages of the last window to these people."""
        since = now - max(self.manners.window, LOOK_BACK)
        took = func.max(pages.c.taken_at)
        least = func.min(case((pages.c.critical, 1), else_=0))
        told = pages.c.channel == self.channel, pages.c.person.in_(people), pages.c.state.in_(TOLD)
        query = select(pages.c.person, pages.c.message_key, took, least).where(*told, pages.c.taken_at > since)
        return [
            Sent(person, at, bool(critical), key.startswith("digest/"))
            for person, key, at, critical in tx.execute(query.group_by(pages.c.person, pages.c.message_key))
        ]


def _waiting(channel: str) -> list[ColumnElement[bool]]:
    return [pages.c.channel == channel, pages.c.state == "pending"]


def _row(page: Queued) -> Row:
    return Row(page.id, page.person, page.warning_id, page.kind, page.critical, page.created_at, page.round_at)


def _parcel(taken: tuple[Queued, ...], *, digest: bool) -> Parcel:
    """The key is the same whenever the same pages make one message."""
    keys = [page.key for page in taken]
    key = "digest/" + hashlib.sha256("\n".join(keys).encode()).hexdigest() if digest else keys[-1]
    return Parcel(key, taken[0].person, taken, digest)


def in_doubt(tx: Connection, channel: str, alive: Collection[str]) -> list[Queued]:
    """Pages that were being sent by us, of whom nothing is on its way now, or by somebody who is not `alive`."""
    left = pages.c.channel == channel, pages.c.state == "sending"
    orphaned = or_(pages.c.claimed_by.is_(None), not_(pages.c.claimed_by.in_(list(alive))))
    return [Queued(*row) for row in tx.execute(select(*_PAGE).where(*left, orphaned).order_by(pages.c.id))]


def still_so(tx: Connection, taken: Sequence[Queued]) -> list[Queued]:
    """Those of them that nobody has judged since: still sent by the same one."""
    query = select(pages.c.id, pages.c.claimed_by).where(pages.c.id.in_([page.id for page in taken]))
    held = {row.id: row.claimed_by for row in tx.execute(query.where(pages.c.state == "sending"))}
    return [page for page in taken if page.id in held and held[page.id] == page.claimed_by]


def still_ours(tx: Connection, ids: Sequence[int], replica: str) -> dict[int, PageState]:
    """Those that we sent with their states, also if somebody took us for dead meanwhile and they are in doubt."""
    ours = pages.c.id.in_(ids), pages.c.claimed_by == replica, pages.c.state.in_(("sending", "uncertain"))
    return {row.id: row.state for row in tx.execute(select(pages.c.id, pages.c.state).where(*ours))}


def waiting_since(tx: Connection, channel: str, now: datetime, since: datetime, limit: int) -> list[Queued]:
    """Pages whose turn it is and that were written at `since` or before; those somebody else is taking left out."""
    old = pages.c.channel == channel, pages.c.state == "pending", pages.c.next_at <= now, pages.c.created_at <= since
    query = select(*_PAGE).where(*old).order_by(pages.c.id).limit(limit)
    return [Queued(*row) for row in tx.execute(query.with_for_update(skip_locked=True))]
