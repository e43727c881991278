"""API keys in SQL. Whoever writes passes a transaction of Database.writing."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from schemas.fields import IDENTIFIER
from services.common.errors import UserError
from services.ingest.keys import ANY_SOURCE, ID_BYTES, SECRET_BYTES, Bounds, Key, digest_of, token, types_like
from services.ingest.tables import api_keys

SOURCE_LENGTH = 200


class BadKey(UserError):
    """Such a key cannot be made, or there is none; the message says why."""


class Made(NamedTuple):
    """A new key, and what its sender shows: the only time that it can be read."""

    key: Key
    token: str


class Term(NamedTuple):
    """What of a key may change."""

    id: str
    expires_at: datetime | None
    revoked_at: datetime | None


def add(tx: Connection, bounds: Bounds, note: str, now: datetime, expires_at: datetime | None = None) -> Made:
    """Make a key. Raises BadKey for types that no event has, and for a source that no event can have."""
    for pattern in bounds.types or ():
        if not types_like([pattern]):
            raise BadKey(f'no event has a type like "{pattern}": `bellwether schema` writes all there are')
    named = re.fullmatch(IDENTIFIER, bounds.source) and len(bounds.source) <= SOURCE_LENGTH
    if bounds.source != ANY_SOURCE and not named:
        raise BadKey("no event can have such a source: it has 1 to 200 characters, no spaces; * is for all sources")
    key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
    key = Key(key_id, digest_of(key_id, secret), bounds, note, now, expires_at)
    customers = None if bounds.customers is None else json.dumps(sorted(bounds.customers))
    tx.execute(
        insert(api_keys).values(
            id=key.id,
            digest=key.digest,
            source=bounds.source,
            types=None if bounds.types is None else json.dumps(bounds.types),
            customers=customers,
            admin=bounds.admin,
            per_second=bounds.per_second,
            note=note,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return Made(key, token(key_id, secret))


def rotate(tx: Connection, key_id: str, overlap: timedelta, now: datetime) -> Made:
    """A new key with the same bounds, and as long to live; the old one works for `overlap` and then no more. Raises
    BadKey."""
    old = _working(tx, key_id, now)
    lives = None if old.expires_at is None else now + (old.expires_at - old.created_at)
    made = add(tx, old.bounds, old.note, now, lives)
    ends = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
    tx.execute(update(api_keys).where(api_keys.c.id == key_id).values(expires_at=ends))
    return made


def revoke(tx: Connection, key_id: str, now: datetime) -> None:
    """The key works no more, for ever. Raises BadKey."""
    _working(tx, key_id, now)
    tx.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now))


def every(tx: Connection) -> list[Key]:
    """All keys, the oldest first."""
    rows = tx.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))
    return [_key(row) for row in rows]


def terms(tx: Connection) -> list[Term]:
    """What may have changed of all keys."""
    rows = tx.execute(select(api_keys.c.id, api_keys.c.expires_at, api_keys.c.revoked_at))
    return [Term(*row) for row in rows]


def load(tx: Connection, ids: Sequence[str]) -> list[Key]:
    """Those keys."""
    return [_key(row) for row in tx.execute(select(api_keys).where(api_keys.c.id.in_(ids)))]


def _working(tx: Connection, key_id: str, now: datetime) -> Key:
    found = load(tx, [key_id])
    if not found:
        raise BadKey(f"there is no key {key_id}: `bellwether ingest keys list` shows all")
    if not found[0].works(now):
        raise BadKey(f"the key {key_id} works no more")
    return found[0]


def _key(row: Row[tuple[object, ...]]) -> Key:
    known = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row by column
    bounds = Bounds(
        source=known["source"],
        types=None if known["types"] is None else tuple(_texts(known["types"])),
        customers=None if known["customers"] is None else frozenset(_texts(known["customers"])),
        admin=known["admin"],
        per_second=known["per_second"],
    )
    made, expires, revoked = known["created_at"], known["expires_at"], known["revoked_at"]
    return Key(known["id"], known["digest"], bounds, known["note"], made, expires, revoked)


def _texts(document: str) -> Iterable[str]:
    return [str(text) for text in json.loads(document)]
