"""Dead letters in the database: filed once, found, decided upon. Functions over a connection in a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, literal, or_, select, true, tuple_, update

from services.ingest.letters import (
    ASKED,
    DROPPED,
    FROM_INGEST,
    REPLAY_HEADER,
    REPLAYED,
    SENDING,
    WAITING,
    Count,
    Decision,
    Filed,
    Filter,
    Letter,
    Place,
    place_of,
)
from services.ingest.tables import dead_letters, followed, letter_decisions

FOLLOWER = "dead-letters"

CLAIM = timedelta(minutes=2)
"""Whoever claimed a letter has died if it still says `sending` after so long; it is sent again, which does no harm."""

RULES = "the rules service"

_d = dead_letters.c
_WITHOUT_VALUE = [column for column in dead_letters.c if column.name not in ("value", "edited", "headers")]


def next_offset(tx: Connection, partition: int) -> int:
    """From where the topic is to be read."""
    mine = (followed.c.follower == FOLLOWER) & (followed.c.partition == partition)
    return int(tx.execute(select(followed.c.next_offset).where(mine)).scalar_one_or_none() or 0)


def file(tx: Connection, partition: int, letters: Sequence[Letter], next_: int, now: datetime) -> int:
    """File what is new of the letters, and note how far the topic is read; how many were filed or came back.

    A letter that was filed before, or that tells of a refusal that was filed before, is left out.
    """
    places = [tuple(one.place) for one in letters]
    there = select(_d.partition, _d.offset).where(tuple_(_d.partition, _d.offset).in_(places))
    known = {tuple(row) for row in tx.execute(there)}
    told = {one.origin for one in letters} - {FROM_INGEST}
    origins = set(tx.execute(select(_d.origin).where(_d.origin.in_(told))).scalars())
    filed = 0
    for letter in letters:
        if tuple(letter.place) in known or letter.origin in origins:
            continue
        origins |= {letter.origin} - {FROM_INGEST}
        filed += 1
        if not _came_back(tx, letter, now):
            row = {**_columns(letter), "state": WAITING}
            tx.execute(dead_letters.insert().values(row))
    _follow(tx, partition, next_)
    return filed


def forget_all(tx: Connection, partition: int) -> None:
    """The topic was made anew: the records of these letters are gone, and their places belong to others."""
    tx.execute(delete(dead_letters).where(_d.partition == partition))
    _follow(tx, partition, 0)


def expire(tx: Connection, partition: int, first_offset: int) -> int:
    """Delete the letters whose records have left the topic; how many."""
    gone = (_d.partition == partition) & (_d.offset < first_offset)
    return int(tx.execute(delete(dead_letters).where(gone)).rowcount)


def page(tx: Connection, wanted: Filter, limit: int, after: Place | None = None) -> Sequence[Row[Any]]:
    """Letters without their bytes, in the order of the topic, from beyond `after` on."""
    statement = select(*_WITHOUT_VALUE).where(_matches(wanted)).order_by(_d.partition, _d.offset).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(_d.partition, _d.offset) > tuple_(*map(literal, after)))
    return tx.execute(statement).all()


def counts(tx: Connection, wanted: Filter) -> list[Count]:
    """By source, code and state; the most first."""
    key = (_d.source, _d.code, _d.state)
    number = func.count().label("letters")
    statement = select(*key, number, func.min(_d.at)).where(_matches(wanted)).group_by(*key)
    return [Count(*row) for row in tx.execute(statement.order_by(number.desc(), *key))]


def number_of(tx: Connection, wanted: Filter) -> int:
    """How many there are."""
    return tx.execute(select(func.count()).select_from(dead_letters).where(_matches(wanted))).scalar_one()


def load(tx: Connection, place: Place) -> Filed | None:
    """One letter."""
    row = tx.execute(select(dead_letters).where(_at(place))).one_or_none()
    return None if row is None else _filed(row)


def decisions(tx: Connection, place: Place) -> list[Decision]:
    """What was done about it, the oldest first."""
    c = letter_decisions.c
    mine = (c.partition == place.partition) & (c.offset == place.offset)
    return [Decision(*row) for row in tx.execute(select(c.at, c.by, c.what, c.why).where(mine).order_by(c.number))]


def ask(tx: Connection, wanted: Filter, by: str, now: datetime) -> int:
    """The waiting ones are to be replayed; how many."""
    return _decide(tx, wanted, ASKED, Decision(now, by, ASKED, ""))


def drop(tx: Connection, wanted: Filter, why: str, by: str, now: datetime) -> int:
    """The waiting ones are not wanted; how many."""
    return _decide(tx, wanted, DROPPED, Decision(now, by, DROPPED, why))


def edit(tx: Connection, place: Place, event: bytes, by: str, now: datetime) -> bool:
    """Another event is replayed in its place; False unless the letter waits. What was refused is kept beside it."""
    changed = _change(tx, place, WAITING, {"edited": event})
    if changed:
        _note(tx, place, Decision(now, by, "edited", ""))
    return changed


def look(tx: Connection, place: Place, by: str, now: datetime) -> None:
    """Somebody saw it with what it says of people."""
    _note(tx, place, Decision(now, by, "seen", "with personal data"))


def anything_asked(tx: Connection, now: datetime) -> bool:
    """Whether there is anything to claim."""
    return tx.execute(select(literal(1)).select_from(dead_letters).where(_to_claim(now)).limit(1)).first() is not None


def claim(tx: Connection, limit: int, now: datetime) -> list[Filed]:
    """Letters to be replayed now, by the caller alone."""
    asked = select(dead_letters).where(_to_claim(now)).order_by(_d.partition, _d.offset).limit(limit)
    rows = tx.execute(asked).all()
    for row in rows:
        tx.execute(update(dead_letters).where(_at(_place(row))).values(state=SENDING, claimed_at=now))
    return [_filed(row) for row in rows]


def unclaim(tx: Connection, places: Iterable[Place]) -> None:
    """They could not be sent: they are to be replayed all the same."""
    for place in places:
        _change(tx, place, SENDING, {"state": ASKED, "claimed_at": None})


def sent(tx: Connection, places: Iterable[Place], by: str, now: datetime) -> None:
    """The broker has them."""
    for place in places:
        if _change(tx, place, SENDING, {"state": REPLAYED, "claimed_at": None}):
            _note(tx, place, Decision(now, by, REPLAYED, ""))


def refused(tx: Connection, place: Place, code: str, reason: str, by: str, now: datetime) -> None:
    """Refused again: it waits with the new reason."""
    told = reason.replace("\0", "\ufffd")[:2000]
    new = {"state": WAITING, "claimed_at": None, "code": code[:50], "reason": told}
    if _change(tx, place, SENDING, new):
        _note(tx, place, Decision(now, by, "refused", f"{code}: {told}"))


def _came_back(tx: Connection, letter: Letter, now: datetime) -> bool:
    """Whether the rules service refused the event of a letter that was replayed: that letter waits again."""
    place = place_of(letter.headers.get(REPLAY_HEADER, ""))
    filed = None if place is None else load(tx, place)
    if place is None or filed is None or filed.state not in (REPLAYED, SENDING):
        return False
    # What is replayed from now on went through ingest already.
    new = {"state": WAITING, "code": letter.code, "reason": letter.reason, "origin": letter.origin}
    _change(tx, place, filed.state, {**new, "edited": letter.value, "claimed_at": None})
    _note(tx, place, Decision(now, RULES, "refused", f"{letter.code}: {letter.reason}"))
    return True


def _decide(tx: Connection, wanted: Filter, state: str, decision: Decision) -> int:
    places = select(_d.partition, _d.offset).where(_matches(wanted), _d.state == WAITING)
    numbered = (
        select(func.count())
        .where(letter_decisions.c.partition == _d.partition, letter_decisions.c.offset == _d.offset)
        .scalar_subquery()
    )
    values = [literal(decision.at, letter_decisions.c.at.type), *map(literal, decision[1:])]
    row = select(_d.partition, _d.offset, numbered, *values).where(tuple_(_d.partition, _d.offset).in_(places))
    tx.execute(letter_decisions.insert().from_select(list(letter_decisions.c.keys()), row))
    decided = update(dead_letters).where(_matches(wanted), _d.state == WAITING).values(state=state)
    return int(tx.execute(decided).rowcount)


def _change(tx: Connection, place: Place, state: str, values: dict[str, Any]) -> bool:
    return bool(tx.execute(update(dead_letters).where(_at(place), _d.state == state).values(values)).rowcount)


def _note(tx: Connection, place: Place, decision: Decision) -> None:
    row = {"partition": place.partition, "offset": place.offset, "number": len(decisions(tx, place))}
    tx.execute(letter_decisions.insert().values({**row, **decision._asdict()}))


def _matches(wanted: Filter) -> ColumnElement[bool]:
    asked = [
        column == value
        for column, value in ((_d.source, wanted.source), (_d.code, wanted.code), (_d.state, wanted.state))
        if value is not None
    ]
    if wanted.since is not None:
        asked.append(_d.at >= wanted.since)
    if wanted.place is not None:
        asked.append(_at(wanted.place))
    return and_(true(), *asked)


def _to_claim(now: datetime) -> ColumnElement[bool]:
    return or_(_d.state == ASKED, and_(_d.state == SENDING, _d.claimed_at < now - CLAIM))


def _at(place: Place) -> ColumnElement[bool]:
    return and_(_d.partition == place.partition, _d.offset == place.offset)


def _place(row: Row[Any]) -> Place:
    return Place(row.partition, row.offset)


def _columns(letter: Letter) -> dict[str, Any]:
    return {
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "code": letter.code,
        "reason": letter.reason,
        "source": letter.source,
        "event_id": letter.event_id,
        "customer_id": letter.customer_id,
        "value": letter.value,
        "headers": orjson.dumps(letter.headers).decode(),
        "at": letter.at,
        "origin": letter.origin,
    }


def _filed(row: Row[Any]) -> Filed:
    letter = Letter(
        _place(row),
        row.code,
        row.reason,
        row.source,
        row.event_id,
        row.customer_id,
        row.value,
        orjson.loads(row.headers),
        row.at,
        row.origin,
    )
    return Filed(letter, row.state, row.edited)


def _follow(tx: Connection, partition: int, next_: int) -> None:
    mine = (followed.c.follower == FOLLOWER) & (followed.c.partition == partition)
    if not tx.execute(update(followed).where(mine).values(next_offset=next_)).rowcount:
        tx.execute(followed.insert().values(follower=FOLLOWER, partition=partition, next_offset=next_))
