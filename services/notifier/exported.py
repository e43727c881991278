"""PURE: an exported row of the ledger with its proof: as a line of JSON, as text for people, and checked again.

Whoever has the file needs nothing of ours to check it: each line has the body, the hash before it and its own, and the
digests that lead from there to the hash of a row that the cases topic was told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import reduce
from typing import Any

import orjson

from services.notifier.chain import SEAL, Head, Row, digest, linked, sealed

Said = Mapping[str, Any]

_SHOWN_HASH = 12
_APART = ("at", "kind", "sequence", "case_id", "customer_id")


@dataclass(frozen=True)
class Opened:
    """What a seal stands for. `salt` is hexadecimal."""

    salt: str
    value: str


@dataclass(frozen=True)
class Line:
    """`path` has the digests of the bodies from the row after this one up to the anchor's, none when it is the anchor
    itself; None when there are too many."""

    row: Row
    path: tuple[str, ...] | None
    anchor: Head
    opened: Mapping[str, Opened]

    @property
    def said(self) -> Said:
        """What the body says."""
        found: Said = orjson.loads(self.row.body)
        return found


def to_json(line: Line) -> str:
    """One line of JSON. The body stands in it as text: its very bytes are what the hash is of."""
    said = {
        "sequence": line.row.sequence,
        "body": line.row.body,
        "previous": line.row.previous,
        "hash": line.row.hash,
        "path": line.path,
        "anchor": {"sequence": line.anchor.sequence, "hash": line.anchor.hash},
        "opened": {name: {"salt": one.salt, "value": one.value} for name, one in line.opened.items()},
    }
    return orjson.dumps(said).decode()


def from_json(text: str) -> Line:
    """Raises ValueError, KeyError or TypeError for a line that is none of an export."""
    found = orjson.loads(text)
    row = Row(found["sequence"], found["previous"], found["body"], found["hash"])
    path = None if found["path"] is None else tuple(str(one) for one in found["path"])
    opened = {name: Opened(one["salt"], one["value"]) for name, one in found["opened"].items()}
    return Line(row, path, Head(found["anchor"]["sequence"], found["anchor"]["hash"]), opened)


def problems(line: Line) -> Iterator[str]:
    """What is wrong with a line in itself; nothing when it is as it was written."""
    row = line.row
    if linked(row.previous, digest(row.body)) != row.hash:
        yield "its hash is of another body"
        return
    said = line.said
    if said.get("sequence") != row.sequence:
        yield f"it was written as number {said.get('sequence')}"
    if line.path is not None:
        steps = line.anchor.sequence - row.sequence
        if steps != len(line.path) or reduce(linked, line.path, row.hash) != line.anchor.hash:
            yield "its path does not lead to its anchor"
    for name, one in line.opened.items():
        held = said.get(name)
        if not isinstance(held, dict) or held.get(SEAL) != sealed(bytes.fromhex(one.salt), name, one.value):
            yield f"{name} is not what was sealed"


def together(lines: Iterable[Line]) -> Iterator[str]:
    """What is wrong with the lines of one file beside each other: numbers that do not rise, another case's row."""
    before, cases = 0, set()
    for line in lines:
        if line.row.sequence <= before:
            yield f"row {line.row.sequence} does not come after row {before}"
        before = line.row.sequence
        cases.add(line.said.get("case_id"))
    if len(cases) > 1:
        yield f"rows of {len(cases)} cases"


def to_text(line: Line, zone: tzinfo) -> str:
    """For people: when, what, and what its fields say; a seal that is not opened is shown as such."""
    said = line.said
    at = datetime.fromisoformat(str(said["at"])).astimezone(zone)
    fields = [f"{name}={_shown(name, value, line)}" for name, value in sorted(said.items()) if name not in _APART]
    proof = f"#{line.row.sequence} {line.row.hash[:_SHOWN_HASH]}, anchored in #{line.anchor.sequence}"
    return f"{at:%Y-%m-%d %H:%M:%S %z}  {said['kind']:<20} {'  '.join(fields)}  [{proof}]"


def _shown(name: str, value: Any, line: Line) -> str:
    if isinstance(value, dict) and SEAL in value:
        one = line.opened.get(name)
        return repr(one.value) if one is not None and name != "body" else "(sealed)"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
