"""The newest directory, kept in memory: whoever decides asks for it and gets a value that stays as it is."""

from __future__ import annotations

import threading

from sqlalchemy.exc import DatabaseError

from services.common.clock import Now
from services.common.database import Database
from services.common.errors import UserError
from services.common.settings import Settings
from services.notifier import directory_store
from services.notifier.directory import load_directory
from services.notifier.directory_entries import Book
from services.notifier.directory_import import take_in_file
from services.notifier.people import Directory
from services.notifier.tables import open_database


class DirectoryEmpty(UserError):
    """Nothing was ever imported, or nobody is named as fallback."""


class DirectoryAway(UserError):
    """The database that has it cannot be asked now."""


_EMPTY = (
    "there is no directory: set BELLWETHER_DIRECTORY to the YAML file of people and customers, or import one with "
    "`bellwether directory import FILE --fallback PERSON`"
)


class LiveDirectory:
    """Safe to share between threads. Every notifier asks the database for its version now and then (`refresh`); only
    what has changed is read."""

    def __init__(self, database: Database) -> None:
        """Reads all of it. Raises DirectoryEmpty."""
        self._database = database
        self._lock = threading.Lock()
        self._book = Book()
        self._version = 0
        self._directory: Directory | None = None
        self.refresh()
        if self._directory is None:
            raise DirectoryEmpty(_EMPTY)

    def __call__(self) -> Directory:
        """The directory as it was at the last refresh."""
        if self._directory is None:
            raise DirectoryEmpty("the directory was never read")
        return self._directory

    def refresh(self) -> bool:
        """Read what has changed; True when something had. Raises the database's error, and then keeps what it has."""
        with self._lock, self._database.reading() as tx:
            last = directory_store.last_version(tx)
            if last == self._version:
                return False
            self._version = directory_store.fill(tx, self._book, self._version)
            # While the fallback is gone for a moment, the directory before is better than none.
            self._directory = self._book.directory(self._version) or self._directory
            return True


def open_people(settings: Settings, database: Database, now: Now) -> LiveDirectory:
    """The directory, with the operator's file in it if that is another than last time. Raises DirectoryInvalid,
    NoFallback, and DirectoryEmpty where nothing was ever imported."""
    if settings.directory is not None:
        take_in_file(database, settings.directory, now(), settings.zone)
    return LiveDirectory(database)


def look_up(settings: Settings, database: Database) -> Directory:
    """The directory for who only looks: as notifiers have it, or before the first of them ran as the operator's file
    has it. Changes nothing. Raises DirectoryEmpty or DirectoryInvalid."""
    with database.reading() as tx:
        found = directory_store.read(tx)
    return found if found is not None else _of_file(settings)


def people_of(settings: Settings) -> Directory:
    """The same for a command, which has no database open; it makes none either. Raises DirectoryAway too."""
    database = open_database(settings.database_url)
    try:
        if database.file is not None and not database.file.exists():
            return _of_file(settings)
        # Looking must not change it: it may be another release's, and the role one that may only read.
        return look_up(settings, database)
    except DatabaseError as error:
        # Not its words: they may tell addresses of the database.
        raise DirectoryAway(f"the database cannot be asked ({type(error.orig).__name__})") from None
    finally:
        database.close()


def _of_file(settings: Settings) -> Directory:
    if settings.directory is None:
        raise DirectoryEmpty(_EMPTY)
    return load_directory(settings.directory, settings.zone)
