"""Records on local disk, in the order in which they came, until the broker has them: one SQLite file.

SQLite and no format of our own: its log (WAL) has a checksum on every page and a commit mark, so a transaction that a
crash cut short is recognised and left out at the next opening, and with synchronous=FULL a commit returns after fsync.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from services.common.errors import UserError
from services.ingest.records import Headers, Record

FILE = "spool.db"
PAGE_BYTES = 4096
VERSION = 1

_HEADERS = msgspec.msgpack.Decoder(Headers)


class BadSpool(UserError):
    """The spool cannot be used, now or at all."""


class SpoolFull(Exception):
    """There is no room for these records; nothing of them was written."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A record that waits. `seq` grows from one to the next."""

    seq: int
    record: Record


@dataclass(frozen=True, slots=True)
class Fill:
    """How much lies there: the pages in use, in bytes, and when the oldest record came (seconds since the epoch)."""

    bytes: int
    oldest_at: float | None


class SpoolStore:
    """One spool, for one process at a time. Its calls must not overlap; every one may wait for the disk.

    What fails with sqlite3.Error leaves the store unusable: after an fsync that failed nobody knows what is on disk.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Makes the folder (0700) and the file (0600). Raises BadSpool, also while another process uses it."""
        file = folder / FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(file)
            self._db = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
            self._prepare(max_bytes)
            _sync_folder(folder)
        except (OSError, sqlite3.Error) as error:
            raise BadSpool(f"the spool {file} {_what_is_wrong(error)}") from error

    def _prepare(self, max_bytes: int) -> None:
        run = self._db.execute
        # EXCLUSIVE before WAL: a second process is turned away, and no shared memory file is needed.
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("PRAGMA auto_vacuum=INCREMENTAL")
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")
        # What the broker has is no longer to be found on this disk.
        run("PRAGMA secure_delete=ON")
        run(f"PRAGMA max_page_count={max_bytes // PAGE_BYTES}")
        (version,) = run("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"its version is {version}")
        (found,) = run("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        with self._writing():
            run(
                "CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL,"
                " topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL) STRICT"
            )
            run(f"PRAGMA user_version={VERSION}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            # Our bound or the disk's; either way all of it was taken back, and room may come.
            if isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise SpoolFull from None
            raise

    def append(self, records: Sequence[Record], at: float) -> Fill:
        """Return when all of them are on disk, behind what is there. Raises SpoolFull."""
        rows = ((at, r.topic, r.key, r.value, msgspec.msgpack.encode(r.headers)) for r in records)
        with self._writing():
            self._db.executemany("INSERT INTO records (at, topic, key, value, headers) VALUES (?, ?, ?, ?, ?)", rows)
        return self.fill()

    def oldest(self, most_records: int, most_bytes: int) -> list[Spooled]:
        """The first ones, at least one if there is any, and as many as fit both bounds."""
        found: list[Spooled] = []
        size = 0
        query = "SELECT seq, topic, key, value, headers FROM records ORDER BY seq LIMIT ?"
        for seq, topic, key, value, headers in self._db.execute(query, (most_records,)):
            size += len(value)
            if found and size > most_bytes:
                break
            found.append(Spooled(seq, Record(topic, key, value, _HEADERS.decode(headers))))
        return found

    def delete_through(self, seq: int) -> Fill:
        """Forget all records up to this one; when none is left the file shrinks. Raises SpoolFull on a full disk."""
        with self._writing():
            self._db.execute("DELETE FROM records WHERE seq <= ?", (seq,))
        fill = self.fill()
        if fill.oldest_at is not None:
            return fill
        # As a script: `execute` would stop after the first page.
        self._db.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
        return self.fill()

    def fill(self) -> Fill:
        """How much lies there now."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        first = self._db.execute("SELECT at FROM records ORDER BY seq LIMIT 1").fetchone()
        return Fill((pages - free) * PAGE_BYTES, first[0] if first else None)

    def waiting_keys(self) -> Iterator[bytes]:
        """The key of every record, in order."""
        for (key,) in self._db.execute("SELECT key FROM records ORDER BY seq"):
            yield key

    def close(self) -> None:
        """Let another process have it."""
        self._db.close()


def _make_private(file: Path) -> None:
    """SQLite gives its log the rights of the file."""
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)


def _sync_folder(folder: Path) -> None:
    """A new file is there after a power cut only when its folder was synced too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _what_is_wrong(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror}): check BELLWETHER_INGEST_SPOOL"
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        return "is in use by another ingest: give each one a folder of its own in BELLWETHER_INGEST_SPOOL"
    return f"is damaged or none ({error}): move it away; the events in it are not sent"
