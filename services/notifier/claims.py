"""Taking pages in hand, so that no two notifiers take one: rows locked with SKIP LOCKED. Inside Database.claiming()."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from services.common.columns import UtcInstant
from services.notifier import outbox
from services.notifier.delivering import Queued
from services.notifier.grouping import DIGEST, Manners, Row, Sent, group
from services.notifier.outbox import TOLD
from services.notifier.tables import pages, recipients, settling
from services.notifier.views import PageState

MAX_PAGES = 5000
"""In one look, of all who are looked at: what is over comes with the next."""
LOOK_BACK = timedelta(minutes=1)
"""At least: so far back critical messages are counted."""

_PAGE = [pages.c[name] for name in Queued.__dataclass_fields__]

# Statements are made once: to put one together costs more than SQLite takes to answer it.
_CHANNEL: BindParameter[Any] = bindparam("channel")
_NOW = bindparam("now", type_=UtcInstant)
_ROOM = bindparam("room", type_=Integer)
_PEOPLE: BindParameter[Any] = bindparam("people", expanding=True)


def _due(*, only_critical: bool) -> list[ColumnElement[bool]]:
    # A round that is still being decided would be told in pieces.
    undecided = select(settling.c.round_at).where(settling.c.round_at.is_not(None))
    whole = or_(pages.c.round_at.is_(None), pages.c.round_at.not_in(undecided))
    due = [pages.c.channel == _CHANNEL, pages.c.state == "pending", pages.c.next_at <= _NOW, whole]
    return [*due, pages.c.critical] if only_critical else due


def _for_free_people(query: Select[Any], *, only_critical: bool) -> Select[Any]:
    # A subquery and no join: without statistics (a new database, a first storm) PostgreSQL joins by the channel alone,
    # every page with every recipient of it.
    held = select(recipients.c.held_until).where(
        recipients.c.channel == pages.c.channel, recipients.c.person == pages.c.person
    )
    free = func.coalesce(held.scalar_subquery(), _NOW) <= _NOW
    return query.where(*_due(only_critical=only_critical), free)


def _first(*, only_critical: bool) -> Select[Any]:
    return _for_free_people(select(pages.c.id), only_critical=only_critical).limit(1)


def _whom(*, only_critical: bool) -> Select[Any]:
    query = _for_free_people(select(pages.c.person), only_critical=only_critical)
    query = query.where(pages.c.person.not_in(bindparam("passed", expanding=True)))
    return query.order_by(pages.c.critical.desc(), pages.c.id).limit(_ROOM)


def _theirs(*, only_critical: bool) -> Select[Any]:
    query = select(*_PAGE).where(*_due(only_critical=only_critical), pages.c.person.in_(_PEOPLE))
    return query.order_by(pages.c.critical.desc(), pages.c.id).limit(MAX_PAGES).with_for_update(skip_locked=True)


# By whether only what is critical is looked for.
_FIRST = {wanted: _first(only_critical=wanted) for wanted in (False, True)}
_WHOM = {wanted: _whom(only_critical=wanted) for wanted in (False, True)}
_THEIRS = {wanted: _theirs(only_critical=wanted) for wanted in (False, True)}

_KNOWN = select(recipients.c.person).where(recipients.c.channel == _CHANNEL, recipients.c.person.in_(_PEOPLE))
_LOCKED = _KNOWN.with_for_update(skip_locked=True)
_HOLD = (
    update(recipients)
    .where(recipients.c.channel == bindparam("whose_channel"), recipients.c.person == bindparam("whose"))
    .values(held_until=bindparam("until"))
)
_LATELY = (
    select(
        pages.c.person, pages.c.message_key, func.max(pages.c.taken_at), func.min(case((pages.c.critical, 1), else_=0))
    )
    .where(pages.c.channel == _CHANNEL, pages.c.person.in_(_PEOPLE), pages.c.state.in_(TOLD))
    .where(pages.c.taken_at > bindparam("since"))
    .group_by(pages.c.person, pages.c.message_key)
)
_IN_DOUBT = (
    select(*_PAGE)
    .where(pages.c.channel == _CHANNEL, pages.c.state == "sending")
    .where(or_(pages.c.claimed_by.is_(None), pages.c.claimed_by.not_in(bindparam("alive", expanding=True))))
    .order_by(pages.c.id)
)
_AT_ALL = select(
    or_(
        exists().where(pages.c.channel == _CHANNEL, pages.c.state == "pending", pages.c.next_at <= _NOW),
        exists().where(pages.c.channel == _CHANNEL, pages.c.state == "sending"),
    )
)
_OURS = select(pages.c.id, pages.c.state).where(
    pages.c.id.in_(bindparam("ids", expanding=True)),
    pages.c.claimed_by == bindparam("replica"),
    pages.c.state.in_(("sending", "uncertain")),
)


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
        found = tx.execute(_FIRST[only_critical], {"channel": self.channel, "now": now})
        return found.first() is not None

    def claim(self, tx: Connection, now: datetime, room: int, *, only_critical: bool = False) -> list[Parcel]:
        """At most `room` messages to be sent now, what is critical first; their pages are `sending` from here on.
        Empty when there is nothing to do before a new page comes or time passes."""
        found: list[Parcel] = []
        passed: set[str] = set()
        while len(found) < room:
            waiting = self._waiting(tx, now, room - len(found), passed, only_critical=only_critical)
            if not waiting:
                break
            # Also those whom another notifier is looking at: the others behind them need not wait for that.
            passed.update(waiting)
            people = self._free(tx, waiting)
            if people:
                found += self._of(tx, people, now, room - len(found), only_critical=only_critical)
        return found

    def _waiting(
        self, tx: Connection, now: datetime, limit: int, passed: Collection[str], *, only_critical: bool
    ) -> list[str]:
        """Whom there is something for, what is critical first."""
        wanted = {"channel": self.channel, "now": now, "passed": list(passed), "room": limit}
        return list(dict.fromkeys(tx.execute(_WHOM[only_critical], wanted).scalars()))

    def _free(self, tx: Connection, people: Sequence[str]) -> list[str]:
        """Those of them whom nobody else is looking at: locked until the transaction ends."""
        locked = self._locked(tx, people)
        if len(locked) < len(people) and self._expect(tx, people):
            locked = self._locked(tx, people)
        return [person for person in people if person in locked]

    def _locked(self, tx: Connection, people: Sequence[str]) -> set[str]:
        return set(tx.execute(_LOCKED, {"channel": self.channel, "people": people}).scalars())

    def _expect(self, tx: Connection, people: Sequence[str]) -> bool:
        """A page whose recipient the channel does not know is no reason not to send it. Whether there was one."""
        known = set(tx.execute(_KNOWN, {"channel": self.channel, "people": people}).scalars())
        unknown = sorted(set(people) - known)
        for person in unknown:
            # Another notifier may do the same at this moment.
            with contextlib.suppress(IntegrityError), tx.begin_nested():
                tx.execute(insert(recipients).values(channel=self.channel, person=person))
        return bool(unknown)

    def _of(
        self, tx: Connection, people: Sequence[str], now: datetime, room: int, *, only_critical: bool
    ) -> list[Parcel]:
        """What goes to these people now. Who has something that must wait is held until then."""
        wanted = {"channel": self.channel, "now": now, "people": people}
        rows: dict[str, list[Queued]] = {person: [] for person in people}
        for row in tx.execute(_THEIRS[only_critical], wanted):
            page = Queued(*row)
            rows[page.person].append(page)
        told = self._told(tx, people, now)
        found: list[Parcel] = []
        for person in people:
            mine = rows[person]
            decided = group(map(_row, mine), told.get(person, ()), now, self.manners)
            by_id = {row.id: row for row in mine}
            taken = decided.now[: room - len(found)]
            found += [_parcel(tuple(by_id[one] for one in bundle.ids), digest=bundle.digest) for bundle in taken]
            if decided.again_at is not None and not only_critical and len(taken) == len(decided.now):
                tx.execute(_HOLD, {"whose_channel": self.channel, "whose": person, "until": decided.again_at})
        outbox.mark_sending(tx, [(parcel.key, parcel.pages) for parcel in found], self.replica, now)
        return found

    def _told(self, tx: Connection, people: Sequence[str], now: datetime) -> dict[str, list[Sent]]:
        """The messages of the last window to each of these people."""
        since = now - max(self.manners.window, LOOK_BACK)
        found: dict[str, list[Sent]] = {}
        for person, key, at, critical in tx.execute(
            _LATELY, {"channel": self.channel, "people": people, "since": since}
        ):
            found.setdefault(person, []).append(Sent(person, at, bool(critical), key.startswith(DIGEST)))
        return found


def _row(page: Queued) -> Row:
    return Row(page.id, page.person, page.warning_id, page.kind, page.critical, page.created_at, page.round_at)


def _parcel(taken: tuple[Queued, ...], *, digest: bool) -> Parcel:
    """The key is the same whenever the same pages make one message."""
    keys = [page.key for page in taken]
    key = DIGEST + hashlib.sha256("\n".join(keys).encode()).hexdigest() if digest else keys[-1]
    return Parcel(key, taken[0].person, taken, digest)


def is_anything(tx: Connection, channel: str, now: datetime) -> bool:
    """Whether a page waits whose turn it is, or is being sent. Asked ten times a second, it is mostly all."""
    return bool(tx.execute(_AT_ALL, {"channel": channel, "now": now}).scalar())


def in_doubt(tx: Connection, channel: str, alive: Collection[str]) -> list[Queued]:
    """Pages that were being sent by us, of whom nothing is on its way now, or by somebody who is not `alive`."""
    return [Queued(*row) for row in tx.execute(_IN_DOUBT, {"channel": channel, "alive": list(alive)})]


def still_so(tx: Connection, taken: Sequence[Queued]) -> list[Queued]:
    """Those of them that nobody has judged since: still sent by the same one."""
    query = select(pages.c.id, pages.c.claimed_by).where(pages.c.id.in_([page.id for page in taken]))
    held = {row.id: row.claimed_by for row in tx.execute(query.where(pages.c.state == "sending"))}
    return [page for page in taken if page.id in held and held[page.id] == page.claimed_by]


def still_ours(tx: Connection, ids: Sequence[int], replica: str) -> dict[int, PageState]:
    """Those that we sent with their states, also if somebody took us for dead meanwhile and they are in doubt."""
    return {row.id: row.state for row in tx.execute(_OURS, {"ids": ids, "replica": replica})}


def waiting_since(tx: Connection, channel: str, now: datetime, since: datetime, limit: int) -> list[Queued]:
    """Pages whose turn it is and that were written at `since` or before; those somebody else is taking left out."""
    old = pages.c.channel == channel, pages.c.state == "pending", pages.c.next_at <= now, pages.c.created_at <= since
    query = select(*_PAGE).where(*old).order_by(pages.c.id).limit(limit)
    return [Queued(*row) for row in tx.execute(query.with_for_update(skip_locked=True))]
