"""The directory in which one `make run` keeps its broker, database and logs."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKER = ".made-by-make-run"


class WorkspaceError(Exception):
    """The directory cannot be used; the message is one sentence that says why."""


@contextmanager
def open_workspace(path: Path, *, keep: bool) -> Iterator[Path]:
    """The directory for the length of a run: made anew, or as the last run left it when `keep`.

    Raises:
        WorkspaceError: another run uses it, or it holds something that no run has put there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = path.with_name(f"{path.name}.lock")
    with lock_file.open("w") as lock:
        try:
            # Held by the process, so it is free again even after a kill -9.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceError(f"another `make run` is using {path}: stop it, or set BELLWETHER_DATA_DIR") from None
        if not keep:
            _remove(path)
        path.mkdir(exist_ok=True)
        (path / MARKER).touch()
        yield path.absolute()


def _remove(path: Path) -> None:
    if not path.exists():
        return
    # BELLWETHER_DATA_DIR may name any place; never delete what is not ours.
    if not (path / MARKER).exists():
        raise WorkspaceError(f"{path} was not made by `make run`: move it away, or set BELLWETHER_DATA_DIR")
    shutil.rmtree(path)
