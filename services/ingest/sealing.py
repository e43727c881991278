"""What says something of a person is sealed before it goes on a topic, and what was forgotten is not taken again."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock, local
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from schemas.codec import FieldError, InvalidEvent
from schemas.events import CustomerEvent, Retraction
from schemas.fields import SEALED
from schemas.personal import PERSONAL, Place
from services.common.clock import Now
from services.common.sealing import Context, CustomerKey, NotSealed, UnknownMaster, new_key
from services.ingest.publisher import TryLater
from services.ingest.sealing_keeping import MustAsk
from services.ingest.treating import Coming, Sender

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""After so long at most an ingest knows whom another process has forgotten."""

MOST_KEYS = 50_000
"""Keys in memory, about 1 kB each."""


class Keys(Protocol):
    """Where keys rest; see SealingStore."""

    def find(self, customer_ids: Collection[str]) -> Mapping[str, bytes | None]: ...
    def add(self, keys: Mapping[str, bytes], now: datetime) -> frozenset[str]: ...
    def forgotten(self) -> frozenset[str]: ...


class _Here(local):
    """What holds for this thread."""

    from_memory = False


class KeyRing:
    """Keys at hand. A new one is used at once and kept later, with others in one transaction: what it has sealed must
    not be published before `keep` has returned. Threads share it; the event loop asks it `from_memory`."""

    def __init__(self, keys: Keys, now: Now, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is a clock that never goes back."""
        self._keys = keys
        self._now = now
        self._seconds = seconds
        self._lock = Lock()
        self._keeping = Lock()
        self._here = _Here()
        self._held: OrderedDict[str, CustomerKey] = OrderedDict()
        self._new: dict[str, bytes] = {}
        self._lost = 0
        self._forgotten: frozenset[str] = frozenset()
        self._looked_at: float | None = None

    def is_forgotten(self, customer_id: str) -> bool:
        """Whether nothing of the customer is to be taken. Raises TryLater."""
        self._begin()
        try:
            return customer_id in self._forgotten
        finally:
            self._lock.release()

    def key_of(self, customer_id: str) -> CustomerKey | None:
        """The customer's key, made if there is none; None for one who was forgotten. Raises TryLater."""
        self._begin()
        try:
            held = self._held.get(customer_id)
            if held is not None:
                self._held.move_to_end(customer_id)
                return held
            return self._fetch(customer_id)
        finally:
            self._lock.release()

    def known_key(self, name: str) -> CustomerKey | None:
        """The key of that name if there is one: none is made. Raises TryLater."""
        self._begin()
        try:
            held = self._held.get(name)
            return held if held is not None else self._fetch(name, make=False)
        finally:
            self._lock.release()

    @contextmanager
    def from_memory(self) -> Iterator[None]:
        """This thread waits for no database meanwhile, nor for one that does: MustAsk is raised instead."""
        self._here.from_memory = True
        try:
            yield
        finally:
            self._here.from_memory = False

    def _begin(self) -> None:
        """Takes the lock, which is to be released. No context manager: it is asked of every event."""
        if not self._lock.acquire(blocking=self._may_ask):
            raise MustAsk
        try:
            self._look()
        except BaseException:
            self._lock.release()
            raise

    @property
    def _may_ask(self) -> bool:
        return not self._here.from_memory

    def mark(self) -> int:
        """To be taken before something is sealed, and given to `keep`."""
        return self._lost

    @property
    def has_new(self) -> bool:
        """Whether `keep` has something to write."""
        return bool(self._new)

    def keep(self, mark: int) -> None:
        """Return when every key is kept that has sealed something since the mark. Raises TryLater, and then what was
        sealed must be thrown away: somebody else has made the same customer's key in the same moment."""
        with self._keeping:
            with self._lock:
                new = dict(self._new)
            if new:
                self._write(new)
            if self._lost != mark:
                raise TryLater("keys_unavailable", "a customer's key was made twice; send this again", after_s=1)

    def _write(self, new: dict[str, bytes]) -> None:
        try:
            taken = self._keys.add(new, self._now())
        except SQLAlchemyError:
            raise keys_away() from None
        with self._lock:
            # First: who finds nothing new any more must find this.
            self._lost += len(taken)
            for customer_id in taken:
                self._held.pop(customer_id, None)
            for customer_id in new:
                del self._new[customer_id]

    def _look(self) -> None:
        now = self._seconds()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_S:
            return
        if not self._may_ask:
            raise MustAsk
        try:
            self._forgotten = self._keys.forgotten()
        except SQLAlchemyError:
            raise keys_away() from None
        for customer_id in self._forgotten & self._held.keys():
            del self._held[customer_id]
        self._looked_at = now

    def _fetch(self, customer_id: str, *, make: bool = True) -> CustomerKey | None:
        key: bytes | None = self._new.get(customer_id)
        if key is None:
            if not self._may_ask:
                raise MustAsk
            try:
                found = self._keys.find([customer_id])
            except SQLAlchemyError:
                raise keys_away() from None
            except (UnknownMaster, NotSealed) as problem:
                # The message names a key by its customer's id, the log a kind of trouble.
                log.error("a sealing key cannot be unwrapped: %s", type(problem).__name__)  # noqa: TRY400
                raise keys_away() from None
            if found.get(customer_id) is None and (customer_id in found or not make):
                return None
            key = found.get(customer_id) or self._new.setdefault(customer_id, new_key())
        held = self._held[customer_id] = CustomerKey(key)
        while len(self._held) > MOST_KEYS:
            self._held.popitem(last=False)
        return held


def keys_away() -> TryLater:
    """Nothing can be sealed or opened now."""
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


def opened(document: dict[str, Any], key: CustomerKey, whose: str | None = None) -> dict[str, Any]:
    """A kept event's document with its personal fields as they were: what is sent again for another customer, or under
    another id, has to be sealed anew. `whose` it was sealed for, if not for its subject. Raises NotSealed."""
    clear = {}
    owner = whose or document["subject"]
    for place, text in _said(PERSONAL.get(document["type"], ()), document.get("data")):
        if text.startswith(SEALED):
            clear[place] = key.open(Context(owner, document["source"], document["id"], place.path), text)
    return with_values(document, clear) if clear else document


def resealed(ring: KeyRing, document: dict[str, Any], whose: str, now_whose: str) -> dict[str, Any] | None:
    """A kept event's document as one of another customer's, but for its subject. None when either was forgotten. What
    no key opens stays as it is: nobody reads it. Raises TryLater."""
    if ring.is_forgotten(whose) or ring.is_forgotten(now_whose):
        return None
    places = PERSONAL.get(document["type"], ())
    if document.get("retracted") is True or not any(True for _ in _said(places, document.get("data"))):
        return document
    old, new = ring.key_of(whose), ring.key_of(now_whose)
    if old is None or new is None:
        return None
    try:
        clear = opened(document, old)
    except NotSealed:
        return document
    sealed = {
        place: new.seal(Context(now_whose, document["source"], document["id"], place.path), text)
        for place, text in _said(places, clear["data"])
    }
    return with_values(clear, sealed)


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
