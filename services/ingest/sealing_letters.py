"""What says something of a person is sealed in dead letters too, as far as it can be told whose it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from schemas import codec
from schemas.events import Retraction
from schemas.fields import IDENTIFIER, SEALED
from schemas.personal import PERSONAL, Place, sealed_in
from services.common.sealing import Context, NotSealed
from services.ingest.looking_personal import redact
from services.ingest.records import Refusal
from services.ingest.sealing import KeyRing, opened, with_values
from services.ingest.treating import Coming, Sender

_IDENTIFIER = re.compile(IDENTIFIER[:-1] + r"\Z")
_MAX_ID_CHARS = 100


Whose = Callable[[str, str], str | None]
"""The customer that a source means by a subject; None where nobody has said so."""


def as_named(_source: str, subject: str) -> str:
    """Where all sources use the customers' own ids."""
    return subject


def unclaimed(source: str, subject: str) -> str:
    """The name of the key for what a source says of an id of its own, before anybody knows whose the id is."""
    return "id:" + hashlib.sha256(f"{source}\0{subject}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Opening:
    """The treatment before all others of a letter that is replayed. What was sealed before it was known whose it is, or
    for a customer that was merged since, is opened, to be sealed anew; what does not open is left to the Sealing."""

    ring: KeyRing

    def __call__(self, coming: Coming, sender: Sender) -> Coming:
        """Raises TryLater."""
        source, subject = coming.event.source, coming.event.subject
        if subject is None or isinstance(coming.event, Retraction):
            return coming
        for name in (unclaimed(source, subject), subject):
            key = self.ring.known_key(name) if sealed_in(coming.event.type, coming.document.get("data")) else None
            if key is None:
                continue
            try:
                document = opened(coming.document, key, name)
            except NotSealed:
                continue
            return Coming(codec.parse(document), document)
        return coming


@dataclass(frozen=True, slots=True)
class SealedLetters:
    """The event as it came, with its personal fields sealed for where they stand: mended in other fields it may be sent
    again. Of a forgotten customer's nothing but the envelope is kept. Bytes that are no event stay as they came."""

    ring: KeyRing
    whose: Whose = as_named

    def __call__(self, raw: bytes, refusal: Refusal) -> bytes:
        """What the letter holds of the bytes. Raises TryLater."""
        body = _loads(raw)
        if refusal.problem.code == "personal_data":
            body = _without(body, refusal)
            raw = orjson.dumps(body)
        document = {**_attributes(refusal), "data": body} if refusal.attributes else body
        if not isinstance(document, dict) or not _is_id(document.get("subject")):
            return raw
        source, subject = _read(document, "source"), document["subject"]
        owner = self.whose(source, subject) or unclaimed(source, subject)
        gone = self.ring.is_forgotten(owner)
        hidden = {**document, "data": None} if gone else self._sealed(document, owner)
        if hidden is document:
            return raw
        return orjson.dumps(hidden["data"] if refusal.attributes else hidden)

    def _sealed(self, document: dict[str, Any], owner: str) -> dict[str, Any]:
        kind = document.get("type")
        said = _said(PERSONAL.get(kind, ()), document) if isinstance(kind, str) else []
        key = self.ring.key_of(owner) if said else None
        if key is None:
            return document
        source, event_id = _read(document, "source"), _read(document, "id")
        contexts = {place: Context(owner, source, event_id, place.path) for place, _ in said}
        return with_values(document, {place: key.seal(contexts[place], _text(value)) for place, value in said})


def _without(body: Any, refusal: Refusal) -> Any:
    """The body without the values for which it was refused. Theirs are no fields in which they could be sealed."""
    prefix = "data." if refusal.attributes else ""
    for error in refusal.problem.errors:
        *way, last = error.field.removeprefix(prefix).split(".")
        holder = body
        for step in way:
            holder = holder[_step(holder, step)]
        holder[_step(holder, last)] = redact(str(holder[_step(holder, last)]))
    return body


def _step(holder: Any, name: str) -> str | int:
    return int(name) if isinstance(holder, list) else name


def _attributes(refusal: Refusal) -> dict[str, str]:
    return {name.removeprefix("ce_"): value for name, value in refusal.attributes.items()}


def _read(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _said(places: tuple[Place, ...], document: dict[str, Any]) -> list[tuple[Place, Any]]:
    """Whatever stands there: a phone number that came as a number is one all the same."""
    holders = [(place, place.holder(document.get("data"))) for place in places]
    found = [(place, holder[place.name]) for place, holder in holders if holder is not None and place.name in holder]
    return [(place, value) for place, value in found if value is not None and not _is_sealed(value)]


def _is_sealed(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(SEALED)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_ID_CHARS and _IDENTIFIER.match(value) is not None


def _loads(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
