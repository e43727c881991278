"""PURE but for what the registry has in memory: an event gets its customer's id, or has to wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from schemas.codec import InvalidEvent
from schemas.events import Event
from services.ingest.ids import (
    BEHIND_OTHERS,
    MERGED_TYPE,
    UNKNOWN,
    IdKey,
    Merges,
    Place,
    is_held,
    names_another,
    readdressed,
    survivor,
    why_not_joined,
)
from services.ingest.treating import Coming, Sender, Waits


class Known(Protocol):
    """What is in memory of ids and merges."""

    @property
    def mapped(self) -> frozenset[str]: ...
    @property
    def merges(self) -> Merges: ...
    def require_fresh(self) -> None:
        """Raises MustLook when it may not be right any more."""

    def require(self, keys: set[IdKey]) -> None:
        """Raises MustLook with those that are not in memory."""

    def place(self, key: IdKey) -> Place:
        """Raises MustLook."""


class Identity:
    """The treatment. Where no source has ids of its own and nobody was merged it costs nothing to speak of."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def foresee(self, documents: Sequence[Any]) -> None:
        """So that all ids of a request are looked up at once. Raises MustLook."""
        known = self._known
        known.require_fresh()
        mapped, merges = known.mapped, known.merges
        if mapped or merges:
            known.require({key for one in documents for key in _keys(one) if key[0] in mapped or key[1] in merges})

    def __call__(self, coming: Coming, sender: Sender) -> Coming:
        """Raises Waits, MustLook, InvalidEvent."""
        return self._treat(coming, releasing=False)

    def release(self, coming: Coming, sender: Sender) -> Coming:
        """Of an event that is the first of its id to wait. Raises Waits, MustLook."""
        return self._treat(coming, releasing=True)

    def customer_of(self, source: str, subject: str) -> str | None:
        """Whose the subject of a source's event is by now; None where nobody has said so. Raises MustLook."""
        customer_id: str | None = subject
        if source in self._known.mapped:
            customer_id = self._known.place((source, subject)).customer_id
        return None if customer_id is None else survivor(customer_id, self._known.merges)

    def _treat(self, coming: Coming, *, releasing: bool) -> Coming:
        mapped, merges = self._known.mapped, self._known.merges
        source, subject = coming.event.source, coming.event.subject
        if subject is None or not (mapped or merges):
            return coming
        merged = self._other(coming.event)
        customer_id = subject
        if source in mapped or subject in merges:
            customer_id = self._customer(source, subject, releasing=releasing)
        if (customer_id, merged) == (subject, names_another(coming.event)):
            return coming
        return readdressed(coming, customer_id, merged)

    def _other(self, event: Event) -> str | None:
        """The customer that a customer.merged names. Raises InvalidEvent where that cannot be; the registry looks again
        when it keeps it."""
        merged, source, owner = names_another(event), event.source, event.subject
        if merged is None:
            return None
        if source in self._known.mapped:
            found = self._known.place((source, merged)).customer_id
            if found is None:
                raise Waits(source, merged, UNKNOWN)
            merged, owner = found, self._known.place((source, str(owner))).customer_id
        problem = None if owner in (None, merged) else why_not_joined(merged, str(owner), self._known.merges)
        if problem is not None:
            raise InvalidEvent("merge_refused", problem, (), event.id, source)
        return merged

    def _customer(self, source: str, external_id: str, *, releasing: bool) -> str:
        customer_id, queued = self._known.place((source, external_id))
        if customer_id is None:
            raise Waits(source, external_id, UNKNOWN)
        if (queued and not releasing) or is_held(customer_id, self._known.merges):
            raise Waits(source, external_id, BEHIND_OTHERS)
        return survivor(customer_id, self._known.merges)


def _keys(document: Any) -> Iterator[IdKey]:
    """The ids that a document seems to name."""
    if not isinstance(document, dict) or not isinstance(source := document.get("source"), str):
        return
    if isinstance(subject := document.get("subject"), str):
        yield source, subject
    if document.get("type") == MERGED_TYPE and isinstance(data := document.get("data"), dict):
        merged = data.get("merged_customer_id")
        if isinstance(merged, str):
            yield source, merged
