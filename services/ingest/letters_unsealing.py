"""A dead letter's event with what is sealed in it as it came, for those who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from schemas.personal import PERSONAL, sealed_in
from services.common.clock import wall_now
from services.common.database import Database
from services.common.sealing import NotSealed
from services.ingest.ids import MustLook
from services.ingest.ids_registry import Registry
from services.ingest.ids_treatment import Identity
from services.ingest.letters import Filed
from services.ingest.publisher import TryLater
from services.ingest.sealing import KeyRing, opened, with_values
from services.ingest.sealing_letters import unclaimed


@dataclass(frozen=True, slots=True)
class Unsealing:
    """Asks databases: not to be used on the event loop."""

    database: Database
    ring: KeyRing

    def event(self, filed: Filed) -> bytes:
        """What a replay would send, opened; as it is where no key opens it, or none can be had now."""
        try:
            event = self.to_replay(filed)
            document = orjson.loads(event)
            data = self._opened(document)
        except (ValueError, KeyError, TypeError, TryLater):
            # No event, or only half of one: nothing in it was sealed.
            return filed.event
        return event if data is None else orjson.dumps({**document, "data": data})

    def to_replay(self, filed: Filed) -> bytes:
        """What a replay is to judge. What was sealed for the letter's own source, id and customer does not open where
        somebody has mended these: there it is opened, to be sealed anew. Raises TryLater."""
        if filed.edited is None:
            return filed.event
        try:
            mended, came = orjson.loads(filed.edited), orjson.loads(filed._replace(edited=None).event)
            same = all(mended.get(name) == came.get(name) for name in ("source", "id", "subject"))
            if same or not sealed_in(mended["type"], mended["data"]):
                return filed.edited
            data = self._opened(came)
        except (ValueError, KeyError, TypeError, AttributeError):
            return filed.edited
        return filed.edited if data is None else orjson.dumps(_with_what_was_said(mended, came, data))

    def _opened(self, document: dict[str, Any]) -> dict[str, Any] | None:
        """The data; None where no key opens it. Raises ValueError, KeyError and TypeError for what is no event, and
        TryLater."""
        # As it was sealed: what could not be read of the two was taken for empty.
        source, event_id = (_text(document.get(name)) for name in ("source", "id"))
        subject, named = document["subject"], {**document, "source": source, "id": event_id}
        for name in (self._owner(source, subject), unclaimed(source, subject), subject):
            key = None if name is None else self.ring.known_key(name)
            if key is None:
                continue
            try:
                data: dict[str, Any] = opened(named, key, name)["data"]
            except NotSealed:
                continue
            return data
        return None

    def _owner(self, source: str, subject: str) -> str | None:
        registry = Registry(self.database, wall_now)
        try:
            registry.look_up({(source, subject)})
            return Identity(registry).customer_of(source, subject)
        except MustLook:
            raise TryLater("ids_are_changing", "whose the id is has just changed", after_s=1) from None


def _with_what_was_said(mended: dict[str, Any], came: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """The mended event with the opened text wherever it still has the sealed one in its place."""
    texts = {}
    for place in PERSONAL[mended["type"]]:
        now, before, text = ((place.holder(one) or {}).get(place.name) for one in (mended["data"], came["data"], data))
        if now is not None and now == before:
            texts[place] = text
    return with_values(mended, texts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
