"""Workbooks: cells come out as people see them, and what cannot be read is told."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from openpyxl import Workbook

from services.ingest.imports import workbook
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.reading import BadFile, Row
from services.ingest.imports.running import Job, beside, lines_sink, no_book, take_in
from services.ingest.imports.seen import seen
from services.ingest.imports.workbook import open_workbook

AGEING = find_mapping("receivables_ageing")
TITLES = ["客户编码", "发票号", "开票日期", "到期日", "未收金额", "币种"]
FIRST = ["C1", "F1", date(2026, 1, 5), date(2026, 2, 4), 128500.5, "人民币"]


def saved(folder: Path, rows: list[list[Any]], change: Callable[[Any], object] = lambda _sheet: None) -> Path:
    book = Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    change(sheet)
    book.save(folder / "list.xlsx")
    return folder / "list.xlsx"


def rows_of(path: Path) -> list[Row]:
    with open_workbook(path, AGEING) as sheet:
        return list(sheet.rows())


def bad_file(path: Path) -> str:
    with pytest.raises(BadFile) as caught:
        rows_of(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (None, "General", ""),
        ("  as it is ", "@", "  as it is "),
        (12, "General", "12"),
        (12.0, "General", "12"),
        (0.1 + 0.2, "General", "0.3"),
        (123, "00000", "00123"),
        (1234567.891, "#,##0.00", "1234567.89"),
        (2.675, "0.00", "2.68"),
        (-2.5, "0", "-3"),
        (55.9, "0.00", "55.90"),
        (-7.5, '0.00_);[Red]"("0.00")"', "-7.50"),
        (1200, "[$¥-804]#,##0.00", "1200.00"),
        (0.125, "0.0%", "0.125"),
        (1.5e15, "General", "1500000000000000"),
        (12.3456, "0.00##", "12.3456"),
        (True, "General", "TRUE"),
        (datetime.fromisoformat("2026-01-05"), "m/d/yy", "2026-01-05"),
        (date(2026, 1, 5), "yyyy年m月d日", "2026-01-05"),
        (datetime.fromisoformat("2026-01-05T09:30"), "yyyy-mm-dd hh:mm", "2026-01-05T09:30:00"),
    ],
)
def test_a_cell_is_what_people_see(value: Any, number_format: str, text: str) -> None:
    assert seen(value, number_format) == text


def test_rows_are_numbered_as_the_program_does_and_blank_ones_left_out(tmp_path: Path) -> None:
    def change(sheet: Any) -> None:
        sheet["A2"].number_format = "00000"

    rows = rows_of(saved(tmp_path, [TITLES, [7, *FIRST[1:]], [], FIRST], change))
    assert [(row.number, row.problem) for row in rows] == [(2, None), (4, None)]
    assert rows[0].cells == ["00007", "F1", "2026-01-05", "2026-02-04", "128500.5", "人民币"]


def test_a_short_row_has_empty_cells_and_a_long_one_is_told(tmp_path: Path) -> None:
    rows = rows_of(saved(tmp_path, [TITLES, FIRST[:3], [*FIRST, None, "too far"]]))
    assert rows[0].cells == ["C1", "F1", "2026-01-05", "", "", ""]
    assert rows[1].problem == "has 8 columns where the header has 6"


def with_value(folder: Path, path: Path, before: bytes, after: bytes) -> Path:
    """The same workbook, with bytes of its first sheet replaced."""
    changed = folder / "changed.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                assert before in content
                content = content.replace(before, after)
            new.writestr(part, content)
    return changed


def test_a_formula_counts_by_its_value_and_one_without_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path, [TITLES, [*FIRST[:4], "=100+28.5", "CNY"], FIRST])
    assert rows_of(path)[0].problem == (
        "has a formula without a value in the column 未收金额: open the file in a spreadsheet program and save it"
    )
    worked_out = with_value(tmp_path, path, b"<f>100+28.5</f><v />", b"<f>100+28.5</f><v>128.5</v>")
    assert [(row.problem, row.cells[4]) for row in rows_of(worked_out)] == [(None, "128.5"), (None, "128500.5")]


def test_an_error_in_a_cell_is_told(tmp_path: Path) -> None:
    (row,) = rows_of(saved(tmp_path, [TITLES, [*FIRST[:4], "#N/A", "CNY"]]))
    assert row.problem == "has the error #N/A in the column 未收金额"


def test_an_encrypted_workbook_is_told(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 4096)
    assert "encrypted or an old .xls" in bad_file(path)


@pytest.mark.parametrize("keep", [0, 100, 3000, -30])
def test_a_damaged_workbook_is_told(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path, [TITLES, FIRST])
    path.write_bytes(path.read_bytes()[:keep])
    assert "no readable .xlsx" in bad_file(path)


def test_a_sheet_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path, [TITLES, FIRST, FIRST])
    assert "damaged" in bad_file(with_value(tmp_path, path, b"</sheetData>", b"</sheetDat"))


def test_a_workbook_that_unpacks_into_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_UNPACKED_BYTES", 1000)
    assert "unpacks into more than" in bad_file(saved(tmp_path, [TITLES, FIRST]))


def test_the_first_visible_sheet_is_read_or_the_one_that_the_mapping_names(tmp_path: Path) -> None:
    book = Workbook()
    hidden: Any = book.active
    hidden.sheet_state = "hidden"
    for title, customer in (("one", "C1"), ("two", "C2")):
        sheet: Any = book.create_sheet(title)
        sheet.append(TITLES)
        sheet.append([customer, *FIRST[1:]])
    path = tmp_path / "list.xlsx"
    book.save(path)
    assert rows_of(path)[0].cells[0] == "C1"
    with open_workbook(path, AGEING.model_copy(update={"sheet": "two"})) as second:
        assert next(second.rows()).cells[0] == "C2"
    with (
        pytest.raises(BadFile, match="it has Sheet, one, two"),
        open_workbook(path, AGEING.model_copy(update={"sheet": "three"})),
    ):
        pass


def test_a_sheet_without_the_columns_is_told(tmp_path: Path) -> None:
    assert "lacks columns" in bad_file(saved(tmp_path, [["a", "b"], [1, 2]]))
    assert "lacks columns" in bad_file(saved(tmp_path, []))


def test_a_workbook_is_imported_as_a_csv_file_is(tmp_path: Path) -> None:
    rows: list[list[Any]] = [TITLES, FIRST, [*FIRST[:4], "n/a", "CNY"]]
    job = Job(saved(tmp_path, rows), AGEING, history=False, source=None, encoding=None, zone=ZoneInfo("Asia/Shanghai"))
    with lines_sink(tmp_path / "events.jsonl") as sink:
        summary = take_in(job, sink, beside(job.file), no_book(), lambda _done, _so_far: None)
    assert [(row.number, row.column) for row in summary.rejected] == [(3, "未收金额")]
    (line,) = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert orjson.loads(line)["data"] == {
        "invoice_id": "F1",
        "amount": "128500.5",
        "currency": "CNY",
        "issue_date": "2026-01-05",
        "due_date": "2026-02-04",
    }
    kept = (tmp_path / "list.xlsx.rejected.csv").read_text().splitlines()
    assert kept[0].endswith(",".join(TITLES))
    assert kept[1].endswith("C1,F1,2026-01-05,2026-02-04,n/a,CNY")
