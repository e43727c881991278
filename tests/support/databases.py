"""Databases with the newest schema, copied from one that was migrated once: migrating takes longer than most tests."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from services.common.database import Database

OpenDatabase = Callable[[str], Database]


@functools.cache
def migrated_file(open_database: OpenDatabase) -> bytes:
    """What a SQLite file holds that has just been migrated. To be asked for once the schema is what it shall be."""
    with tempfile.TemporaryDirectory(prefix="bellwether-migrated-") as folder:
        file = Path(folder) / "made.db"
        made = open_database(f"sqlite:///{file}")
        made.migrate()
        # The last connection to go puts what is in the write-ahead log into the file.
        made.close()
        return file.read_bytes()


def open_migrated(open_database: OpenDatabase, file: Path) -> Database:
    """A SQLite database with the newest schema: empty, or what the file holds already."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(migrated_file(open_database))
    return open_database(f"sqlite:///{file}")
