"""PURE API keys: how they are written, what is kept of them, and what the sender of one may say."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from schemas.codec import FieldError, InvalidEvent
from schemas.events import EVENT_MODELS, PREFIX, CustomerEvent, Event, ReferenceEvent
from schemas.sales import CustomerMerged
from services.ingest.treating import Coming, Sender

ANY_SOURCE = "*"
"""As the source of a key that may send for all."""

NOT_ALLOWED = "not_allowed"

SECRET_BYTES = 32
ID_BYTES = 6
TOKEN = re.compile(rf"bw_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the sender of a key may do. `types` are patterns such as "invoice.*"; None: no bound."""

    source: str
    types: tuple[str, ...] | None = None
    customers: frozenset[str] | None = None
    admin: bool = False
    per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: without its secret."""

    id: str
    digest: bytes
    bounds: Bounds
    note: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Whether it was neither revoked nor has expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def token(key_id: str, secret: str) -> str:
    """What the sender shows."""
    return f"bw_{key_id}_{secret}"


def digest_of(key_id: str, secret: str) -> bytes:
    """What is kept of a secret. A fast digest is enough: the secret is 32 random bytes and no word of a person, so that
    there is nothing to guess; a slow one would only let a stranger keep us busy. The id is in it, so that a digest
    copied to another row opens nothing."""
    return hashlib.sha256(f"bellwether api key\n{key_id}\n{secret}".encode()).digest()


def split_token(text: str) -> tuple[str, str] | None:
    """The id and the secret; None for what is no key."""
    found = TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def matches(key: Key | None, key_id: str, secret: str) -> bool:
    """Whether that is the secret of the key. Takes as long when there is no such key as when the secret is wrong."""
    kept = key.digest if key else bytes(hashlib.sha256().digest_size)
    return hmac.compare_digest(kept, digest_of(key_id, secret)) and key is not None


def sender_of(key: Key) -> Sender:
    """Whom ingest takes the shower of a key for."""
    bounds = key.bounds
    source = None if bounds.source == ANY_SOURCE else bounds.source
    types = None if bounds.types is None else frozenset(types_like(bounds.types))
    return Sender(f"{bounds.source}/{key.id}", source, types, bounds.customers, bounds.admin, bounds.per_second)


def types_like(patterns: Iterable[str]) -> list[str]:
    """The full types that fit one of the patterns, which may leave the prefix out."""
    wanted = [PREFIX + pattern.removeprefix(PREFIX) for pattern in patterns]
    return [kind for kind in EVENT_MODELS if any(fnmatchcase(kind, pattern) for pattern in wanted)]


def check_sender(coming: Coming, sender: Sender) -> Coming:
    """A treatment: raises InvalidEvent (not_allowed) for what the sender's key does not cover."""
    problem = _beyond(coming.event, sender)
    if problem is not None:
        event = coming.event
        raise InvalidEvent(NOT_ALLOWED, problem.reason, (problem,), event.id, event.source)
    return coming


def is_foreign(source: str | None, sender: Sender) -> bool:
    """Whether a source was named for which the sender may not speak."""
    return sender.source is not None and source is not None and source != sender.source


def _beyond(event: Event, sender: Sender) -> FieldError | None:
    """The first field that is beyond the key. It repeats nothing but what the key itself allows."""
    if is_foreign(event.source, sender):
        return FieldError("source", f"this key may send events of {sender.source} only")
    if sender.types is not None and event.type not in sender.types:
        return FieldError("type", "this key may not send events of this type")
    if sender.customers is None:
        return None
    if isinstance(event, ReferenceEvent):
        # Rates or promotions are of all customers; a key for some of them may send them only if it says so by type.
        return None if sender.types is not None else FieldError("type", "this key may send events of customers only")
    return _beyond_customers(event, sender.customers)


def _beyond_customers(event: Event, customers: frozenset[str]) -> FieldError | None:
    if event.subject not in customers:
        return FieldError("subject", "this key may not send events of this customer")
    merged = event.data if isinstance(event, CustomerEvent) else None
    if isinstance(merged, CustomerMerged) and merged.merged_customer_id not in customers:
        return FieldError("data.merged_customer_id", "this key may not send events of this customer")
    return None
