"""Requests by chance, from a seed: good events, events with something wrong, and what is no event at all.

Every event is given an id of its own (some an id that was there before, with another body), so that what was accepted
can be looked for.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.unit.schemas.examples import DATA, example

BATCH = "application/cloudevents-batch+json"
TYPES = ("application/json", "application/cloudevents+json", BATCH, "application/x-ndjson", "application/jsonl")
ODD_TYPES = ("", "text/plain", "application/xml", "application/json; charset=utf-16", "application/json; =;", "//", "é")
JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**30, 1.5, "", " ", "\x00", "\ud7ff", "x" * 300, "x" * 5000, [], {}, [[]], {"": None}),
    *("2026-02-30", "2026-03-02T09:30:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "1e999", "-0", "NaN"),
    *("110101199003074514", "🙂" * 50, "a\u0301", "\u202e", "bellwether.", "../../etc", "' OR 1=1 --"),
)


def to_json(value: object) -> bytes:
    """As senders write it: NaN, whole numbers of any size and lone surrogates too."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


Name = tuple[str, str]
"""Source and id of an event."""


@dataclass(frozen=True)
class Hostile:
    """One POST to /v1/events."""

    headers: Mapping[str, bytes]
    body: bytes


@dataclass
class Answered:
    """What the answers claim."""

    accepted: Counter[Name] = field(default_factory=Counter)
    kept: Counter[Name] = field(default_factory=Counter)
    """Taken, and sent once it is known whose they are: customers are merged while others send about them."""
    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0

    def count(self, status: int, body: bytes) -> None:
        """One answer. Whatever is no claim about events has none in it."""
        self.statuses[status] += 1
        if status in (202, 422):
            self._results(orjson.loads(body).get("results", ()))
        elif status == 200:
            lines = [orjson.loads(line) for line in body.splitlines()]
            assert "summary" in lines[-1], "a stream's answer without an end"
            self._results(lines[:-1])

    def add(self, other: Answered) -> None:
        """Those of another sender too."""
        self.accepted += other.accepted
        self.kept += other.kept
        self.statuses += other.statuses
        self.refused += other.refused

    def _results(self, results: Iterable[Mapping[str, Any]]) -> None:
        for result in results:
            if result["status"] == "accepted":
                self.accepted[result["source"], result["id"]] += 1
            elif result["status"] == "waiting":
                self.kept[result["source"], result["id"]] += 1
            else:
                assert result["errors"], f"refused without a reason: {result}"
                self.refused += 1


def told_again(values: Iterable[bytes]) -> set[Name]:
    """Events that lie on a topic under more than one customer: one was merged into the other."""
    subjects: dict[Name, set[str | None]] = {}
    for event in _events(values):
        subjects.setdefault((event["source"], event["id"]), set()).add(event.get("subject"))
    return {name for name, found in subjects.items() if len(found) > 1}


def names_on_topic(values: Iterable[bytes]) -> Counter[Name]:
    """Whose events lie on a topic."""
    return Counter((event["source"], event["id"]) for event in _events(values))


def _events(values: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """What somebody sent: a service's own word (that a merged customer is to be erased) has no source."""
    return (event for event in map(orjson.loads, values) if "source" in event)


class Requests:
    """Gives one after the other; `name` is part of every id, so that several may send at once."""

    def __init__(self, seed: int, name: str = "f") -> None:
        self._rng = random.Random(seed)
        self._name = name
        self._ids = 0

    def next(self) -> Hostile:
        """Any of the ways in which something may be sent."""
        ways = (self._events, self._events, self._events, self._broken_bytes, self._binary, self._lines, self._odd)
        request = self._rng.choice(ways)()
        if self._rng.random() < 0.1:
            packed = gzip.compress(request.body, 1, mtime=0)
            body = packed if self._rng.random() < 0.7 else self._damaged(packed)
            return Hostile({**request.headers, "Content-Encoding": b"gzip"}, body)
        return request

    def _events(self) -> Hostile:
        if self._rng.random() < 0.3:
            return _post(self._rng.choice(TYPES[:3]), to_json(self._event()))
        batch = [self._event() for _ in range(self._rng.choice((0, 1, 2, 3, 8)))]
        return _post(self._rng.choice(TYPES[:3]), to_json(batch))

    def _lines(self) -> Hostile:
        lines = [to_json(self._event()) for _ in range(self._rng.randrange(6))]
        if self._rng.random() < 0.3:
            lines.insert(self._rng.randrange(len(lines) + 1), self._rng.choice((b"", b"{", b"\xff", b"null", b" ")))
        return _post(self._rng.choice(TYPES[3:]), b"\n".join(lines))

    def _broken_bytes(self) -> Hostile:
        return _post(self._rng.choice(TYPES), self._damaged(self._events().body))

    def _binary(self) -> Hostile:
        event = self._event()
        data = event.pop("data", None) if isinstance(event, dict) else None
        attributes = event if isinstance(event, dict) else {}
        headers = {
            f"ce-{name}": str(value).encode("utf-8", "replace")
            for name, value in attributes.items()
            if name.isascii() and name.isalnum()
        }
        request = _post("application/json", to_json(data))
        return Hostile({**{name: _header(value) for name, value in headers.items()}, **request.headers}, request.body)

    def _odd(self) -> Hostile:
        body = self._rng.choice(
            (b"", b"null", b"[]", b"{}", b"0", b'"', b"[" * 2000, b'{"a":' * 500, self._rng.randbytes(50))
        )
        return _post(self._rng.choice(ODD_TYPES + TYPES), body)

    def _event(self) -> Any:
        """Good in half of all cases."""
        self._ids += 1
        again = self._ids > 1 and self._rng.random() < 0.02
        number = self._rng.randrange(1, self._ids) if again else self._ids
        kind = self._rng.choice(tuple(DATA))
        event = deepcopy(example(kind, id=f"{self._name}-{number}", subject=f"C{self._rng.randrange(50)}"))
        if self._rng.random() < 0.5:
            return event
        for _ in range(self._rng.choice((1, 1, 2))):
            self._spoil(event)
        return event

    def _spoil(self, event: dict[str, Any]) -> None:
        """Change, add or take away something, anywhere but the id."""
        data = event.get("data")
        place = data if isinstance(data, dict) and data and self._rng.random() < 0.7 else event
        name = self._rng.choice([key for key in place if key != "id"] or ["data"])
        change = self._rng.randrange(4)
        if change == 0:
            place.pop(name, None)
        elif change == 1:
            place[self._rng.choice(("x", "id2", "", "Subject", "ä", "data_base64"))] = self._rng.choice(JUNK)
        elif change == 2:
            place[name] = [place.get(name)]
        else:
            place[name] = self._rng.choice(JUNK)

    def _damaged(self, body: bytes) -> bytes:
        at = self._rng.randrange(len(body) + 1)
        return self._rng.choice(
            (
                body[:at],
                body[at:],
                body[:at] + self._rng.randbytes(3) + body[at:],
                body.replace(b'"amount":"', b'"amount":NaN,"n":"', 1),
                body + body,
                b"\xef\xbb\xbf" + body,
                body.replace(b":", b"=", 1),
            )
        )


def _post(content_type: str, body: bytes) -> Hostile:
    return Hostile({"Content-Type": content_type.encode()} if content_type else {}, body)


def _header(value: bytes) -> bytes:
    """What a client library lets through."""
    return bytes(byte for byte in value if byte >= 0x20 and byte != 0x7F).strip()
