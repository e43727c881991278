"""Reads a CSV export of people, methods, customers, departments or absences: its columns say which of them it is."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

_YES = frozenset({"yes", "true", "1", "y", "是"})
_NO = frozenset({"", "no", "false", "0", "n", "否"})


class CsvUnusable(Exception):
    """`problems` has a sentence for each line at fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:3]))
        self.problems = problems


@dataclass(frozen=True)
class _Sheet:
    """`needed` tells sheets apart; `more` may be there. Another column is refused, for a misspelt one says nothing."""

    section: str
    needed: frozenset[str]
    more: frozenset[str]


_METHOD = "method."
"""What a column of people begins with that holds addresses on a channel: method.wecom_app."""

_SHEETS = (
    _Sheet(
        "people",
        frozenset({"id", "name", "department"}),
        frozenset({"language", "reports_to", "email", "timezone", "quiet", "methods_verified"}),
    ),
    _Sheet("absences", frozenset({"person", "start", "end"}), frozenset({"delegate"})),
    _Sheet("departments", frozenset({"id", "head"}), frozenset({"name"})),
    _Sheet("customers", frozenset({"id", "name"}), frozenset({"owner", "region", "class", "value"})),
)


def read_csv(raw: bytes) -> dict[str, Any]:
    """The document that YAML would hold, of UTF-8 or of what Excel writes in China (GB 18030). Raises CsvUnusable."""
    reader = csv.DictReader(io.StringIO(_decoded(raw), newline=""), strict=True)
    columns = [(name or "").strip() for name in reader.fieldnames or ()]
    sheet = _sheet_of(columns)
    reader.fieldnames = columns
    problems: list[str] = []
    rows: list[dict[str, Any]] = []
    try:
        for row in reader:
            if None in row or None in row.values():
                problems.append(f"line {reader.line_num}: it has not as many fields as the first line")
            elif any(row.values()):
                rows.append(_entry(sheet, row, reader.line_num, problems))
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if problems:
        raise CsvUnusable(problems)
    return {sheet.section: rows}


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CsvUnusable(["it is text neither in UTF-8 nor in GB 18030"])


def _sheet_of(columns: list[str]) -> _Sheet:
    for sheet in _SHEETS:
        if sheet.needed <= set(columns):
            unknown = [
                name for name in columns if name not in sheet.needed | sheet.more and not _is_method(sheet, name)
            ]
            if unknown:
                known = ", ".join(sorted(sheet.needed | sheet.more))
                raise CsvUnusable([f'{sheet.section}: there is no column "{unknown[0]}"; there are {known}'])
            twice = next((name for name in columns if columns.count(name) > 1), None)
            if twice is not None:
                raise CsvUnusable([f'the column "{twice}" stands there twice'])
            return sheet
    wanted = "; ".join(f"{sheet.section} need {', '.join(sorted(sheet.needed))}" for sheet in _SHEETS)
    raise CsvUnusable([f"its columns ({', '.join(columns)}) are those of no sheet: {wanted}"])


def _is_method(sheet: _Sheet, column: str) -> bool:
    return sheet.section == "people" and column.startswith(_METHOD) and len(column) > len(_METHOD)


def _entry(sheet: _Sheet, row: dict[str, str], line: int, problems: list[str]) -> dict[str, Any]:
    """An empty field says nothing."""
    found: dict[str, Any] = {name: text.strip() for name, text in row.items() if text.strip()}
    if sheet.section == "people":
        vouched = found.pop("methods_verified", "").lower()
        if vouched not in _YES | _NO:
            problems.append(f'line {line}: methods_verified is "{vouched}": write yes or no')
        columns = [name for name in found if name.startswith(_METHOD)]
        methods = [{"channel": name.removeprefix(_METHOD), "address": found.pop(name)} for name in columns]
        if methods:
            found["methods"] = [{**method, "verified": vouched in _YES} for method in methods]
    return found
