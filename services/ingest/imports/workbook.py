"""Rows of an XLSX workbook, cell by cell as people see them. The only importer of openpyxl.

openpyxl and not a faster reader: it alone says in which format a number is shown, and that is what tells customer
00123 from customer 123.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from services.ingest.imports.mapping import Mapping
from services.ingest.imports.reading import BadFile, Row, checked_header, open_binary
from services.ingest.imports.seen import seen

MAX_UNPACKED_BYTES = 1024**3
"""Of all parts of a workbook: a small file must not unpack into one that fills the memory."""

MAX_BLANK_ROWS = 10_000
"""So many after each other end the sheet; formats alone can reach down to row 1,048,576."""

_OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
_CHUNK_BYTES = 1024 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, ParseError, InvalidFileException, KeyError, ValueError, EOFError, OSError)


class Sheet:
    """An open sheet: its header and its rows."""

    def __init__(self, binary: IO[bytes], values: Any, formulas: Any, mapping: Mapping, where: str) -> None:
        self._binary = binary
        self._where = where
        self._formulas = formulas is not None
        both = zip(_all(values), _all(formulas) if formulas is not None else repeat(()), strict=False)
        self._rows = enumerate(both, start=1)
        titles = next((_texts(cells) for _, (cells, _) in self._rows if any(_texts(cells))), [])
        while titles and not titles[-1]:
            titles.pop()
        self.titles = titles
        self.header = checked_header(titles, mapping, where)

    @property
    def bytes_read(self) -> int:
        """Position in the file, in bytes."""
        return self._binary.tell()

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank. Raises BadFile where the file is damaged."""
        blank = 0
        try:
            for number, (cells, formulas) in self._rows:
                texts = _texts(cells)
                blank = 0 if any(texts) else blank + 1
                if blank > MAX_BLANK_ROWS:
                    return
                if not blank or any(_is_formula(cell) for cell in formulas):
                    yield self._row(number, texts, cells, formulas)
        except _BROKEN as error:
            raise BadFile(f"{self._where} is damaged: {type(error).__name__}") from None

    def _row(self, number: int, texts: list[str], cells: Sequence[Any], formulas: Sequence[Any]) -> Row:
        width = len(self.header)
        if any(texts[width:]):
            return Row(number, texts, f"has {len(texts)} columns where the header has {width}")
        texts = texts[:width] + [""] * (width - len(texts))
        for title, cell in zip(self.titles, cells, strict=False):
            if cell.data_type == "e":
                return Row(number, texts, f"has the error {cell.value} in the column {title}")
        for title, text, formula in zip(self.titles, texts, formulas, strict=False):
            if _is_formula(formula) and not text:
                return Row(
                    number,
                    texts,
                    f"has a formula without a value in the column {title}: open the file in a "
                    "spreadsheet program and save it",
                )
        return Row(number, texts)


@contextmanager
def open_workbook(path: Path, mapping: Mapping) -> Iterator[Sheet]:
    """Open a workbook's sheet: the mapping's, or the first that is visible. Raises BadFile."""
    with open_binary(path) as binary:
        if binary.read(len(_OLE_MAGIC)) == _OLE_MAGIC:
            raise BadFile(f"{path.name} is encrypted or an old .xls: save it as .xlsx without a password")
        binary.seek(0)
        try:
            has_formulas = _has_formulas(binary, path.name)
            books = [load_workbook(binary, read_only=True, data_only=True, keep_links=False)]
            if has_formulas:
                books.append(load_workbook(binary, read_only=True, keep_links=False))
        except _BROKEN as error:
            raise BadFile(f"{path.name} is no readable .xlsx file: {type(error).__name__}") from None
        sheets = [_sheet(book, mapping, path.name) for book in books]
        yield Sheet(binary, sheets[0], sheets[1] if len(sheets) > 1 else None, mapping, path.name)


def _sheet(book: Any, mapping: Mapping, where: str) -> Any:
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    wanted = [sheet for sheet in book.worksheets if sheet.title == mapping.sheet] if mapping.sheet else visible[:1]
    if not wanted:
        named = f'sheet "{mapping.sheet}"' if mapping.sheet else "visible sheet"
        raise BadFile(f"{where} has no {named}; it has {', '.join(sheet.title for sheet in book.worksheets)}")
    return wanted[0]


def _has_formulas(binary: IO[bytes], where: str) -> bool:
    """Whether any sheet has formulas: then it is read a second time, to tell a formula without a value from nothing."""
    with zipfile.ZipFile(binary) as parts:
        if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED_BYTES:
            raise BadFile(f"{where} unpacks into more than {MAX_UNPACKED_BYTES // 1024**2} MiB: split it")
        sheets = [part for part in parts.infolist() if part.filename.startswith("xl/worksheets/")]
        return any(_holds_formula(parts, sheet) for sheet in sheets)


def _holds_formula(parts: zipfile.ZipFile, sheet: zipfile.ZipInfo) -> bool:
    with parts.open(sheet) as part:
        end = b""
        while chunk := part.read(_CHUNK_BYTES):
            text = end + chunk
            if any(tag in text for tag in (b"<f>", b"<f ", b"<f/")):
                return True
            end = text[-2:]
    return False


def _all(sheet: Any) -> Iterator[Sequence[Any]]:
    # What a file says of its own size is often wrong.
    sheet.reset_dimensions()
    return chain(sheet.iter_rows())


def _texts(cells: Sequence[Any]) -> list[str]:
    return [seen(cell.value, cell.number_format) if cell.value is not None else "" for cell in cells]


def _is_formula(cell: Any) -> bool:
    return bool(cell.data_type == "f")
