"""Console accounts and sessions in SQL. Passwords are kept as argon2id hashes, session tokens as SHA-256."""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, insert, select

from services.notifier.tables import sessions, users
from services.notifier.views import Account, Session

MIN_PASSWORD = 12
MAX_PASSWORD = 200
"""Characters. argon2 takes more, but not for free."""

SESSION_HOURS = 12
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")

_HASHER = PasswordHasher()


def add(tx: Connection, account: Account, password_hash: str, now: datetime) -> bool:
    """False when the name is taken."""
    if tx.execute(select(users.c.name).where(users.c.name == account.name)).first() is not None:
        return False
    row = {"name": account.name, "person": account.person, "password_hash": password_hash, "created_at": now}
    tx.execute(insert(users).values(**row))
    return True


def hash_password(password: str) -> str:
    """argon2id with the library's parameters (RFC 9106, low memory): takes tens of milliseconds on purpose."""
    return _HASHER.hash(password)


def password_matches(kept: str, given: str) -> bool:
    """Whether that is what was hashed. Takes as long whether it is or not."""
    try:
        return _HASHER.verify(kept, given[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False


def verify(tx: Connection, name: str, password: str) -> Account | None:
    """The account when name and password go together. An unknown name takes as long as a wrong password."""
    # What no account can be called is not asked for: PostgreSQL refuses a NUL even in a comparison.
    asked = name if NAME.fullmatch(name) else ""
    row = tx.execute(select(users.c.name, users.c.person, users.c.password_hash).where(users.c.name == asked)).first()
    matches = password_matches(row.password_hash if row else _nobody(), password)
    return Account(row.name, row.person) if row and matches else None


def find(tx: Connection, name: str) -> Account | None:
    """The account of that name."""
    row = tx.execute(select(users.c.name, users.c.person).where(users.c.name == name)).first()
    return None if row is None else Account(row.name, row.person)


def open_session(
    tx: Connection, account: Account, now: datetime, lasting: timedelta = timedelta(hours=SESSION_HOURS)
) -> Session:
    """A new session; those that have expired are swept."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    expires_at = now + lasting
    tx.execute(delete(sessions).where(sessions.c.expires_at <= now))
    row = {"token_hash": _hash(token), "name": account.name, "csrf": csrf, "created_at": now, "expires_at": expires_at}
    tx.execute(insert(sessions).values(**row))
    return Session(token, csrf, account, expires_at)


def find_session(tx: Connection, token: str, now: datetime) -> Session | None:
    """None for an unknown or expired token."""
    query = select(sessions.c.csrf, sessions.c.expires_at, users.c.name, users.c.person).join_from(sessions, users)
    row = tx.execute(query.where(sessions.c.token_hash == _hash(token), sessions.c.expires_at > now)).first()
    return None if row is None else Session(token, row.csrf, Account(row.name, row.person), row.expires_at)


def close_session(tx: Connection, token: str) -> None:
    """The token is worth nothing from now on."""
    tx.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@functools.cache
def _nobody() -> str:
    """A hash that no password has, made on first use: an import must not take tens of milliseconds."""
    return hash_password(secrets.token_urlsafe(32))
