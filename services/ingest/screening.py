"""Values that look personal are refused in fields that are not for them: there nothing seals them, or hides them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from schemas.codec import FieldError, InvalidEvent
from schemas.events import CUSTOMER_EVENTS, PREFIX, REFERENCE_EVENTS, Retraction
from schemas.fields import EventId, Identifier, Label, Text, Wire
from services.ingest.looking_personal import Find, in_id, in_words, redact
from services.ingest.treating import Coming, Sender

log = logging.getLogger(__name__)


OWN_PEOPLE = frozenset({"by", "owner", "new", "old", "assessor", "to"})
"""Ids of people of ours: many a CRM knows its users by their e-mail addresses, and reports need them."""

_NAMES_A_NUMBER = re.compile(r"phone|mobile|(^|_)(tel|fax|cell|contact|account|card|iban)(_|$)")
"""Fields of a profile in which a bare number is no figure."""

Look = Callable[[str], list[Find]]


class Spot(NamedTuple):
    """A field to look into. `inner`: what the objects in it, or in the list in it, have to look into; `look` otherwise,
    at its text or its list of texts, or, in a profile, its values."""

    name: str
    look: Look | None
    inner: tuple[Spot, ...]


def _spots(model: type[Wire]) -> Iterator[Spot]:
    fields = model.model_fields
    for name, hint in get_type_hints(model, include_extras=True).items():
        if name not in fields:
            continue
        parts = set(_parts(hint))
        said = fields[name].alias or name
        inner = tuple(spot for part in parts if _is_model(part) for spot in _spots(part))
        look = in_words if Label in parts or Text in parts else in_id if {Identifier, EventId} & parts else None
        if inner:
            yield Spot(said, None, inner)
        elif get_origin(_bare(hint)) is dict and name == "fields":
            yield Spot(said, in_words, ())
        elif look is not None and not (look is in_id and name in OWN_PEOPLE):
            yield Spot(said, look, ())


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if hasattr(hint, "__metadata__") else hint


def _parts(hint: Any) -> Iterator[Any]:
    """What a type consists of, with the named types as they are."""
    if hint in (Label, Text, Identifier, EventId):
        yield hint
    elif hasattr(hint, "__metadata__") or get_origin(hint) in (list, Union, UnionType):
        for part in get_args(hint)[:1] if hasattr(hint, "__metadata__") else get_args(hint):
            yield from _parts(part)
    else:
        yield hint


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Wire)


@cache
def spots_of(kind: str) -> tuple[Spot, ...]:
    """By an event's full type; empty for one that is not known."""
    model = (CUSTOMER_EVENTS | REFERENCE_EVENTS).get(kind.removeprefix(PREFIX))
    return tuple(_spots(model)) if model is not None else ()


def found_in(kind: str, data: Any) -> list[tuple[str, str]]:
    """Paths in an event's data, and what the values there look like."""
    return list(_look(spots_of(kind), data, "data")) if isinstance(data, dict) else []


def _look(spots: tuple[Spot, ...], data: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, look, inner in spots:
        value = data.get(name)
        if value is None:
            continue
        here = f"{path}.{name}"
        if inner:
            listed = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, one in listed:
                if isinstance(one, dict):
                    yield from _look(inner, one, here if index is None else f"{here}.{index}")
        elif look is not None:
            yield from _at(look, value, here)


def _at(look: Look, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        for find in look(value)[:1]:
            yield path, find.looks
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _at(look, one, f"{path}.{index}")
    elif isinstance(value, dict):
        for key, one in value.items():
            text = _as_text(key, one)
            if text is not None:
                yield from _at(look, text, f"{path}.{key}")


def _as_text(key: str, value: Any) -> str | None:
    """A profile's value as it is looked at: a bare number is a figure, unless the field is named after a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    return None if text.strip().isdigit() and not _NAMES_A_NUMBER.search(key) else text


@dataclass(frozen=True, slots=True)
class Screening:
    """The treatment that comes before sealing. `mode` is refuse, off, or warn, in which it only says
    so: the log names source and field."""

    mode: str

    def __call__(self, coming: Coming, sender: Sender) -> Coming:
        """The event as it is. Raises InvalidEvent (personal_data)."""
        event = coming.event
        if self.mode == "off" or isinstance(event, Retraction):
            return coming
        found = found_in(event.type, coming.document.get("data"))
        if not found:
            return coming
        if self.mode == "warn":
            for path, looks in found:
                log.warning("%s of a %s from %s looks like %s", path, event.kind, redact(event.source), looks)
            return coming
        errors = tuple(
            FieldError(path, f"looks like {looks}: leave it out, or send it in a field for personal data")
            for path, looks in found
        )
        message = f"{errors[0].field} {errors[0].reason}"
        raise InvalidEvent("personal_data", message, errors, event.id, event.source)
