"""PURE one row of an export to its events, by a mapping."""

from __future__ import annotations

from collections.abc import Mapping as Cells
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.events import PREFIX
from schemas.fields import parse_date, parse_decimal
from schemas.privacy import excerpt
from services.ingest.imports.mapping import (
    PLACEHOLDER,
    EventMapping,
    FromColumn,
    FromConstant,
    FromTemplate,
    Mapping,
    When,
)

TRUE = ("true", "yes", "y", "1", "是")
FALSE = ("false", "no", "n", "0", "否")


class BadRow(Exception):
    """A row that makes no events. `column` is empty where the whole row is at fault."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}" if column else reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """What holds for every event of an import."""

    zone: ZoneInfo
    source: str
    history: bool = False


class _Absent(Exception):
    """An optional cell is empty: its field is left out."""


def row_events(mapping: Mapping, cells: Cells[str, str], target: Target) -> list[dict[str, Any]]:
    """The events of one row as CloudEvents documents, each of them valid.

    Raises BadRow: all or nothing, so that a row is never in half.
    """
    made = [
        (event, _event(event, cells, target))
        for event in mapping.events
        if all(_holds(condition, cells) for condition in event.when)
    ]
    for event, document in made:
        try:
            codec.parse(document)
        except InvalidEvent as problem:
            fault = problem.errors[0] if problem.errors else None
            field, reason = (fault.field, fault.reason) if fault else ("", problem.message)
            raise BadRow(_column_of(event, field), reason) from None
    return [document for _, document in made]


def _event(event: EventMapping, cells: Cells[str, str], target: Target) -> dict[str, Any]:
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": _fill(event.id, cells),
        "source": target.source,
        "type": PREFIX + event.type.removeprefix(PREFIX),
        "time": _required(event.time, cells, target.zone),
        "data": _value(event.data, cells, target.zone),
    }
    if event.subject is not None:
        document["subject"] = _required(event.subject, cells, target.zone)
    if target.history:
        document["history"] = True
    return document


def _holds(condition: When, cells: Cells[str, str]) -> bool:
    cell = cells[condition.column].strip()
    if condition.equals is not None:
        return cell == condition.equals
    if condition.one_of is not None:
        return cell in condition.one_of
    return (cell == "") == condition.empty


def _required(value: Any, cells: Cells[str, str], zone: ZoneInfo) -> Any:
    try:
        return _value(value, cells, zone)
    except _Absent:
        raise BadRow(value.column, "is empty") from None


def _value(value: Any, cells: Cells[str, str], zone: ZoneInfo) -> Any:
    if isinstance(value, FromConstant):
        return value.constant
    if isinstance(value, FromTemplate):
        return _fill(value.template, cells)
    if isinstance(value, FromColumn):
        return _cell(value, cells[value.column].strip(), zone)
    if isinstance(value, list):
        return [_value(item, cells, zone) for item in value]
    fields: dict[str, Any] = {}
    for name, inner in value.items():
        try:
            fields[name] = _value(inner, cells, zone)
        except _Absent:
            continue
    return fields


def _fill(template: str, cells: Cells[str, str]) -> str:
    def cell(match: Any) -> str:
        text = cells[match[1]].strip()
        if not text:
            raise BadRow(match[1], "is empty")
        return text

    return PLACEHOLDER.sub(cell, template)


def _cell(wanted: FromColumn, text: str, zone: ZoneInfo) -> Any:
    if text in wanted.values:
        found = wanted.values[text]
        if not isinstance(found, str):
            return found
        text = found
    if not text:
        if wanted.required:
            raise BadRow(wanted.column, "is empty")
        if wanted.default is None:
            raise _Absent
        return wanted.default
    try:
        return _read(wanted, text, zone)
    except ValueError as error:
        raise BadRow(wanted.column, str(error)) from None


def _read(wanted: FromColumn, text: str, zone: ZoneInfo) -> Any:
    """The cell's text as the wanted kind; ValueError says what is wrong with it."""
    if wanted.kind in ("date", "start_of_day", "instant"):
        return _read_moment(wanted, _moment(text, wanted.format), zone)
    if wanted.kind in ("decimal", "integer", "number"):
        return _read_number(wanted, text)
    return _boolean(text) if wanted.kind == "boolean" else text


def _read_moment(wanted: FromColumn, moment: datetime, zone: ZoneInfo) -> str:
    if wanted.kind == "date":
        return moment.date().isoformat()
    if wanted.kind == "start_of_day":
        return datetime.combine(moment.date(), time(), zone).isoformat()
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()


def _read_number(wanted: FromColumn, text: str) -> str | int | float:
    number = parse_decimal(_plain_number(wanted, text))
    if wanted.kind == "decimal":
        return format(number, "f")
    if wanted.kind == "number":
        return float(number)
    if number != int(number):
        raise ValueError(f'"{excerpt(text, 40)}" is no whole number')
    return int(number)


def _plain_number(wanted: FromColumn, text: str) -> str:
    if wanted.thousands:
        text = text.replace(wanted.thousands, "")
    return text.replace(wanted.decimal_point, ".") if wanted.decimal_point != "." else text


def _boolean(text: str) -> bool:
    folded = text.casefold()
    if folded not in TRUE + FALSE:
        raise ValueError(f'"{excerpt(text, 40)}" is neither yes nor no')
    return folded in TRUE


@lru_cache(maxsize=8192)
def _moment(text: str, format_: str | None) -> datetime:
    """Cached: strptime is slow, and the rows of an export share their dates."""
    if format_ is None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f'"{excerpt(text, 40)}" is no ISO 8601 date or time') from None
    try:
        moment = datetime.strptime(text, format_)  # noqa: DTZ007  # the zone is the company's, given by the caller
    except ValueError:
        raise ValueError(f'"{excerpt(text, 40)}" does not fit the format {format_}') from None
    parse_date(moment.date())
    return moment


def _column_of(event: EventMapping, field: str) -> str:
    """The column behind a field path such as data.allocations.0.amount; empty where there is not exactly one."""
    value: Any = {
        "data": event.data,
        "subject": event.subject,
        "time": event.time,
        "id": FromTemplate(template=event.id),
    }
    for part in field.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    if isinstance(value, FromColumn):
        return value.column
    if isinstance(value, FromTemplate):
        return ", ".join(PLACEHOLDER.findall(value.template))
    return ""
