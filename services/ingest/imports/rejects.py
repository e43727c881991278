"""FILE.rejected.csv: what was refused of a file, to be mended and imported."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from schemas.privacy import redact
from services.ingest.imports.chunks import RejectedRow


class Rejects(Protocol):
    """Where refused rows are kept, or shown."""

    def add(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        """Keep a row."""

    def flush(self) -> None:
        """What was added is safe, also if the power goes."""

    def finish(self) -> None:
        """The run is done."""


class RejectFile:
    """Row, column, reason and the cells as they were, but without resident-ID numbers.

    It is made with the first refused row. It has the export's columns too, so it can be mended and imported as it is.
    Until `finish` it is a draft beside: somebody may be mending the one of an earlier run, and this run may not come to
    its end.
    """

    def __init__(self, path: Path, header: Sequence[str], after_row: int = 0, kept: int = 0) -> None:
        """`after_row`: the run goes on after that row; the rows that one before it `kept` up to there stay."""
        self.path = path
        self._draft = path.with_name(path.name + ".part")
        self._header = header
        self._dirty = False
        self._kept = kept
        if after_row:
            self._trim(after_row)
        else:
            self._draft.unlink(missing_ok=True)

    def add(self, rejected: RejectedRow, cells: Sequence[str]) -> None:
        """Keep a row. The draft is complete after every call, whatever happens next."""
        self._write([[rejected.number, rejected.column, rejected.reason, *map(redact, cells)]])
        self._dirty = True

    def flush(self) -> None:
        """What was added is safe, also if the power goes."""
        if self._dirty:
            with self._draft.open("rb") as file:
                os.fsync(file.fileno())
            self._dirty = False

    def finish(self) -> None:
        """The run is done: what it refused takes the place of what an earlier one did, also when it is nothing."""
        if self._draft.exists():
            self._draft.replace(self.path)
        elif not self._kept:
            self.path.unlink(missing_ok=True)

    def _write(self, rows: list[list[object]]) -> None:
        new = not self._draft.exists()
        # surrogateescape writes bytes that were no text back as they were.
        with self._draft.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["rejected_row", "rejected_column", "rejected_reason", *map(redact, self._header)])
            writer.writerows(rows)

    def _trim(self, after_row: int) -> None:
        """Rows beyond were kept, but not noted as done: they will be refused again."""
        if not self._draft.exists():
            return
        with self._draft.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            kept = [row for row in list(csv.reader(file))[1:] if row and row[0].isdigit() and int(row[0]) <= after_row]
        self._draft.unlink()
        if kept:
            self._write([list(row) for row in kept])
