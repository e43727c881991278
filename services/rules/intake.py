"""PURE. What is to be done with a record of the events topic: apply it, forward it, refuse it, or move the clock."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.control import ADVANCE_TYPE, CONTROL_KEY, ERASE_TYPE, erase_value
from schemas.events import Event, ReferenceEvent
from schemas.fields import parse_instant
from schemas.privacy import redact, redact_bytes
from services.rules.calendar import Micros, micros
from services.rules.entries import Said, said_of
from services.rules.partitioner import partition_of
from services.rules.port import Outgoing, Record
from services.rules.shortcut import heard

WAKE_TYPE = "bellwether.wake"

PART_BYTES = 900_000
"""Of the value in one dead letter: with its headers it must still fit Kafka's 1 MiB."""

MAX_ID = 1_000
"""Characters of a customer's id in a control record."""

MAX_REASON_BYTES = 2_000
MAX_TRACEBACK_BYTES = 8_000
MAX_KEPT_HEADER_BYTES = 32_000


class Apply(NamedTuple):
    """A valid event of a customer of this partition; `time` is the envelope's."""

    customer_id: str
    event: Said
    time: Micros


@dataclass(frozen=True, slots=True)
class Forward:
    """A valid event that lies where its customer's state is not."""

    partition: int
    record: Outgoing


@dataclass(frozen=True, slots=True)
class Advance:
    """The event clock is told to go on to `to`."""

    to: Micros


@dataclass(frozen=True, slots=True)
class Erase:
    """Nothing of a customer of this partition is to be kept. It may have turned out to be `merged_into`."""

    customer_id: str
    merged_into: str | None = None


def judge(record: Record, partition: int, partitions: int) -> Apply | Forward | Advance | Erase:
    """What the record asks for. Raises InvalidEvent for what belongs in the dead letters."""
    if record.key == CONTROL_KEY:
        control = _read_control(record.value or b"")
        if isinstance(control, Erase) and (home := partition_of(control.customer_id, partitions)) != partition:
            return Forward(home, Outgoing(CONTROL_KEY, record.value))
        return control
    customer_id, said = _heard(record)
    home = partition_of(customer_id, partitions)
    key = customer_id.encode()
    if home != partition or record.key != key:
        # The customer's partition recognises a second forwarding of it by (source, id).
        return Forward(home, Outgoing(key, record.value, tuple(record.headers)))
    return Apply(customer_id, said, said.time)


def _heard(record: Record) -> tuple[str, Said]:
    """The customer's id and what the event says, the short way where it can be gone; raises InvalidEvent."""
    if record.value is not None and not _is_binary(record):
        found = heard(record.value)
        if found is not None:
            return found
    event = decode_record(record)
    if isinstance(event, ReferenceEvent):
        raise InvalidEvent(
            "wrong_topic",
            f"{event.type} belongs on the reference topic",
            event_id=event.id,
            source=event.source,
        )
    return event.subject, said_of(event)


def decode_record(record: Record) -> Event:
    """The event in a record, in structured or binary mode; raises InvalidEvent."""
    headers = _text_headers(record)
    if codec.is_binary(headers):
        return codec.decode_binary(headers, record.value or b"")
    if record.value is None:
        raise InvalidEvent("empty", "the record has no value")
    return codec.decode(record.value)


def advance_record(to: datetime) -> Outgoing:
    """The control record for `bellwether advance`; `to` is aware."""
    return Outgoing(CONTROL_KEY, orjson.dumps({"type": ADVANCE_TYPE, "to": to.isoformat()}))


def erase_record(customer_id: str) -> Outgoing:
    """The control record that erases a customer; it goes to the customer's partition."""
    return Outgoing(CONTROL_KEY, erase_value(customer_id))


def dead_letters(record: Record, partition: int, error: BaseException) -> list[Outgoing]:
    """The original bytes under the original key, in parts when they and the headers would not fit one record.

    Headers as ingest writes them: code, reason, source, event_id, part (from 1), parts; and partition, offset. Anything
    but InvalidEvent has the code `poison` and its traceback. Resident-ID numbers are taken out of all of it; `redacted`
    says so where the value held one.
    """
    original = record.value or b""
    value = redact_bytes(original)
    chunks = [value[start : start + PART_BYTES] for start in range(0, len(value), PART_BYTES)] or [b""]
    headers = (
        *_kept_headers(record),
        *_about(error, "poison"),
        ("partition", str(partition).encode()),
        ("offset", str(record.offset).encode()),
        *([] if value == original else [("redacted", b"true")]),
        ("parts", str(len(chunks)).encode()),
    )
    key = None if record.key is None else redact_bytes(record.key)
    return [
        Outgoing(key, chunk, (*headers, ("part", str(number).encode()))) for number, chunk in enumerate(chunks, start=1)
    ]


def dead_wake(customer_id: str, now: Micros, partition: int, error: BaseException) -> Outgoing:
    """The trace of a wake-up that the core could not take; there is no event to keep."""
    # A customer who was there before such ids were refused may still be called by one.
    customer_id = redact(customer_id)
    value = orjson.dumps({"type": WAKE_TYPE, "customer_id": customer_id, "now": now})
    headers = (*_about(error, "poison_wake"), ("partition", str(partition).encode()), ("parts", b"1"), ("part", b"1"))
    return Outgoing(customer_id.encode(), value, headers)


def code_of(letter: Outgoing) -> str:
    """The code in a dead letter's headers."""
    return next(value.decode() for name, value in reversed(letter.headers) if name == "code")


def is_first_part(letter: Outgoing) -> bool:
    """Of a dead letter in parts, one counts."""
    return letter.headers[-1] == ("part", b"1")


def _is_binary(record: Record) -> bool:
    return bool(record.headers) and codec.is_binary(_text_headers(record))


def _text_headers(record: Record) -> dict[str, str]:
    if not record.headers:
        return {}
    try:
        return {name: (value or b"").decode() for name, value in record.headers}
    except UnicodeDecodeError:
        raise InvalidEvent("invalid", "a header is not UTF-8") from None


def _read_control(value: bytes) -> Advance | Erase:
    document = codec.loads(value)
    if isinstance(document, dict) and document.get("type") == ERASE_TYPE:
        into = document.get("merged_into")
        return Erase(_id(document, "customer_id"), None if into is None else _id(document, "merged_into"))
    if not isinstance(document, dict) or document.get("type") != ADVANCE_TYPE:
        raise InvalidEvent("unknown_control", f"a control record has the type {ADVANCE_TYPE} or {ERASE_TYPE}")
    try:
        return Advance(micros(parse_instant(document.get("to"))))
    except ValueError as error:
        raise InvalidEvent("invalid", f"to: {error}") from None


def _id(document: dict[str, Any], name: str) -> str:
    """Any that a state can bear, also one that would not be accepted today."""
    found = document.get(name)
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= MAX_ID:
        raise InvalidEvent("invalid", f"{name}: 1 to {MAX_ID} printable characters")
    return found


def _about(error: BaseException, poison: str) -> list[tuple[str, bytes]]:
    if not isinstance(error, InvalidEvent):
        trace = _bytes("".join(traceback.format_exception(error)))
        return [
            ("code", poison.encode()),
            ("reason", _bytes(f"{type(error).__name__}: {error}")[:MAX_REASON_BYTES]),
            ("traceback", trace[-MAX_TRACEBACK_BYTES:]),
        ]
    return [
        ("code", _bytes(error.code)),
        ("reason", _bytes(error.message)[:MAX_REASON_BYTES]),
        ("source", _bytes(error.source or "")),
        ("event_id", _bytes(error.event_id or "")),
    ]


def _bytes(text: str) -> bytes:
    return redact(text).encode(errors="replace")


def _kept_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    size = sum(len(name) + len(value or b"") for name, value in record.headers)
    # Headers of a binary-mode event are part of it; beyond any sane size they would burst the record.
    if size > MAX_KEPT_HEADER_BYTES:
        return ()
    return tuple((redact(name), redact_bytes(value or b"")) for name, value in record.headers)
