"""The file of the master keys that wrap the customers' sealing keys."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from services.common.errors import UserError
from services.common.sealing import MasterKeys, master_line, new_key, read_master


class BadMasterFile(UserError):
    """The file of the master keys is not there, or holds none. The message quotes nothing of it."""


def master_keys(file: Path, *, may_be_made: bool) -> MasterKeys:
    """Those of the file. If it is missing and `may_be_made`, it is made with a new one: on a developer's machine. A
    second one made elsewhere would not open what the first has wrapped.

    Raises BadMasterFile.
    """
    if may_be_made and not file.exists():
        _make(file)
    try:
        return read_master(file.read_text(encoding="ascii"))
    except OSError as error:
        raise BadMasterFile(f"the master keys are not to be read from {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadMasterFile(f"{file} holds no master keys: {error}") from error


def add_master(file: Path) -> None:
    """Put a new master key before those of the file; what they have wrapped stays readable. Raises BadMasterFile."""
    master_keys(file, may_be_made=False)
    _replace(file, master_line(new_key()) + "\n" + file.read_text(encoding="ascii"))


def keep_first_master(file: Path) -> None:
    """Leave only the newest master key in the file. Raises BadMasterFile."""
    master_keys(file, may_be_made=False)
    lines = file.read_text(encoding="ascii").splitlines()
    first = next(line for line in lines if line.strip() and not line.strip().startswith("#"))
    _replace(file, first + "\n")


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(file, master_line(new_key()) + "\n")
    try:
        # A link, not a rename: of two processes that start at once the second must take the first one's key.
        file.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _replace(file: Path, text: str) -> None:
    _draft(file, text).replace(file)


def _draft(file: Path, text: str) -> Path:
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return draft
