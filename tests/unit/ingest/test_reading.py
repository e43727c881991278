"""Rows of a file, however it is written and wherever it is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingest.imports import reading
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.reading import BadFile, Row, open_csv, open_lines
from tests.unit.ingest.exports import HEADER, OPEN, PAID, export

RECEIVABLE = find_mapping("accounts_receivable")


def rows_of(tmp_path: Path, content: bytes, encoding: str | None = None) -> list[Row]:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    with open_csv(path, RECEIVABLE, encoding) as file:
        return list(file.rows())


def bad_file(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(BadFile) as caught:
        rows_of(tmp_path, content)
    return str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_read(tmp_path: Path, end: str) -> None:
    rows = rows_of(tmp_path, export(PAID, OPEN, end=end))
    assert [(row.number, row.problem) for row in rows] == [(2, None), (3, None)]
    assert rows[0].cells == PAID.split(",")


def test_a_byte_order_mark_and_blank_lines_are_no_data(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b"\xef\xbb\xbf" + export(PAID, "", OPEN, ""))
    assert [row.number for row in rows] == [2, 4]
    assert all(row.problem is None for row in rows)


def test_a_cell_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    (row, after) = rows_of(tmp_path, export(PAID.replace("Paper,", '"a ""b"", c\r\nd",'), OPEN))
    assert row.cells[9] == 'a "b", c\r\nd'
    assert (after.number, after.cells[0]) == (3, "406")


@pytest.mark.parametrize("broken", ["too,few", PAID + ",too,many"])
def test_a_row_with_another_number_of_columns_is_told_apart(tmp_path: Path, broken: str) -> None:
    rows = rows_of(tmp_path, export(PAID, broken, OPEN))
    assert [row.problem is None for row in rows] == [True, False, True]
    assert f"has {broken.count(',') + 1} columns where the header has 12" == rows[1].problem
    assert rows[1].cells == broken.split(",")


@pytest.mark.parametrize(
    "after",
    [
        [OPEN] * 3,
        [OPEN, PAID.replace("Paper", '"Paper"'), OPEN],
        # Here the stray quote finds an end, some rows later.
        [OPEN, PAID.replace("Paper", 'Paper"'), OPEN],
    ],
)
def test_a_quote_that_is_never_closed_spoils_only_its_own_line(tmp_path: Path, after: list[str]) -> None:
    broken = PAID.replace("Paper", '"Paper')
    rows = rows_of(tmp_path, export(PAID, broken, *after))
    assert [row.problem is None for row in rows] == [True, False, *[True] * len(after)]
    assert rows[1].cells == [broken]


def test_bytes_that_are_no_text_spoil_only_their_own_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, export(PAID, OPEN).replace(b",Paper,", b",\xff\xfe,"))
    assert [row.problem for row in rows] == ["is not valid utf-8", None]


def test_gb18030_is_read_when_asked_for(tmp_path: Path) -> None:
    content = export(PAID.replace("Paper", "纸质账单")).decode().encode("gb18030")
    (row,) = rows_of(tmp_path, content, "gb18030")
    assert row.cells[9] == "纸质账单"
    (as_utf8,) = rows_of(tmp_path, content)
    assert as_utf8.problem == "is not valid utf-8"


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE_CHARS", 1000)
    rows = rows_of(tmp_path, export(PAID, "x" * 5000, OPEN))
    assert rows[0].problem is None
    assert rows[-1].problem is None
    assert all(row.problem for row in rows[1:-1])
    assert all(len(cell) <= 1000 for row in rows for cell in row.cells)


def test_a_file_that_lacks_columns_is_refused_as_a_whole(tmp_path: Path) -> None:
    assert "lacks columns" in bad_file(tmp_path, export(PAID, header=HEADER.replace("DueDate", "Due")))
    assert "no header" in bad_file(tmp_path, b"")
    assert "twice" in bad_file(tmp_path, export(PAID, header=HEADER.replace("DaysLate", "DueDate")))
    assert "gb18030" in bad_file(tmp_path, "客户,金额\r\n".encode("gb18030"))


def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"a":1}\n\n{"b":2}')
    with open_lines(path) as file:
        assert list(file.rows()) == [Row(1, ['{"a":1}']), Row(3, ['{"b":2}'])]
        assert file.bytes_read == path.stat().st_size
