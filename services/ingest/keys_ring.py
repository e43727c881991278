"""The keys of the database, as a replica knows them: read again every few seconds, so that a request asks nobody."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from enum import Enum

from sqlalchemy.exc import SQLAlchemyError

from services.common.clock import Now
from services.common.database import Database
from services.ingest import keys_store
from services.ingest.keys import Key, matches, sender_of, split_token
from services.ingest.treating import Sender

log = logging.getLogger(__name__)

REFRESH_S = 4.0
"""A key that was revoked is shut out after at most so long, and the time that the database takes to answer."""

STALE_S = 60.0
"""So long what was known is good while the database does not answer; then nobody is let in: a key might be revoked."""


class Unknown(Enum):
    """Why nobody is taken for somebody."""

    NO_KEY = "no_key"
    STALE = "stale"


class KeyRing:
    """Whose key it is. Safe to ask from the event loop while a thread reads again."""

    def __init__(self, database: Database, now: Now, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`now` is the wall's clock, whatever clock the events go by: keys expire for people outside."""
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._keys: dict[str, Key] = {}
        self._senders: dict[str, Sender] = {}
        self._read_at = float("-inf")

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever made. One that works no more counts: revoking the last must open nothing."""
        return not self._keys

    def sender(self, shown: str) -> Sender | Unknown:
        """Whom somebody is who shows that."""
        if self._monotonic() - self._read_at > STALE_S:
            return Unknown.STALE
        parts = split_token(shown)
        if parts is None:
            return Unknown.NO_KEY
        key_id, secret = parts
        key = self._keys.get(key_id)
        if not matches(key, key_id, secret) or key is None or not key.works(self._now()):
            return Unknown.NO_KEY
        return self._senders[key_id]

    def refresh(self) -> None:
        """Read what has changed. Raises SQLAlchemyError."""
        read_at = self._monotonic()
        with self._database.reading() as tx:
            terms = {term.id: term for term in keys_store.terms(tx)}
            # What a key may do never changes once it is made, and may be long; when it ends is short.
            new = keys_store.load(tx, [key_id for key_id in terms if key_id not in self._keys])
        kept = {key.id: key for key in (*self._keys.values(), *new) if key.id in terms}
        keys = {key_id: _until(key, terms[key_id]) for key_id, key in kept.items()}
        senders = {key_id: self._senders.get(key_id) or sender_of(key) for key_id, key in keys.items()}
        # The senders first: whoever finds a key finds its sender too.
        self._senders = {**self._senders, **senders}
        self._keys = keys
        self._senders = senders
        self._read_at = read_at

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await asyncio.to_thread(self.refresh)
            except SQLAlchemyError as error:
                # The type alone: a message may name the database's user and host.
                log.warning("the keys cannot be read again: %s", type(error).__name__)


def _until(key: Key, term: keys_store.Term) -> Key:
    if (key.expires_at, key.revoked_at) == (term.expires_at, term.revoked_at):
        return key
    return Key(
        key.id, key.digest, key.bounds, key.note, key.created_at, expires_at=term.expires_at, revoked_at=term.revoked_at
    )
