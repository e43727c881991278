"""A watched folder on disk. Every step is one rename or one small file, so a kill leaves it before or after a step."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from services.common.errors import UserError
from services.ingest.watching import MARKER, REJECTED, Seen, being_taken, other_name, waiting

TAKING, DONE, FAILED = "taking", "done", "failed"


class BadFolder(UserError):
    """The folder cannot be watched; the message says why."""


class Folder:
    """Files lie in `root` until they are taken; then in taking/, and at last in done/ or failed/."""

    def __init__(self, root: Path) -> None:
        """Raises BadFolder."""
        self.root = root
        if not root.is_dir():
            raise BadFolder(f"{root} is no folder")
        try:
            for name in (TAKING, DONE, FAILED):
                (root / name).mkdir(exist_ok=True)
        except OSError as error:
            raise BadFolder(f"{root} cannot be written to: {error.strerror}") from None

    def listing(self) -> list[Seen]:
        """What lies there to be taken, markers and drafts too."""
        return _files(self.root)

    def taken(self) -> list[Path]:
        """What was taken and has not come to its end, oldest first."""
        return [self.root / TAKING / seen.name for seen in being_taken(_files(self.root / TAKING))]

    def oldest_arrival_s(self) -> float | None:
        """When the oldest file that waits or is being taken came into the folder, in seconds since 1970."""
        waits = [self.root / seen.name for seen in waiting(self.listing())]
        arrivals = []
        for path in [*waits, *self.taken()]:
            # It may be gone since it was listed. A change of the name counts as a coming: mtime is often the source's.
            with suppress(FileNotFoundError):
                arrivals.append(path.stat().st_ctime)
        return min(arrivals, default=None)

    def take(self, name: str) -> Path | None:
        """Have a file for ourselves; None when it is gone."""
        taken = self.root / TAKING / name
        try:
            (self.root / name).replace(taken)
        except FileNotFoundError:
            return None
        return taken

    def forget_marker(self, name: str) -> None:
        """The marker of a file that is taken. One whose next file is there already is that one's."""
        if not (self.root / name).exists():
            (self.root / (name + MARKER)).unlink(missing_ok=True)

    def finish(self, taken: Path, folder: str, digest: str, report: dict[str, Any]) -> Path:
        """Put the file away with its report and its rejected rows. It moves last: until then all is done again."""
        into = self.root / folder
        name = other_name(taken.name, digest) if (into / taken.name).exists() else taken.name
        rejects = taken.with_name(taken.name + REJECTED)
        # Of an import that broke off.
        rejects.with_name(rejects.name + ".part").unlink(missing_ok=True)
        if rejects.exists():
            rejects.replace(into / (name + REJECTED))
        draft = taken.with_name(f"{taken.name}.report.json.part")
        draft.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        draft.replace(into / f"{name}.report.json")
        taken.replace(into / name)
        return into / name


def _files(folder: Path) -> list[Seen]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # One may vanish while we look.
            with suppress(FileNotFoundError):
                if entry.is_file():
                    status = entry.stat()
                    found.append(Seen(entry.name, status.st_size, status.st_mtime_ns))
    return found
