"""PURE the event in a dead letter, mended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from schemas.codec import MAX_EVENT_BYTES
from schemas.privacy import redact_bytes
from services.common.errors import UserError

MAX_INDEX = 10_000


class BadEdit(UserError):
    """A change that cannot be made; the sentence says why."""


def with_values(event: bytes, settings: Iterable[str]) -> bytes:
    """The event with each `path=value` done, such as data.amount="12.50" or data.lines.0.quantity=3. The value is JSON,
    or, where it is none, a text; an empty one takes the field away. Objects on the way are made. Raises BadEdit."""
    document = _document(event)
    for setting in settings:
        path, sign, value = setting.partition("=")
        if not sign or not path.strip():
            raise BadEdit(f'"{setting[:80]}" is no change: write it path=value, such as data.currency=CNY')
        _set(document, path.strip().split("."), value)
    return checked(orjson.dumps(document))


def checked(event: bytes) -> bytes:
    """The event as it may be kept. Raises BadEdit for what is no JSON, is too large, or holds a resident-ID number."""
    _document(event)
    if len(event) > MAX_EVENT_BYTES:
        raise BadEdit(f"the event has {len(event)} bytes; at most {MAX_EVENT_BYTES} are accepted")
    if redact_bytes(event) != event:
        raise BadEdit("the event holds a resident-ID number, which is not stored: leave it out")
    return event


def _document(event: bytes) -> Any:
    try:
        return orjson.loads(event)
    except orjson.JSONDecodeError as error:
        raise BadEdit(f"the event is no JSON ({error}): edit it as a whole") from None


def _set(document: Any, path: list[str], value: str) -> None:
    node = document
    for number, name in enumerate(path[:-1], start=1):
        node = _inside(node, name, path[:number])
    name = path[-1]
    if isinstance(node, list):
        _set_element(node, _index(name, path), value)
    elif not isinstance(node, dict):
        raise BadEdit(f"{'.'.join(path)}: there is no object to hold it")
    elif value == "":
        node.pop(name, None)
    else:
        node[name] = _value(value)


def _set_element(node: list[Any], index: int, value: str) -> None:
    if index > len(node):
        raise BadEdit(f"the list has {len(node)} elements; the next one is {len(node)}")
    node[index : index + 1] = [] if value == "" else [_value(value)]


def _inside(node: Any, name: str, path: list[str]) -> Any:
    if isinstance(node, dict):
        return node.setdefault(name, {})
    if isinstance(node, list):
        index = _index(name, path)
        if index < len(node):
            return node[index]
    raise BadEdit(f"{'.'.join(path)}: there is nothing of that name")


def _index(name: str, path: list[str]) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", name) or int(name) > MAX_INDEX:
        raise BadEdit(f"{'.'.join(path)}: in a list stands a number, from 0")
    return int(name)


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
