"""PURE what goes to Kafka: an accepted event, or the dead letter of what was refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schemas.codec import MAX_EVENT_BYTES, InvalidEvent
from schemas.events import REFERENCE_EVENTS, Event
from schemas.privacy import excerpt, redact, redact_bytes
from schemas.reference import natural_key
from schemas.topics import Topics

Headers = tuple[tuple[str, bytes], ...]

PART_BYTES = MAX_EVENT_BYTES
"""A dead letter longer than this is written in parts; a record with its headers stays below Kafka's 1 MiB."""

MAX_REASON_CHARS = 2000


class Record(NamedTuple):
    """One Kafka record that is still to be sent."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The bytes that were refused, as they came, and why.

    `attributes` are the ce-… headers of a binary-mode event: without them its body is only half of it.
    """

    raw: bytes
    problem: InvalidEvent
    attributes: Mapping[str, str]


Hide = Callable[[bytes, Refusal], bytes]
"""What a dead letter holds of the bytes that were refused."""


def event_record(event: Event, value: bytes, topics: Topics) -> Record:
    """An accepted event on its topic: keyed by customer, or by what a reference event says something about."""
    if event.kind in REFERENCE_EVENTS:
        return Record(topics.reference, reference_key(event).encode(), value)
    return Record(topics.events, str(event.subject).encode(), value)


def reference_key(event: Event) -> str:
    """`source/kind/natural key` of an event on the compacted reference topic.

    A correction or a retraction carries the same data, so it replaces what it corrects.
    """
    return "/".join((event.source, event.kind, *natural_key(event.data)))


def as_it_came(raw: bytes, _refusal: Refusal) -> bytes:
    """Nothing more is hidden in a dead letter."""
    return raw


def dead_letters(
    refusal: Refusal, received_at: datetime, content_type: str, topics: Topics, hide: Hide = as_it_came
) -> list[Record]:
    """The refused bytes without resident-ID numbers, in parts of PART_BYTES when they fit no single record.

    Headers: code, reason, source, event_id (as far as they can be read), received_at, content_type, part (from 1),
    parts, a binary event's own ce_… attributes, and `redacted` where bytes were replaced or left out. All parts share a
    key, a digest of the whole: they stay in order. `hide` has the last word on the bytes.
    """
    redacted, problem = redact_bytes(refusal.raw), refusal.problem
    raw = hide(redacted, refusal)
    chunks = [raw[start : start + PART_BYTES] for start in range(0, len(raw), PART_BYTES)] or [b""]
    described = {
        "code": problem.code,
        "reason": excerpt(problem.message, MAX_REASON_CHARS),
        "source": problem.source or "",
        "event_id": problem.event_id or "",
        "received_at": received_at.isoformat(),
        "content_type": content_type,
        **refusal.attributes,
        **({} if redacted == refusal.raw else {"redacted": "true"}),
        "parts": str(len(chunks)),
    }
    headers = tuple((redact(name), redact(value).encode("utf-8", "replace")) for name, value in described.items())
    key = hashlib.sha256(raw).hexdigest()[:32].encode()
    return [
        Record(topics.dead_letters, key, chunk, (*headers, ("part", str(number).encode())))
        for number, chunk in enumerate(chunks, start=1)
    ]
