"""PURE: the chain of the ledger's rows, so that anybody can work out again what each of them says of all before it.

A row's hash is SHA-256 of the hash before it, a line end, and the SHA-256 of its body; all in hexadecimal digits:
`printf '%s\\n%s' "$previous" "$(printf %s "$body" | sha256sum | cut -c1-64)" | sha256sum`. That the body goes in as a
digest lets one row be proved to who must not read those beside it.

What must be erasable stands in a body as a *seal* only: HMAC-SHA-256 with a random salt that lies elsewhere. Once the
salt is destroyed nobody can tell what was sealed, and the chain holds as before.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

GENESIS = "0" * 64
"""What the first row has for the hash before it."""

SEAL = "sealed"
"""The key under which a body holds a seal: {"note": {"sealed": "<64 digits>"}}."""

ANCHORED: Literal["ledger.anchored"] = "ledger.anchored"
"""The kind of a row that is there to be published, for the sake of those before it."""

ANCHOR_AFTER = timedelta(minutes=1)
"""No row waits longer until one is published that confirms it."""

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A row as it is kept. `body` is the very text that the hash is of."""

    sequence: int
    previous: str
    body: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The last row, as the chain's own record of it says."""

    sequence: int
    hash: str


@dataclass(frozen=True)
class Entry:
    """What is to be written down; its sequence and hash come when it is."""

    kind: str
    case_id: str | None
    at: datetime
    content: Content


def anchor_due(first_at: datetime, now: datetime) -> bool:
    """Whether the first row behind the last published one, written then, has waited long enough. A clock that was set
    back must not stop it."""
    return abs(now - first_at) >= ANCHOR_AFTER


def digest(body: str) -> str:
    """Of a body."""
    return hashlib.sha256(body.encode()).hexdigest()


def linked(previous: str, body_digest: str) -> str:
    """The hash of a row whose body has that digest."""
    return hashlib.sha256(f"{previous}\n{body_digest}".encode()).hexdigest()


def sealed(salt: bytes, name: str, value: str) -> str:
    """The seal of a field's value. `name` keeps one field's seal from passing for another's."""
    return hmac.new(salt, f"{name}\n{value}".encode(), hashlib.sha256).hexdigest()


def body_of(sequence: int, entry: Entry) -> str:
    """The canonical text: JSON with sorted keys and no spaces; what is None is left out."""
    said = {name: value for name, value in entry.content.items() if value is not None}
    at = entry.at.astimezone(UTC).isoformat()
    about = {"case_id": entry.case_id} if entry.case_id is not None else {}
    body = {**said, **about, "at": at, "kind": entry.kind, "sequence": sequence}
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()


def append(head: Head, entries: Sequence[Entry]) -> tuple[list[Row], Head]:
    """The rows that follow on the head, in the order of `entries`, and the head after them."""
    rows = []
    for entry in entries:
        body = body_of(head.sequence + 1, entry)
        after = Head(head.sequence + 1, linked(head.hash, digest(body)))
        rows.append(Row(after.sequence, head.hash, body, after.hash))
        head = after
    return rows, head
