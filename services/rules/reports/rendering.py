"""A report as JSON, CSV or text. PURE.

A figure that is not known is null in JSON and empty in CSV; beside it stands why.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson

from services.rules.reports.model import Cell, Missing, Row, Table, Words


def as_json(header: dict[str, Any], tables: Iterable[Table]) -> str:
    """One document: the header's fields, and the tables by name. Money and other decimals are texts."""
    document = {
        **header,
        "tables": {
            table.name: {
                "title": table.title._asdict(),
                "columns": {column.name: column.title._asdict() for column in table.columns},
                "rows": [_json_row(row) for row in table.rows],
                **({} if table.rows else {"nothing": table.nothing._asdict()}),
            }
            for table in tables
        },
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _json_row(row: Row) -> dict[str, Any]:
    cells = {name: _json_cell(cell) for name, cell in row.items()}
    reasons = {name: cell.why._asdict() for name, cell in row.items() if isinstance(cell, Missing)}
    return {**cells, "reasons": reasons} if reasons else cells


def _json_cell(cell: Cell) -> Any:
    match cell:
        case Missing():
            return None
        case Decimal():
            return format(cell, "f")
        case dict():
            return {currency: format(amount, "f") for currency, amount in cell.items()}
    return cell


def as_csv(tables: list[Table], language: str) -> str:
    """A header line and the rows; a money column becomes one for each currency. Of several tables each stands below a
    line with its name, an empty line between them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, table in enumerate(tables):
        if len(tables) > 1:
            writer.writerows([[]] * bool(number) + [[table.name]])
        writer.writerows(_csv_rows(table, language))
    return out.getvalue()


def _csv_rows(table: Table, language: str) -> Iterable[list[str]]:
    currencies = {
        column.name: sorted({one for row in table.rows if isinstance(cell := row[column.name], dict) for one in cell})
        for column in table.columns
    }
    names = [column.name for column in table.columns]
    heads = [f"{name}_{one}" if one else name for name in names for one in currencies[name] or [""]]
    yield [*heads, "reasons"]
    for row in table.rows:
        cells = [_csv_cell(row[name], one) for name in names for one in currencies[name] or [""]]
        yield [*cells, "; ".join(f"{name}: {why}" for name, why in reasons(row, language))]


def _csv_cell(cell: Cell, currency: str) -> str:
    match cell:
        case None | Missing():
            return ""
        case dict():
            return format(cell[currency], "f") if currency in cell else ""
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return format(cell, "f")
        case str() if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            # Names come from outside: a spreadsheet would take them for formulas.
            return "'" + cell
    return str(cell)


def reasons(row: Row, language: str) -> list[tuple[str, str]]:
    """Column and reason of every figure of the row that is not known."""
    return [(name, say(cell.why, language)) for name, cell in row.items() if isinstance(cell, Missing)]


def say(words: Words, language: str) -> str:
    """The text in `zh` or `en`."""
    return words.zh if language == "zh" else words.en


def as_text(cell: Cell) -> str:
    """A cell of a printed table."""
    match cell:
        case Missing():
            return "–"
        case None:
            return "?"
        case dict():
            return "\n".join(f"{amount:,f} {currency}" for currency, amount in cell.items())
        case bool():
            return "✓" if cell else ""
        case Decimal():
            return f"{cell:,f}"
    return str(cell)
