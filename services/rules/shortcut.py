"""PURE. The short way from a record's bytes to what its event says, for events that are plainly valid.

It takes no event that `schemas.codec` refuses, and makes the same of what it takes: its readers are compiled from the
models. Whatever gives it pause it leaves to them, and they name what is wrong.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from schemas import codec, personal, privacy
from schemas.events import CUSTOMER_EVENTS, EVENT_MODELS, PREFIX
from schemas.fields import SEALED
from services.rules.entries import NOT_KEPT, Said, digest_of
from services.rules.readers import (
    GIVES_UP,
    Convert,
    NoReader,
    Reader,
    Schema,
    Test,
    field_of,
    fields_of,
    test_of,
    validator_of,
)
from services.rules.spelling import instant

MOST_SOURCES = 1_000
"""Sources that are known to be well named."""


class Kind(NamedTuple):
    """How events of a type are read. `not_kept` are the fields of which only the digest tells."""

    name: str
    read: Convert
    not_kept: tuple[str, ...]
    is_id: Test
    is_source: Test
    is_subject: Test


def heard(raw: bytes) -> tuple[str, Said] | None:
    """The customer's id and what the event says; None when the models are to decide."""
    try:
        return _heard(raw)
    except GIVES_UP:
        return None


def _heard(raw: bytes) -> tuple[str, Said] | None:
    if len(raw) > codec.MAX_EVENT_BYTES or privacy.may_hold(raw):
        return None
    document = orjson.loads(raw)
    get = document.get
    name, read, not_kept, is_id, is_source, is_subject = KINDS[document["type"]]
    event_id, source, subject = document["id"], document["source"], document["subject"]
    supersedes, history = get("supersedes"), get("history", False)
    if (
        not (is_id(event_id) and is_source(source) and is_subject(subject))
        or (supersedes is not None and (not is_id(supersedes) or supersedes == event_id))
        or (history is not False and history is not True)
        # A retraction is rare.
        or get("retracted", False) is not False
        or get("specversion", _VERSION) != _VERSION
        or get("datacontenttype", _JSON) != _JSON
        or (codec.may_be_deep(raw) and codec.is_too_deep(document))
    ):
        return None
    # Elsewhere than in personal fields nothing may be sealed; an escaped one is `may_hold`'s concern.
    if _SEALED in raw and raw.count(_SEALED) != personal.sealed_in(document["type"], document["data"]):
        return None
    time = instant(document["time"])
    data = read(document["data"])
    digest = digest_of(name, time, data, supersedes)
    for field in not_kept:
        data.pop(field, None)
    return subject, Said(name, source, event_id, time, digest, data, supersedes, history)


_SEALED = b'"' + SEALED.encode()
_VERSION = "1.0"
_JSON = "application/json"


def _default(schema: Schema, *, value: Any) -> Schema:
    return {"type": "default", "default": value, "schema": schema}


# What `_heard` has in words of its own. A model that says otherwise has no short way.
_AS_WRITTEN: dict[str, Schema] = {
    "specversion": _default({"type": "literal", "expected": [_VERSION]}, value=_VERSION),
    "retracted": _default({"type": "bool"}, value=False),
    "history": _default({"type": "bool"}, value=False),
}
_ENVELOPE = {"id", "source", "type", "time", "subject", "data", "supersedes", "datacontenttype", *_AS_WRITTEN}
_VALIDATOR = "Envelope._corrects_another"


def _kind(name: str) -> Kind:
    model: Schema = EVENT_MODELS[PREFIX + name].__pydantic_core_schema__
    schemas = {field: member["schema"] for field, member in fields_of(model["schema"]).items()}
    as_written = {
        **_AS_WRITTEN,
        "type": {"type": "literal", "expected": [PREFIX + name]},
        "supersedes": _default({"type": "nullable", "schema": schemas["id"]}, value=None),
    }
    if (
        validator_of(model) != _VALIDATOR
        or set(schemas) != _ENVELOPE
        or any(schemas[field] != schema for field, schema in as_written.items())
        or field_of("time", schemas["time"]).way.convert is not instant
        or schemas["datacontenttype"]["default"] != _JSON
    ):
        raise NoReader(f"{name} has another envelope")
    data = Reader(schemas["data"])
    not_kept = tuple(field.name for field in data.fields if field.name in NOT_KEPT)
    is_id, is_source, is_subject = (test_of(schemas[field]) for field in ("id", "source", "subject"))
    return Kind(name, data.read, not_kept, is_id, lru_cache(MOST_SOURCES)(is_source), is_subject)


def _kinds() -> dict[str, Kind]:
    kinds = {}
    for name in CUSTOMER_EVENTS:
        # An event without a short way is read by its model all the same; a test sees to it that there is none.
        with suppress(NoReader, LookupError):
            kinds[PREFIX + name] = _kind(name)
    return kinds


KINDS = _kinds()
"""By the type of an event."""
