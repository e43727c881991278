"""PURE dead letters: their parts put together again, and what each is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from schemas import codec
from schemas.codec import InvalidEvent

MAX_OPEN = 32
"""Letters whose parts have not all come yet; the oldest is filed without the rest when there are more."""

MAX_PARTS = 64
"""Of one letter; whoever writes more has each filed by itself."""

PATIENCE = timedelta(minutes=10)
"""The parts of a letter are written at once; what has not come after so long is not coming."""

WAITING, ASKED, SENDING, REPLAYED, DROPPED = "waiting", "asked", "sending", "replayed", "dropped"
STATES = (WAITING, ASKED, SENDING, REPLAYED, DROPPED)

REPLAY_HEADER = "replay_of"
"""On the record of an event that was replayed: the letter's id. The rules service repeats it if it refuses it again."""

FROM_INGEST = "ingest"


class Place(NamedTuple):
    """Where a letter's first part lies on the topic; written 0-123 it is the letter's id."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"


def place_of(text: str) -> Place | None:
    """The place that an id names; None for what is no id."""
    partition, _, offset = text.partition("-")
    numbers = [int(one) for one in (partition, offset) if one.isascii() and one.isdigit() and len(one) <= 18]
    return Place(*numbers) if len(numbers) == 2 and numbers[0] < 2**31 else None


class Part(NamedTuple):
    """A record of the topic."""

    place: Place
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """What was refused, and why. `customer_id`: whose it is, as far as it can be told. `value`: the bytes as they came,
    without what must not be kept of them; `headers` are those of its first part, as text."""

    place: Place
    code: str
    reason: str
    source: str
    event_id: str
    customer_id: str | None
    value: bytes
    headers: Mapping[str, str]
    at: datetime
    origin: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters; None: any. Of `since` on, by the time at which they were refused."""

    source: str | None = None
    code: str | None = None
    state: str | None = None
    since: datetime | None = None
    place: Place | None = None


class Filed(NamedTuple):
    """A letter as it lies in the database, with the event that somebody put in the place of its own."""

    letter: Letter
    state: str
    edited: bytes | None

    @property
    def event(self) -> bytes:
        """What is replayed."""
        if self.edited is not None:
            return self.edited
        return event_bytes(self.letter.value, self.letter.headers)


class Decision(NamedTuple):
    """What somebody did about a letter."""

    at: datetime
    by: str
    what: str
    why: str


class Count(NamedTuple):
    """How many letters there are of one source, code and state, and the oldest's time."""

    source: str
    code: str
    state: str
    letters: int
    oldest: datetime


@dataclass(slots=True)
class _Open:
    """A letter some parts of which have come."""

    first: Part
    parts: int
    values: list[bytes] = field(default_factory=list)


class Joiner:
    """Puts the parts of letters together. What it holds is bounded by MAX_OPEN letters and by PATIENCE."""

    def __init__(self) -> None:
        self._open: dict[tuple[object, ...], _Open] = {}

    def take(self, part: Part) -> list[Letter]:
        """The letters that this record completes, or that are not waited for any longer."""
        headers = _text(part.headers)
        number, parts = _whole(headers.get("part"), 1), _whole(headers.get("parts"), 1)
        done = self.give_up(part.at)
        if not 1 < parts <= MAX_PARTS:
            return [*done, letter_of(part, part.value)]
        name = (part.key, *((key, value) for key, value in part.headers if key != "part"))
        if number == 1:
            # A sender that was told to come back has its letter written again from its first part.
            self._open[name] = _Open(part, parts)
        found = self._open.get(name)
        if found is None or len(found.values) != number - 1:
            # Read again from the middle, or part of a letter that was given up: it is filed already.
            return done
        found.values.append(part.value)
        if len(found.values) == found.parts:
            del self._open[name]
            done.append(letter_of(found.first, b"".join(found.values)))
        return done

    def first_open(self) -> Place | None:
        """From where the topic must be read again, after a restart, for what is not complete yet."""
        return min((one.first.place for one in self._open.values()), default=None)

    def give_up(self, now: datetime) -> list[Letter]:
        """The letters whose other parts are not waited for any longer, with what has come of them."""
        late = [name for name, one in self._open.items() if one.first.at < now - PATIENCE]
        late = late or list(self._open)[: max(0, len(self._open) - MAX_OPEN)]
        gone = [self._open.pop(name) for name in late]
        return [letter_of(one.first, b"".join(one.values)) for one in gone]


def letter_of(first: Part, value: bytes) -> Letter:
    """A letter with its whole value. Whatever stands in a record's headers makes some letter, and none too long."""
    headers = _text(first.headers)
    document = _document(headers, value)
    return Letter(
        place=first.place,
        code=headers.get("code", "unknown")[:50],
        reason=headers.get("reason", "")[:2000],
        source=headers.get("source", "")[:200],
        event_id=headers.get("event_id", "")[:200],
        customer_id=_customer(document, first.key if "received_at" not in headers else None),
        value=value,
        headers=headers,
        at=first.at,
        origin=_origin(headers, first.place),
    )


def event_bytes(value: bytes, headers: Mapping[str, str]) -> bytes:
    """The letter's event as JSON, a binary-mode event with its attributes; bytes that are no JSON as they are."""
    if not codec.is_binary(headers):
        return value
    try:
        return orjson.dumps(codec.binary_document(headers, value))
    except InvalidEvent:
        return value


def _origin(headers: Mapping[str, str], place: Place) -> str:
    """The rules service says where the record lay; a wake-up of its own has no offset, and is no other's double."""
    if "received_at" in headers or "partition" not in headers:
        return FROM_INGEST
    return f"rules/{headers['partition']}/{headers.get('offset', f'wake-{place}')}"[:200]


def _customer(document: Any, key: bytes | None) -> str | None:
    subject = document.get("subject", document.get("customer_id")) if isinstance(document, dict) else None
    if not isinstance(subject, str):
        subject = None if key is None else key.decode(errors="replace")
    if not subject or len(subject) > 100 or not subject.isprintable():
        return None
    return subject


def _document(headers: Mapping[str, str], value: bytes) -> Any:
    try:
        return codec.loads(event_bytes(value, headers))
    except InvalidEvent:
        return None


def _text(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    # PostgreSQL keeps no NUL in a text.
    return {
        name.replace("\0", "\ufffd"): (value or b"").decode(errors="replace").replace("\0", "\ufffd")
        for name, value in headers
    }


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else default
