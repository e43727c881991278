"""PURE what an Idempotency-Key asks for, and what is to be done about it.

After draft-ietf-httpapi-idempotency-key-header: the same key with the same body is answered as the first time, without
doing it again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from services.ingest.judge import BadBody, Post

KEPT_FOR = timedelta(hours=24)
"""How long an answer is remembered."""

CLAIMED_FOR = timedelta(seconds=60)
"""After so long whoever had begun is taken for dead. Kafka's acknowledgement is waited for half a minute at most."""

KEPT_STATUSES = frozenset({202, 400, 422})
"""Answers that a repetition gets again. What was refused before anything was done may be tried again."""

HEADER = "idempotency-key"
# A structured field's string or, as most send it, the same without its quotes.
_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,200})"|([\x21\x23-\x5b\x5d-\x7e]{1,200})')


@dataclass(frozen=True, slots=True)
class Request:
    """Whose key it is, the key, and a digest of all that was asked for."""

    sender: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a key: the answer, or, while `status` is None, that somebody is at work since `at`."""

    digest: bytes
    status: int | None
    answer: bytes
    at: datetime


class Turn(Enum):
    """What to do about a request with a key."""

    DO = "nothing is known of it, or no more"
    REPEAT = "it was answered before"
    WAIT = "the first is still at work"
    REFUSE = "the key was used for another body"


def turn_of(request: Request, kept: Kept | None, now: datetime) -> Turn:
    """`kept` is what is remembered of its key."""
    if kept is None or now - kept.at >= KEPT_FOR:
        return Turn.DO
    if kept.status is None and now - kept.at >= CLAIMED_FOR:
        return Turn.DO
    if kept.digest != request.digest:
        return Turn.REFUSE
    return Turn.WAIT if kept.status is None else Turn.REPEAT


def key_of(post: Post) -> str | None:
    """The key a request carries, if any; raises BadBody for one that is none."""
    header = post.headers.get(HEADER)
    if header is None:
        return None
    found = _KEY.fullmatch(header.strip())
    if found is None:
        sentence = "an Idempotency-Key has 1 to 200 visible ASCII characters, such as a UUID"
        raise BadBody(400, "bad_idempotency_key", sentence)
    return found[1] or found[2]


def digest_of(post: Post) -> bytes:
    """Of the body as it was read, without its encoding, and of the headers that say what it is."""
    digest = hashlib.blake2b(digest_size=32)
    said = sorted((name, value) for name, value in post.headers.items() if name.startswith("ce-"))
    for name, value in (("content-type", post.content_type), *said):
        digest.update(f"{name}:{value}\n".encode("utf-8", "replace"))
    digest.update(b"\n" + post.body)
    return digest.digest()
