"""Saying whose ids are: rows of a file or of a request are judged one by one, and the good ones are kept.

An id that is somebody's already is only given to another when asked for by force: events may have gone out under it,
and those stay where they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from schemas.fields import EventId, Identifier
from schemas.privacy import holders
from services.common.errors import UserError
from services.ingest import ids_store
from services.ingest.ids_store import IdRow

COLUMNS = ("source", "external_id", "customer_id")

MAX_LINE_CHARS = 10_000
"""A line of a file of ids has three short words; a longer one is another file."""

_TYPES: dict[str, TypeAdapter[str]] = {
    "source": TypeAdapter(EventId),
    "external_id": TypeAdapter(Identifier),
    "customer_id": TypeAdapter(Identifier),
}


class BadIds(UserError):
    """A file that is no list of ids."""


@dataclass(frozen=True, slots=True)
class Given:
    """One row as it was given: `place` tells people where, `problem` what is wrong with it."""

    place: int
    row: IdRow | None
    problem: str | None = None


@dataclass(slots=True)
class Applied:
    """What became of rows: how many are new, were so already, or were taken from another customer; and the refused."""

    new: int = 0
    same: int = 0
    changed: int = 0
    refused: list[Given] = field(default_factory=list)

    def add(self, other: Applied) -> None:
        """Both together."""
        self.new += other.new
        self.same += other.same
        self.changed += other.changed
        self.refused += other.refused


def read_ids(lines: Iterable[str], source: str | None = None) -> Iterator[Given]:
    """The rows of a CSV file with a header. Raises BadIds. `source` stands for a column that is missing."""
    reader = csv.reader(_bounded(lines))
    header = [name.strip().lstrip("\ufeff").lower() for name in next(reader, [])]
    wanted = [name for name in COLUMNS if name != "source" or source is None]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise BadIds(f"the first line must name the columns {', '.join(wanted)}; missing: {', '.join(missing)}")
    try:
        for cells in reader:
            if cells:
                named = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                yield given(reader.line_num, named if source is None else {**named, "source": source})
    except csv.Error as error:
        raise BadIds(f"line {reader.line_num}: {error}") from None


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARS:
            raise BadIds(f"line {number} is longer than {MAX_LINE_CHARS} characters: this is no list of ids")
        yield line


def given(place: int, named: Mapping[str, Any]) -> Given:
    """One row, judged by itself."""
    held = {name: named.get(name) for name in COLUMNS}
    for name in holders(held):
        return Given(place, None, f"{name} holds a resident-ID number, which is not stored")
    for name, value in held.items():
        try:
            _TYPES[name].validate_python(value, strict=True)
        except ValidationError:
            limit = 200 if name == "source" else 100
            return Given(place, None, f"{name} must be 1 to {limit} characters without spaces")
    return Given(place, IdRow(**{name: str(value) for name, value in held.items()}))


def apply(tx: Connection, rows: Sequence[Given], now: datetime, by: str, *, force: bool, dry_run: bool) -> Applied:
    """Keeps the good ones among `rows`; their sources become mapped ones. Of rows that contradict each other the first
    counts."""
    applied = Applied(refused=[one for one in rows if one.row is None])
    good = [(one, one.row) for one in rows if one.row is not None]
    owners = ids_store.find_ids(tx, {(row.source, row.external_id) for _, row in good})
    added: dict[tuple[str, str], IdRow] = {}
    for one, row in good:
        key = row.source, row.external_id
        owner = added[key].customer_id if key in added else owners.get(key)
        if owner == row.customer_id:
            applied.same += 1
        elif owner is None:
            applied.new += 1
            added[key] = row
        elif force and key not in added:
            applied.changed += 1
            added[key] = row
        else:
            applied.refused.append(Given(one.place, row, why_refused(row, owner)))
    if not dry_run:
        for source in {row.source for _, row in good}:
            ids_store.map_source(tx, source, now)
        ids_store.put_ids(tx, list(added.values()), now, by)
    return applied


def why_refused(row: IdRow, owner: str) -> str:
    """Of an id that is another customer's."""
    return (
        f"{row.external_id} of {row.source} is {owner}'s already. What was sent under it stays with {owner}: "
        "if the two are one customer, send customer.merged instead; otherwise change it by force"
    )
