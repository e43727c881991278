"""Keys for the notifier's API, in SQL: `Authorization: Bearer bw_…`, as ingest's senders show them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from services.common.errors import UserError
from services.common.tokens import ID_BYTES, SECRET_BYTES, digest_of, secret_matches, split_token, token
from services.notifier.directory_tables import api_keys

SCOPES = ("directory", "directory:read")
"""What a key may be for. `directory` holds reading too."""


class BadApiKey(UserError):
    """Such a key cannot be made, or there is none."""


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept: without its secret. `person`: who stands behind it, where it is somebody's own."""

    id: str
    scopes: tuple[str, ...]
    person: str | None
    note: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Whether it was neither revoked nor has expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may(self, scope: str) -> bool:
        """Whether it is for that; who may change may read."""
        return scope in self.scopes or scope.removesuffix(":read") in self.scopes

    @property
    def actor(self) -> str:
        """Who is said to have done what was done with it."""
        return self.person or f"key {self.id}"


def add(
    tx: Connection,
    scopes: Sequence[str],
    note: str,
    now: datetime,
    person: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; it and what its holder shows, which can be read only now. Raises BadApiKey."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise BadApiKey(f'"{", ".join(unknown)}" is no scope: there are {", ".join(SCOPES)}')
    key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
    key = ApiKey(key_id, tuple(dict.fromkeys(scopes)), person, note[:200], now, expires_at)
    row = {"id": key.id, "scopes": ",".join(key.scopes), "person": person, "note": key.note, "created_at": now}
    tx.execute(insert(api_keys).values(**row, digest=digest_of(key_id, secret), expires_at=expires_at))
    return key, token(key_id, secret)


def find(tx: Connection, shown: str, now: datetime) -> ApiKey | None:
    """Whose key that is; None for what is none, is unknown, or works no more."""
    parts = split_token(shown)
    if parts is None:
        return None
    key_id, secret = parts
    row = tx.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    if not secret_matches(row["digest"] if row else None, key_id, secret) or row is None:
        return None
    key = _key(row)
    return key if key.works(now) else None


def every(tx: Connection) -> list[ApiKey]:
    """All keys, the oldest first."""
    return [_key(row) for row in tx.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)).mappings()]


def revoke(tx: Connection, key_id: str, now: datetime) -> None:
    """The key works no more, at once and for ever. Raises BadApiKey."""
    working = api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)
    if tx.execute(update(api_keys).where(*working).values(revoked_at=now)).rowcount == 0:
        raise BadApiKey(f"there is no key {key_id} that works: `bellwether notifier keys list` shows all")


def _key(row: RowMapping) -> ApiKey:
    known = row
    made, expires, revoked = known["created_at"], known["expires_at"], known["revoked_at"]
    return ApiKey(
        known["id"], tuple(known["scopes"].split(",")), known["person"], known["note"], made, expires, revoked
    )
