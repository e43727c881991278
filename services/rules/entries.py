"""What is kept of an event: when it is true, its name for ever, and the data that rules may read. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import msgspec

from schemas.codec import InvalidEvent
from schemas.events import CustomerEvent, Event, Retraction
from services.rules.calendar import Calendar, Micros, micros


class Key(NamedTuple):
    """An event's name for ever."""

    source: str
    id: str


class Item(Protocol):
    """What facts count: an event, or something worked out from several. `order` is unique within its series."""

    @property
    def at(self) -> Micros: ...
    @property
    def data(self) -> Mapping[str, Any] | None: ...
    @property
    def keys(self) -> tuple[Key, ...]: ...
    @property
    def order(self) -> tuple[Any, ...]: ...


class Derived(NamedTuple):
    """An item that was worked out; `name` tells it from others of its series at the same instant."""

    at: Micros
    data: Mapping[str, Any]
    keys: tuple[Key, ...]
    name: tuple[Any, ...]

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.at, *self.name)


class Entry(msgspec.Struct, array_like=True, omit_defaults=True):
    """One event as a customer's state keeps it. Instants are micros, days ordinals, decimals texts.

    `at` is when it is true (due, paid, left, contacted), which is what rules count by; `time` is the envelope's, which
    ranks competing corrections. A retraction has no data. Free text and contact details are not kept: no rule may
    read them, so the state need not hold them.
    """

    at: Micros
    kind: str
    source: str
    id: str
    time: Micros
    digest: bytes
    data: dict[str, Any] | None = None
    supersedes: str | None = None
    history: bool = False

    @property
    def key(self) -> Key:
        return Key(self.source, self.id)

    @property
    def keys(self) -> tuple[Key, ...]:
        return (Key(self.source, self.id),)

    @property
    def order(self) -> tuple[Micros, Micros, str, str]:
        """The order in which items of one kind are kept: of those true at one instant the one said last is the last."""
        return (self.at, self.time, self.source, self.id)


TRUE_AT: dict[str, str] = {
    "invoice.issued": "due_date",
    "invoice.credited": "credit_date",
    "payment.received": "value_date",
    "contract.signed": "signed_at",
    "competitor.activity": "occurred_at",
    "customer.milestone": "occurs_on",
}
"""Which field tells when an event is true, where it is not `at`; without a value in it, the envelope's time does."""

NOT_KEPT = frozenset({"details", "note", "text", "reason", "about", "headline"})

CLEARED = "fields"
"""Of a profile: where a null is kept, for it says that a value was cleared."""


class Said(msgspec.Struct, frozen=True):
    """What an event of a customer says, before the company's calendar tells when that is true. Its fields are those of
    Entry."""

    kind: str
    source: str
    id: str
    time: Micros
    digest: bytes
    data: dict[str, Any] | None
    supersedes: str | None
    history: bool


def entry_of(event: Event | Said, calendar: Calendar) -> Entry:
    """The event as it is kept; raises InvalidEvent for an event that belongs to no customer."""
    said = event if isinstance(event, Said) else said_of(event)
    at = said.time if said.data is None else _true_at(said.kind, said.data, said.time, calendar)
    return Entry(at, said.kind, said.source, said.id, said.time, said.digest, said.data, said.supersedes, said.history)


def said_of(event: Event) -> Said:
    """What an event says, by its model; `services.rules.shortcut` makes the same from bytes.

    Raises InvalidEvent for an event that belongs to no customer.
    """
    time = micros(event.time)
    if isinstance(event, Retraction):
        digest = digest_of(event.kind, time, None, event.supersedes)
        return Said(event.kind, event.source, event.id, time, digest, None, event.supersedes, event.history)
    if not isinstance(event, CustomerEvent):
        raise InvalidEvent(
            "wrong_topic", f"{event.type} belongs to no customer: send it to the reference topic", (), event.id
        )
    data = _plain(event.data.model_dump(by_alias=True))
    digest = digest_of(event.kind, time, data, event.supersedes)
    kept = {name: value for name, value in data.items() if name not in NOT_KEPT}
    return Said(event.kind, event.source, event.id, time, digest, kept, event.supersedes, event.history)


def _true_at(kind: str, data: dict[str, Any], time: Micros, calendar: Calendar) -> Micros:
    if kind == "contact.changed":
        return min(time, int(data.get("effective_at", time)))
    if kind == "invoice.issued" and "due_date" not in data:
        return calendar.start_of_day(min(part["due_date"] for part in data["instalments"]))
    field = TRUE_AT.get(kind, "at")
    value = data.get(field)
    if value is None:
        return time
    return calendar.start_of_day(value) if field in _DAYS else int(value)


_DAYS = frozenset({"due_date", "credit_date", "value_date", "occurs_on"})


def _plain(data: dict[str, Any], *, keeps_none: bool = False) -> dict[str, Any]:
    """What a model tells, as it is kept. Null says that nothing was said, but in a profile's `fields`: there the value
    was cleared."""
    said: dict[str, Any] = {}
    for name, value in data.items():
        if type(value) is dict:
            said[name] = _plain(value, keeps_none=name == CLEARED)
        elif value is not None or keeps_none:
            said[name] = _plain_value(value)
    return said


def _plain_value(value: Any) -> Any:
    convert = _CONVERSIONS.get(type(value))
    return value if convert is None else convert(value)


_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    dict: _plain,
    list: lambda value: [_plain_value(inner) for inner in value],
    datetime: micros,
    date: date.toordinal,
    Decimal: lambda value: format(value, "f"),
}


_digest_encoder = msgspec.msgpack.Encoder(order="deterministic")
_no_digest = blake2b(digest_size=8)  # a copy is made in half the time of a new one


def digest_of(kind: str, time: Micros, data: dict[str, Any] | None, supersedes: str | None) -> bytes:
    """By which a redelivered event is told from another that reuses its name. It is of all that was said, also of what
    is not kept: another note is another body."""
    # `history` is left out: importing the same past once marked and once not is no other event.
    digest = _no_digest.copy()
    digest.update(_digest_encoder.encode((kind, time, data, supersedes)))
    return digest.digest()
