"""Bytes to events and back.

The one place that decides whether an event is valid; ingest and the rules service share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn, cast, get_args

import orjson
from pydantic import BaseModel, ValidationError

from schemas import personal, privacy
from schemas.events import EVENT_ADAPTER, EVENT_MODELS, PREFIX, Event, Retraction
from schemas.fields import SEALED

MAX_EVENT_BYTES = 900_000
"""One event's JSON; a Kafka record carries 1 MiB at most by default, and the dead letter adds headers to it."""

MAX_DEPTH = 12
"""Levels of nesting in an event; the deepest model has 4."""

MAX_ERRORS = 50
"""Fields that are named one by one because they hold a resident-ID number."""

SEALED_REASON = f'begins with "{SEALED}", which only personal fields may'

RESIDENT_ID_REASON = "holds a resident-ID number, which is not stored: leave it out"


@dataclass(frozen=True)
class FieldError:
    """`field` is a path such as data.lines.0.quantity; `reason` a sentence that says what is wanted."""

    field: str
    reason: str


class InvalidEvent(Exception):
    """An event that must not be processed: it belongs in the dead letters.

    `code` is stable (not_json, not_an_object, too_large, too_deep, resident_id, sealed, unknown_type, invalid,
    id_reused, before_horizon …); `event_id` and `source` are what could be read of them, for the answer and the dead
    letter's headers. Nothing in it quotes a resident-ID number.
    """

    def __init__(
        self,
        code: str,
        message: str,
        errors: tuple[FieldError, ...] = (),
        event_id: str | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = errors
        self.event_id = event_id
        self.source = source


def loads(raw: bytes) -> Any:
    """JSON of strict standard (no NaN, no Infinity); raises InvalidEvent."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidEvent("not_json", f"not valid JSON: {error}") from None


def parse(document: Any) -> Event:
    """One decoded JSON document to a valid event; raises InvalidEvent."""
    if not isinstance(document, dict):
        raise InvalidEvent("not_an_object", f"an event is a JSON object, not {_json_name(document)}")
    _check_depth(document)
    _refuse_private(document)
    kind = document.get("type")
    if isinstance(kind, str) and kind not in EVENT_MODELS:
        _refuse_type(document, kind)
    try:
        return EVENT_ADAPTER.validate_python(document)
    except ValidationError as error:
        raise _invalid(document, error) from None


def parse_written(document: dict[str, Any], raw: bytes) -> Event:
    """As `parse`, where the document's JSON is at hand: two thirds of the time.

    `raw` tells at once that nothing is nested too deep, that it holds no number that must not be stored, and that
    nothing is sealed in it.
    """
    model = EVENT_MODELS.get(str(document.get("type")))
    if model is None or document.get("retracted") is True or may_be_deep(raw) or _may_be_private(raw):
        return parse(document)
    try:
        return cast("Event", model.model_validate(document))
    except ValidationError:
        # Once more, for the words.
        return parse(document)


def decode(raw: bytes) -> Event:
    """The JSON bytes of one event in structured mode; raises InvalidEvent."""
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidEvent("too_large", f"the event has {len(raw)} bytes; at most {MAX_EVENT_BYTES} are accepted")
    return parse(loads(raw))


def decode_binary(headers: Mapping[str, str], data: bytes) -> Event:
    """CloudEvents binary mode: attributes as `ce_…` (Kafka) or `ce-…` (HTTP) headers, the data alone as the body."""
    return parse(binary_document(headers, data))


def binary_document(headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
    """The structured-mode document of a binary-mode event, not yet judged.

    Raises InvalidEvent for data that is no JSON or too large.
    """
    if len(data) > MAX_EVENT_BYTES:
        raise InvalidEvent("too_large", f"the event has {len(data)} bytes; at most {MAX_EVENT_BYTES} are accepted")
    document: dict[str, Any] = {}
    for header, value in headers.items():
        name = header.lower().replace("-", "_")
        if name.startswith("ce_"):
            document[name[3:]] = value
    for flag in ("retracted", "history"):
        if flag in document:
            document[flag] = {"true": True, "false": False}.get(document[flag].lower(), document[flag])
    try:
        return {**document, "data": loads(data) if data else None}
    except InvalidEvent as problem:
        # Only the data is broken: the headers still tell whose event it is.
        raise InvalidEvent(
            problem.code, problem.message, (), _readable(document, "id"), _readable(document, "source")
        ) from None


def is_binary(headers: Mapping[str, str]) -> bool:
    """True when the headers carry a binary-mode event."""
    return any(name.lower().replace("-", "_") == "ce_specversion" for name in headers)


def encode(event: Event) -> bytes:
    """The structured-mode JSON that goes on the topic; decode(encode(event)) == event.

    It says what the sender said and no more. A null is kept: in a profile it clears the field.
    """
    wire = event.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(event, Retraction):
        del wire["data"]
    return orjson.dumps({"specversion": event.specversion, **wire})


def unknown_fields(document: Mapping[str, Any], event: Event) -> list[str]:
    """Paths in `document` that the event's model does not know and that were therefore kept out."""
    if isinstance(event, Retraction):
        document = {name: value for name, value in document.items() if name != "data"}
    # First whether there are any at all, for most events have none: it costs a fifth.
    return [] if _knows(event, document) else sorted(_unknown(document, event, ""))


def _knows(model: BaseModel, document: Mapping[str, Any]) -> bool:
    names, holders = _shape(type(model))
    if not document.keys() <= names:
        return False
    for name, attribute in holders:
        value = document.get(name)
        if value and not _knows_inside(getattr(model, attribute), value):
            return False
    return True


def _knows_inside(parsed: Any, value: Any) -> bool:
    if isinstance(parsed, BaseModel) and isinstance(value, dict):
        return _knows(parsed, value)
    if isinstance(parsed, list) and isinstance(value, list):
        return all(_knows_inside(item, raw) for raw, item in zip(value, parsed, strict=True))
    return True


@cache
def _shape(model: type[BaseModel]) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """The names of a model's fields; and of those that may hold models, the name in a document and the attribute."""
    names = _field_names(model)
    holders = {name for name, field in model.model_fields.items() if _holds_models(field.annotation)}
    return frozenset(names), tuple((name, attribute) for name, attribute in names.items() if attribute in holders)


def _holds_models(annotation: Any) -> bool:
    inside = get_args(annotation)
    if not inside:
        return annotation is Any or (isinstance(annotation, type) and issubclass(annotation, BaseModel))
    return any(map(_holds_models, inside))


def _unknown(document: Mapping[str, Any], model: BaseModel, path: str) -> Iterator[str]:
    names = _field_names(type(model))
    for key, value in document.items():
        if key not in names:
            yield f"{path}{key}"
        elif isinstance(value, (dict, list)):
            yield from _unknown_inside(value, getattr(model, names[key]), f"{path}{key}.")


@cache
def _field_names(model: type[BaseModel]) -> dict[str, str]:
    """Attribute names by what a document may call them: the name, or the alias."""
    names = {name: name for name in model.model_fields}
    return names | {field.alias: name for name, field in model.model_fields.items() if field.alias}


def _unknown_inside(value: Any, parsed: Any, path: str) -> Iterator[str]:
    if isinstance(parsed, BaseModel) and isinstance(value, dict):
        yield from _unknown(value, parsed, path)
    elif isinstance(parsed, list) and isinstance(value, list):
        for index, (raw, item) in enumerate(zip(value, parsed, strict=True)):
            yield from _unknown_inside(raw, item, f"{path}{index}.")


def may_be_deep(raw: bytes) -> bool:
    """False for JSON with too few brackets to be nested too deep: much cheaper than to look."""
    return len(raw.translate(None, _NO_OPENING)) > MAX_DEPTH


_NO_OPENING = bytes(frozenset(range(256)) - frozenset(b"{["))


def is_too_deep(document: dict[str, Any]) -> bool:
    """True for more than MAX_DEPTH levels of nesting."""
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _check_depth(document: dict[str, Any]) -> None:
    if is_too_deep(document):
        sentence = f"the event is nested more than {MAX_DEPTH} levels deep"
        raise InvalidEvent("too_deep", sentence, (), _readable(document, "id"), _readable(document, "source"))


def _readable(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    return privacy.excerpt(value, 200) if isinstance(value, str) else None


_SEALED = b'"' + SEALED.encode()


def _may_be_private(raw: bytes) -> bool:
    # Without the quotation mark: an escape (which `may_hold` knows) may stand at the beginning of a text alone.
    return _SEALED[1:] in raw or privacy.may_hold(raw)


def _refuse_private(document: dict[str, Any]) -> None:
    """Before anything else is said of the fields: what is said may quote them."""
    try:
        raw = orjson.dumps(document)
    except TypeError:
        # No document that came as JSON; it must be looked through.
        raw = _SEALED + b"\\u"
    if privacy.may_hold(raw):
        _refuse_places(document, "resident_id", RESIDENT_ID_REASON, privacy.holders(document))
    if _SEALED in raw:
        _refuse_places(document, "sealed", SEALED_REASON, personal.misplaced(document))


def _refuse_places(document: dict[str, Any], code: str, reason: str, places: Iterator[str]) -> None:
    paths = list(places)
    if paths:
        errors = tuple(FieldError(path, reason) for path in paths[:MAX_ERRORS])
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        message = f"{paths[0]}{more}: {reason}"
        raise InvalidEvent(code, message, errors, _readable(document, "id"), _readable(document, "source"))


def _refuse_type(document: dict[str, Any], kind: str) -> NoReturn:
    hint = f"; did you mean {PREFIX}{kind}?" if PREFIX + kind in EVENT_MODELS else ""
    reason = f'"{kind[:80]}" is no event type of Bellwether{hint}'
    raise InvalidEvent(
        "unknown_type", reason, (FieldError("type", reason),), _readable(document, "id"), _readable(document, "source")
    )


def _invalid(document: dict[str, Any], error: ValidationError) -> InvalidEvent:
    errors = tuple(
        FieldError(_path(item["loc"]), _reason(item["msg"]))
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return InvalidEvent(
        "invalid",
        f"{first.field}: {first.reason}{more}",
        errors,
        _readable(document, "id"),
        _readable(document, "source"),
    )


def _path(location: tuple[int | str, ...]) -> str:
    # The first element is the union's tag: the type, which the sender knows already.
    parts = [str(part) for part in location if not (isinstance(part, str) and part in _TAGS)]
    return ".".join(parts) or "event"


_TAGS = frozenset(EVENT_MODELS) | {"retraction"}


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _json_name(value: Any) -> str:
    return {list: "a list", str: "a string", type(None): "null", bool: "a boolean"}.get(type(value), "a number")
