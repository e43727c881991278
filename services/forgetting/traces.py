"""PURE. The personal values that were known of a customer, and where any of them still stands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from schemas.fields import is_sealed
from schemas.personal import PERSONAL, Place

MIN_CHARS = 4
"""Shorter ASCII values (CEO, Li, ok) stand everywhere by chance, and prove nothing."""

MIN_WIDE_CHARS = 2
"""With a character beyond ASCII in them: the shortest Chinese name."""


class Opener(Protocol):
    """Opens a sealed value; None where it cannot."""

    def __call__(self, document: Mapping[str, Any], place: Place, sealed: str) -> str | None: ...


class Its(Protocol):
    """Whether a source means the customer by a subject."""

    def __call__(self, source: Any, subject: str) -> bool: ...


@dataclass
class Values:
    """What was found to be said of a person, by where: `known`, of which `opened` fields had to be opened, and `closed`
    fields that no key opens."""

    known: dict[str, set[str]] = field(default_factory=dict)
    opened: int = 0
    closed: int = 0

    def add(self, path: str, value: str) -> None:
        self.known.setdefault(path, set()).add(value)

    @property
    def searched(self) -> frozenset[str]:
        """Those that can be told from chance."""
        return frozenset(value for values in self.known.values() for value in values if _is_telling(value))

    @property
    def total(self) -> int:
        return sum(map(len, self.known.values()))


def _is_telling(value: str) -> bool:
    return len(value.strip()) >= (MIN_CHARS if value.isascii() else MIN_WIDE_CHARS)


def gather(raw: bytes | None, its: Its, values: Values, opener: Opener) -> None:
    """Add what an event, or a dead letter, of the customer says of people. Anything else adds nothing."""
    document = _document(raw)
    kind, subject = document.get("type"), document.get("subject")
    if not isinstance(kind, str) or not isinstance(subject, str) or not its(document.get("source"), subject):
        return
    for place in PERSONAL.get(kind, ()):
        holder = place.holder(document.get("data"))
        text = holder.get(place.name) if holder is not None else None
        if not isinstance(text, str) or not text:
            continue
        clear = opener(document, place, text) if is_sealed(text) else text
        values.opened += is_sealed(text) and clear is not None
        values.closed += clear is None
        if clear is not None:
            values.add(place.path, clear)


def _document(raw: bytes | None) -> dict[str, Any]:
    try:
        document = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


class Trace(NamedTuple):
    """A record, or a row, in which a value stands. `ours`: it is one of the customer's. `until`: as far as is known."""

    place: str
    ours: bool
    until: str


@dataclass
class Found:
    """What the search came to. `searched`: records and rows by place; `fields`: what can and cannot be opened now;
    `kept` and `tombstones`: keys of the compacted topics by topic, by whether their newest record says something."""

    traces: Counter[Trace] = field(default_factory=Counter)
    searched: dict[str, int] = field(default_factory=dict)
    fields: Values = field(default_factory=Values)
    keys: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    tombstones: dict[str, int] = field(default_factory=dict)


class Search:
    """Looks for values in bytes, as they are and as JSON may write them."""

    def __init__(self, values: Iterable[str]) -> None:
        self._needles = tuple({needle for value in values for needle in _spellings(value)})

    def finds(self, *haystacks: bytes | None) -> bool:
        """True when any of the values stands in one of them."""
        return any(needle in raw for raw in haystacks if raw for needle in self._needles)


def _spellings(value: str) -> Iterator[bytes]:
    yield value.encode("utf-8", "surrogatepass")
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
