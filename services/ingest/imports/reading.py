"""Rows of a CSV file of any size, in bounded memory. A broken row is told apart from the good ones around it."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.common.errors import UserError
from services.ingest.imports.mapping import SEPARATORS, Mapping

MAX_LINE_CHARS = 1024 * 1024
"""A longer line is cut, and its pieces are refused as rows; a file without line ends must not fill the memory."""

MAX_CELL_CHARS = 128 * 1024
MAX_COLUMNS = 1000

ROW_IN_CELL_COLUMNS = 5
"""From so many columns on, a line inside a cell that has as many is taken for a swallowed row, not for prose."""


class BadFile(UserError):
    """A file that cannot be imported at all: the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row after the header. `number` counts rows as a spreadsheet does: the header is 1.

    `problem` is set where the row cannot be read; `cells` is then what there is of it. `others` are the rows after this
    one that belong to it.
    """

    number: int
    cells: Sequence[str]
    problem: str | None = None
    others: tuple[Row, ...] = ()

    @property
    def together(self) -> tuple[Row, ...]:
        """This row and the others."""
        return (self, *self.others)


class _Lines:
    """The lines of a file, which remember what one record took and can take lines back."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._returned: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._text.readline(MAX_LINE_CHARS)
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def keep_first(self) -> str:
        """The first line of the record; the others will be read again."""
        first, *others = self.taken
        self._returned.extendleft(reversed(others))
        return first


class CsvFile:
    """An open export: its titles, its header in the mapping's names, its rows, and how far it has been read."""

    def __init__(self, binary: IO[bytes], text: IO[str], mapping: Mapping, encoding: str, where: str) -> None:
        self._binary = binary
        self._encoding = encoding
        self._lines = _Lines(text)
        self._separator = SEPARATORS[mapping.separator]
        self._reader = csv.reader(self._lines, delimiter=self._separator, strict=True)
        self.titles = self._titles(where)
        self.header = checked_header(self.titles, mapping, where)

    @property
    def bytes_read(self) -> int:
        """Position in the file, in bytes; a little ahead of the rows."""
        return self._binary.tell()

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank, good or bad, in order."""
        number = 1
        while True:
            number += 1
            self._lines.taken = []
            try:
                cells = next(self._reader)
                fault = self._fault(cells)
            except StopIteration:
                return
            except csv.Error as error:
                cells, fault = [], f"is not readable as CSV: {error}"
            if fault and (not cells or len(self._lines.taken) > 1):
                # A quote that is never closed swallows good rows: only the line that it stands in is at fault.
                yield Row(number, [self._lines.keep_first().rstrip("\r\n")], fault)
            elif cells:
                yield Row(number, cells, fault)

    def _fault(self, cells: Sequence[str]) -> str | None:
        if cells and len(cells) != len(self.header):
            return f"has {len(cells)} columns where the header has {len(self.header)}"
        if any(_undecodable(cell) for cell in cells):
            return f"is not valid {self._encoding}"
        if len(self.header) >= ROW_IN_CELL_COLUMNS and any(map(self._looks_like_a_row, self._lines.taken[1:])):
            return "has a quote that is closed only some rows later"
        return None

    def _looks_like_a_row(self, line: str) -> bool:
        return line.count(self._separator) == len(self.header) - 1

    def _titles(self, where: str) -> list[str]:
        try:
            titles = [name.strip() for name in next(self._reader)]
        except (StopIteration, csv.Error):
            raise BadFile(f"{where} has no header row") from None
        if any(_undecodable(name) for name in titles):
            raise BadFile(f"{where} is not {self._encoding}: say --encoding gb18030 (or utf-8)")
        return titles


def checked_header(titles: Sequence[str], mapping: Mapping, where: str) -> list[str]:
    """The header in the mapping's own names. Raises BadFile when a column is missing or stands there twice."""
    header = [mapping.canonical(title) for title in titles]
    missing = [" or ".join(mapping.headings.get(name, [name])) for name in mapping.columns() if name not in header]
    if missing:
        raise BadFile(f"{where} lacks columns that the mapping {mapping.name} reads: {', '.join(missing)}")
    repeated = sorted({name for name in mapping.columns() if header.count(name) > 1})
    if repeated or len(header) > MAX_COLUMNS:
        raise BadFile(f"{where} has a header that names a column twice: {', '.join(repeated) or 'too many columns'}")
    return header


class LineFile:
    """A file of one event a line. A row's number is its line's, and its one cell is the line."""

    titles = ("line",)
    header = titles

    def __init__(self, binary: IO[bytes]) -> None:
        self._binary = binary

    @property
    def bytes_read(self) -> int:
        """Position in the file, in bytes."""
        return self._binary.tell()

    def rows(self) -> Iterator[Row]:
        """Every line that is not blank."""
        lines = iter(lambda: self._binary.readline(MAX_LINE_CHARS), b"")
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield Row(number, [line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")])


@contextmanager
def open_lines(path: Path) -> Iterator[LineFile]:
    """Open a file of JSON lines. Raises BadFile."""
    with open_binary(path) as binary:
        yield LineFile(binary)


@contextmanager
def open_csv(path: Path, mapping: Mapping, encoding: str | None = None) -> Iterator[CsvFile]:
    """Open an export. `encoding` overrides the mapping's. Raises BadFile."""
    chosen = encoding or mapping.encoding
    csv.field_size_limit(MAX_CELL_CHARS)
    binary = open_binary(path)
    codec = "utf-8-sig" if chosen == "utf-8" else chosen
    # surrogateescape: a byte that is no text spoils its own row, not the file.
    with binary, io.TextIOWrapper(binary, codec, errors="surrogateescape", newline="") as text:
        yield CsvFile(binary, text, mapping, chosen, path.name)


def open_binary(path: Path) -> IO[bytes]:
    """Open a file. Raises BadFile."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from None


def _undecodable(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text) if not text.isascii() else False
