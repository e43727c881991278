"""Takes listings in: checks that pages still reach somebody, writes the claims, tells the gaps that there are then."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from services.common.database import Database
from services.common.errors import UserError
from services.notifier import directory_store
from services.notifier.directory import DirectoryInvalid, parse_listing
from services.notifier.directory_entries import Said
from services.notifier.directory_listing import DEFAULT_ZONE, said, strangers
from services.notifier.directory_store import Version
from services.notifier.gaps import Gap, find_gaps
from services.notifier.people import Directory

log = logging.getLogger(__name__)

OPERATOR_FILE = "file"
"""The source of BELLWETHER_DIRECTORY."""


class NoFallback(UserError):
    """The directory would be left without a person for what is nobody's."""


@dataclass(frozen=True)
class Taken:
    """What came of it: `version` None when nothing has changed; the directory as it is now, with all of its gaps."""

    version: Version | None
    directory: Directory
    gaps: tuple[Gap, ...]


def take_in(
    tx: Connection, source: str, entries: Sequence[Said], now: datetime, actor: str, *, prune: bool = False
) -> Taken:
    """Claim the entries for a source. Raises NoFallback, and then the transaction must not be committed."""
    version = directory_store.claim(tx, source, entries, now, actor, prune=prune)
    directory = directory_store.read(tx)
    if directory is None:
        raise NoFallback(
            "the directory has no fallback among its people: name somebody with --fallback, or with "
            '"fallback:" in the file, for what is nobody\'s'
        )
    return Taken(version, directory, find_gaps(directory))


def take_in_file(database: Database, path: Path, now: datetime, zone: ZoneInfo = DEFAULT_ZONE) -> None:
    """Import the operator's YAML file (BELLWETHER_DIRECTORY) at the start of a service. The file is whole: who is no
    longer in it is gone, unless another source has said since that they are there. The same file again is not even
    parsed. Raises DirectoryInvalid or NoFallback."""
    raw = _bytes(path)
    digest = hashlib.sha256(raw).hexdigest()
    with database.reading() as tx:
        if directory_store.file_digest(tx, OPERATOR_FILE) == digest:
            return
        known = directory_store.read(tx)
    listing = parse_listing(raw, path)
    problems = list(strangers(listing, known.people if known else ()))
    if problems:
        raise DirectoryInvalid(path, problems)
    with database.writing() as tx:
        taken = take_in(tx, OPERATOR_FILE, list(said(listing, zone)), now, OPERATOR_FILE, prune=True)
        directory_store.note_file(tx, OPERATOR_FILE, digest, now)
    log.info("the directory's file is imported: %s", told(taken))


def told(taken: Taken) -> str:
    """What came of an import, in a line."""
    people, customers = len(taken.directory.people), len(taken.directory.customers)
    changes = f"version {taken.version.id}, {taken.version.changes} changes" if taken.version else "nothing has changed"
    return f"{changes}; {people} people, {customers} customers, {len(taken.gaps)} gaps"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DirectoryInvalid(path, [f"it cannot be read: {error}"]) from None
