"""A list of what is open now, compared with the one before; the changes are sent, and the list is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Protocol

import orjson

from schemas import codec
from schemas.privacy import redact
from services.ingest.imports.chunks import CHUNK_EVENTS, SHOWN, Outgoing, RejectedRow, Summary
from services.ingest.imports.comparing import (
    MAX_ITEMS,
    Change,
    Comparison,
    Difference,
    Document,
    Item,
    Present,
    Settle,
    check_missing,
)
from services.ingest.imports.importing import Sink
from services.ingest.imports.mapping import SNAPSHOT_DATE, BadMapping
from services.ingest.imports.mapping import Mapping as RowMapping
from services.ingest.imports.reading import BadFile, Row
from services.ingest.imports.rejects import Rejects
from services.ingest.imports.rows import BadRow, Target, event_maker, row_maker, template

MAX_NAME = 200


class Kept(Protocol):
    """Where the last list is kept."""

    def read(self) -> Mapping[str, Item]:
        """Every item of it."""

    def write(self, changed: Mapping[str, Item]) -> None:
        """Keep these, all or none."""


class KeptAsItWas:
    """For a dry run: the last list is read, and stays."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def read(self) -> Mapping[str, Item]:
        """Every item of it."""
        return self._kept.read()

    def write(self, changed: Mapping[str, Item]) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class Wanted:
    """How a list is to be compared. `day` is the list's."""

    mapping: RowMapping
    target: Target
    day: date
    force: bool = False


class SourceTable(Protocol):
    """A file with a header."""

    @property
    def titles(self) -> Sequence[str]:
        """As they stand in the file."""

    @property
    def header(self) -> Sequence[str]:
        """The mapping's names of its columns."""

    @property
    def bytes_read(self) -> int:
        """Position in the file."""

    def rows(self) -> Iterator[Row]:
        """Its rows in order."""


def list_name(mapping: RowMapping, target: Target) -> str:
    """What the list is remembered by. Raises BadMapping."""
    if mapping.snapshot is None:
        raise BadMapping(f"the mapping {mapping.name} has no part snapshot, which says what names an item of the list")
    name = f"{target.source}/{mapping.name}"
    if len(name) > MAX_NAME:
        raise BadMapping(f"the source and the name of a list have at most {MAX_NAME} characters together")
    return name


class SnapshotImport:
    """One run over one list."""

    def __init__(self, table: SourceTable, wanted: Wanted, sink: Sink, rejects: Rejects, kept: Kept) -> None:
        self._table = table
        self._wanted = wanted
        self._sink = sink
        self._rejects = rejects
        self._kept = kept
        self.summary = Summary()

    def run(self, progress: Callable[[int, Summary], None]) -> tuple[Summary, Difference]:
        """Send what changed, then keep the list. Raises SnapshotRefused, NotSent and BadFile.

        The list is kept last: cut off before, the same events with the same ids are sent again.
        """
        present = self._read(progress)
        before = self._kept.read()
        check_missing(before, present, self._wanted.force)
        # An item whose row is refused is not gone; and which it was may not be readable.
        complete = not self.summary.rejected_rows
        difference = self._comparison().compare(before, present, complete)
        self._kept.write(self._send(difference.changes))
        self._rejects.flush()
        self._rejects.finish()
        return self.summary, difference

    def _read(self, progress: Callable[[int, Summary], None]) -> dict[str, Present]:
        mapping, header = self._wanted.mapping, self._table.header
        assert mapping.snapshot is not None, "list_name comes first"
        make, key_of = row_maker(mapping, header, self._wanted.target), template(mapping.snapshot.item, header)
        columns = [(name, header.index(name)) for name in mapping.columns()]
        present: dict[str, Present] = {}
        for row in self._table.rows():
            self.summary.rows += 1
            try:
                name = self._name(row, key_of, present)
                events = {str(made.part): made.document for made in make(row.cells)}
                present[name] = Present(row.number, {title: row.cells[at] for title, at in columns}, events)
            except BadRow as bad:
                told = bad.as_titled(header, self._table.titles)
                self._reject(RejectedRow(row.number, told.column, told.reason), row.cells)
            if len(present) > MAX_ITEMS:
                raise BadFile(f"the list has more than {MAX_ITEMS} items")
            if self.summary.rows % CHUNK_EVENTS == 0:
                progress(self._table.bytes_read, self.summary)
        return present

    def _name(self, row: Row, key_of: Callable[[Sequence[str]], str], present: Mapping[str, Present]) -> str:
        if row.problem is not None:
            raise BadRow("", row.problem)
        name = key_of(row.cells)
        if name in present:
            raise BadRow("", f"is the item {name} of row {present[name].row} once more")
        if len(name) > MAX_NAME:
            raise BadRow("", f"has an item of more than {MAX_NAME} characters")
        return name

    def _comparison(self) -> Comparison:
        target = self._wanted.target
        now = datetime.combine(self._wanted.day, time(), target.zone)
        return Comparison(target.source, now, self._settle(), target.history)

    def _settle(self) -> Settle | None:
        mapping, day = self._wanted.mapping, self._wanted.day.isoformat()
        if mapping.snapshot is None or mapping.snapshot.settled is None:
            return None
        columns = mapping.columns()
        make = event_maker(mapping, mapping.snapshot.settled, [*columns, SNAPSHOT_DATE], self._wanted.target)

        def settle(cells: Mapping[str, str]) -> Document | None:
            try:
                return make([*(cells.get(column, "") for column in columns), day]).document
            except BadRow:
                # Its last row was read by another mapping.
                return None

        return settle

    def _send(self, changes: Sequence[Change]) -> dict[str, Item]:
        """What is to be kept: of an item of which ingest refused something, what was kept before."""
        refused: dict[int, list[str]] = {}
        outgoing = (
            Outgoing(number, orjson.dumps(document), codec.parse(document))
            for number, change in enumerate(changes)
            for document in change.documents
        )
        while batch := list(islice(outgoing, CHUNK_EVENTS)):
            sent = self._sink.send(batch)
            self.summary.events += sent.accepted
            for rejected in sent.rejected:
                refused.setdefault(rejected.row, []).append(rejected.reason)
        for number, why in refused.items():
            cells = changes[number].after.cells
            row = [cells.get(name, "") for name in self._table.header]
            self._reject(RejectedRow(changes[number].row, "", "; ".join(why)), row)
        return {change.item: change.after for number, change in enumerate(changes) if number not in refused}

    def _reject(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        rejected = RejectedRow(rejected.number, rejected.column, redact(rejected.reason))
        self.summary.rejected_rows += 1
        if len(self.summary.rejected) < SHOWN:
            self.summary.rejected.append(rejected)
        self._rejects.add(rejected, cells)
