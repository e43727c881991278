"""What says something of a person is sealed before it goes on a topic, and what was forgotten is not taken again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from schemas.codec import FieldError, InvalidEvent
from schemas.events import CustomerEvent, Retraction
from schemas.fields import SEALED
from schemas.personal import PERSONAL, Place
from services.common.clock import Now
from services.common.sealing import Context, CustomerKey, NotSealed
from services.ingest.publisher import TryLater
from services.ingest.treating import Coming, Sender

LOOK_EVERY_S = 2.0
"""After so long at most an ingest knows whom another process has forgotten."""

MOST_KEYS = 50_000
"""Keys in memory, about 1 kB each."""


class Keys(Protocol):
    """Where keys rest; see SealingStore."""

    def keys_of(self, customer_ids: Collection[str], now: Any) -> Mapping[str, bytes]: ...
    def forgotten(self) -> frozenset[str]: ...


class KeyRing:
    """Keys at hand. Threads share it."""

    def __init__(self, keys: Keys, now: Now, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is a clock that never goes back."""
        self._keys = keys
        self._now = now
        self._seconds = seconds
        self._lock = Lock()
        self._held: OrderedDict[str, CustomerKey] = OrderedDict()
        self._forgotten: frozenset[str] = frozenset()
        self._looked_at: float | None = None

    def is_forgotten(self, customer_id: str) -> bool:
        """Whether nothing of the customer is to be taken. Raises TryLater."""
        with self._lock:
            self._look()
            return customer_id in self._forgotten

    def key_of(self, customer_id: str) -> CustomerKey | None:
        """The customer's key, made if there is none; None for one who was forgotten. Raises TryLater."""
        with self._lock:
            self._look()
            held = self._held.get(customer_id)
            if held is None:
                self._fetch([customer_id])
                return self._held.get(customer_id)
            self._held.move_to_end(customer_id)
            return held

    def expect(self, customer_ids: Collection[str]) -> None:
        """Have the keys of all of them at hand: one look at the database instead of many. Raises TryLater."""
        with self._lock:
            self._look()
            missing = [customer_id for customer_id in customer_ids if customer_id not in self._held]
            if len(missing) > 1:
                self._fetch(missing)

    def _look(self) -> None:
        now = self._seconds()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_S:
            return
        try:
            self._forgotten = self._keys.forgotten()
        except SQLAlchemyError:
            raise _keys_away() from None
        for customer_id in self._forgotten & self._held.keys():
            del self._held[customer_id]
        self._looked_at = now

    def _fetch(self, customer_ids: Collection[str]) -> None:
        try:
            found = self._keys.keys_of(customer_ids, self._now())
        except SQLAlchemyError:
            raise _keys_away() from None
        for customer_id, key in found.items():
            self._held[customer_id] = CustomerKey(key)
        while len(self._held) > MOST_KEYS:
            self._held.popitem(last=False)


def _keys_away() -> TryLater:
    return TryLater("keys_unavailable", "the keys that seal personal fields cannot be read now", after_s=5)


@dataclass(frozen=True, slots=True)
class Sealing:
    """The treatment that comes last: whose the event is must be known."""

    ring: KeyRing

    def __call__(self, coming: Coming, sender: Sender) -> Coming:
        """The event with its personal fields sealed. What is sealed already, as in an event that was kept and is sent
        again, must be so for this place.

        Raises InvalidEvent (forgotten, sealed), TryLater.
        """
        event = coming.event
        if event.subject is None:
            return coming
        if self.ring.is_forgotten(event.subject):
            raise _forgotten(coming)
        places = PERSONAL.get(event.type)
        if not places or isinstance(event, Retraction):
            return coming
        return self._sealed(coming, event, places)

    def _sealed(self, coming: Coming, event: CustomerEvent[Any], places: tuple[Place, ...]) -> Coming:
        said = list(_said(places, coming.document.get("data")))
        if not said:
            return coming
        key = self.ring.key_of(event.subject)
        if key is None:
            raise _forgotten(coming)
        new = {}
        for place, text in said:
            context = Context(event.subject, event.source, event.id, place.path)
            new[place] = _proven(key, context, text, coming) if text.startswith(SEALED) else key.seal(context, text)
        data = event.data.model_copy(update=_changes(event.data, new))
        return Coming(event.model_copy(update={"data": data}), with_values(coming.document, new))


def _said(places: tuple[Place, ...], data: Any) -> Iterator[tuple[Place, str]]:
    for place in places:
        holder = place.holder(data)
        text = holder.get(place.name) if holder is not None else None
        if isinstance(text, str):
            yield place, text


def _proven(key: CustomerKey, context: Context, text: str, coming: Coming) -> str:
    try:
        key.open(context, text)
    except NotSealed:
        reason = "is sealed for another place, or with another key: send it as it is, ingest seals it"
        error = FieldError(context.field, reason)
        raise InvalidEvent(
            "sealed", f"{error.field}: {reason}", (error,), coming.event.id, coming.event.source
        ) from None
    return text


def _changes(data: Any, new: Mapping[Place, str]) -> dict[str, Any]:
    own = {place.name: text for place, text in new.items() if place.inside is None}
    for inside in {place.inside for place in new if place.inside is not None}:
        inner = {place.name: text for place, text in new.items() if place.inside == inside}
        own[inside] = getattr(data, inside).model_copy(update=inner)
    return own


def with_values(document: dict[str, Any], new: Mapping[Place, Any]) -> dict[str, Any]:
    """A document with other values in these places of its data; what it was made from stays as it is."""
    data = dict(document["data"])
    for place, value in new.items():
        if place.inside is None:
            data[place.name] = value
        else:
            data[place.inside] = {**data[place.inside], place.name: value}
    return {**document, "data": data}


def _forgotten(coming: Coming) -> InvalidEvent:
    reason = "the customer was forgotten, and nothing of it is taken until it is readmitted"
    return InvalidEvent("forgotten", reason, (FieldError("subject", reason),), coming.event.id, coming.event.source)
