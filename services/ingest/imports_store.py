"""What ingest remembers of files: how far each was taken in, and the last list of open items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Executable, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.common.clock import Now
from services.common.database import Database
from services.ingest.imports.comparing import Item
from services.ingest.imports.importing import Mark
from services.ingest.tables import imports, open_items


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken in, or is being."""

    file: str
    mark: Mark
    begun_at: datetime
    done_at: datetime | None


def find_import(database: Database, digest: str, mapping: str) -> Taken | None:
    """What is known of a file with that content, taken in by that mapping."""
    with database.reading() as connection:
        row = connection.execute(select(imports).where(*_which(digest, mapping))).one_or_none()
    if row is None:
        return None
    return Taken(row.file, Mark(row.row, row.rows_done, row.events, row.rejected), row.begun_at, row.done_at)


class ImportBook:
    """Notes in the table `imports` how far one file is. Two processes must not import the same file at once."""

    def __init__(self, database: Database, digest: str, mapping: str, file: str, now: Now) -> None:
        """Goes on where an import of the same content by the same mapping was cut off; begins anew after one that came
        to its end."""
        self._database = database
        self._where = digest, mapping
        self._now = now
        known = find_import(database, digest, mapping)
        self.mark = known.mark if known is not None and known.done_at is None else Mark()
        if self.mark == Mark():
            fresh = {"file": file, "row": 0, "rows_done": 0, "events": 0, "rejected": 0, "begun_at": now()}
            fresh["done_at"] = None
            with database.writing() as connection:
                keys = {"digest": digest, "mapping": mapping}
                connection.execute(_upsert(connection, imports, [{**keys, **fresh}], tuple(keys)))

    def note(self, mark: Mark) -> None:
        """It is so far now."""
        self._write(mark, None)

    def done(self, mark: Mark) -> None:
        """It has come to its end."""
        self._write(mark, self._now())

    def _write(self, mark: Mark, done_at: datetime | None) -> None:
        counts = {"row": mark.row, "rows_done": mark.rows, "events": mark.events, "rejected": mark.rejected}
        with self._database.writing() as connection:
            connection.execute(update(imports).where(*_which(*self._where)).values(**counts, done_at=done_at))


class KeptList:
    """The last list of open items under a name."""

    def __init__(self, database: Database, name: str, snapshot: str) -> None:
        """`snapshot` is the digest of the file that is compared with it."""
        self._database = database
        self._name = name
        self._snapshot = snapshot

    def read(self) -> dict[str, Item]:
        """What is kept of each item; empty for a list that was never seen."""
        wanted = select(open_items.c.item, open_items.c.row).where(open_items.c.list == self._name)
        with self._database.reading() as connection:
            return {row.item: Item.from_json(row.row) for row in connection.execute(wanted)}

    def write(self, changed: Mapping[str, Item]) -> None:
        """Keep these: all or none."""
        always = {"list": self._name, "snapshot": self._snapshot}
        rows = [{**always, "item": name, "row": item.to_json()} for name, item in changed.items()]
        with self._database.writing() as connection:
            for start in range(0, len(rows), _ROWS):
                connection.execute(_upsert(connection, open_items, rows[start : start + _ROWS], ("list", "item")))


_ROWS = 500
"""In one statement; databases bound how many values it may have."""


def _upsert(connection: Connection, table: Any, rows: list[dict[str, Any]], keys: tuple[str, ...]) -> Executable:
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table).values(rows)
    changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    upsert: Executable = insert.on_conflict_do_update(index_elements=list(keys), set_=changed)
    return upsert


def _which(digest: str, mapping: str) -> tuple[Any, Any]:
    return imports.c.digest == digest, imports.c.mapping == mapping
