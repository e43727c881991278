"""PURE rows of an export to their events, by a mapping that is put into functions once for a whole file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Cells
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.events import PREFIX, Event
from schemas.fields import parse_date, parse_decimal
from schemas.privacy import excerpt
from services.ingest.imports.mapping import (
    PLACEHOLDER,
    EventMapping,
    FromColumn,
    FromConstant,
    FromEach,
    FromTemplate,
    Lookup,
    Mapping,
    When,
)

_ISO = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?")
TRUE = ("true", "yes", "y", "1", "是")
FALSE = ("false", "no", "n", "0", "否")


class BadRow(Exception):
    """A row that makes no events. `column` is empty where the whole row is at fault."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}" if column else reason)
        self.column = column
        self.reason = reason

    def as_titled(self, header: Sequence[str], titles: Sequence[str]) -> BadRow:
        """With the column as the file calls it, not the mapping."""
        named = dict(zip(header, titles, strict=True))
        return BadRow(", ".join(named.get(name, name) for name in self.column.split(", ")), self.reason)


@dataclass(frozen=True, slots=True)
class Target:
    """What holds for every event of an import."""

    zone: ZoneInfo
    source: str
    history: bool = False


class Made(NamedTuple):
    """A valid event, the document that it was read from, and its JSON. `part` is its place among the mapping's."""

    event: Event
    document: dict[str, Any]
    body: bytes
    part: int = 0


RowMaker = Callable[[Sequence[str]], list[Made]]
"""The cells of a row, in the file's order, to its events, each of them valid.

Raises BadRow: all or nothing, so that a row is never in half.
"""


class Group(list[str]):
    """The cells of the first row of a group, with those of all its rows."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        super().__init__(rows[0])
        self.rows = rows


_Reader = Callable[[Sequence[str]], Any]
_ABSENT = object()
"""An optional cell is empty: its field is left out."""


def row_maker(mapping: Mapping, header: Sequence[str], target: Target) -> RowMaker:
    """The mapping for a file with this header, in the mapping's own names."""
    events = [event_maker(mapping, event, header, target) for event in mapping.events]
    conditions = [_conditions(event.when, _places(header)) for event in mapping.events]
    parts = list(enumerate(zip(conditions, events, strict=True)))

    def make(cells: Sequence[str]) -> list[Made]:
        return [event(cells)._replace(part=part) for part, (holds, event) in parts if holds(cells)]

    return make


def event_maker(
    mapping: Mapping, event: EventMapping, header: Sequence[str], target: Target
) -> Callable[[Sequence[str]], Made]:
    """One of the mapping's events, whether its conditions hold or not."""
    build = _Builder(mapping.lookups, _places(header), target.zone)
    fixed: dict[str, Any] = {
        "specversion": "1.0",
        "source": target.source,
        "type": PREFIX + event.type.removeprefix(PREFIX),
    }
    if target.history:
        fixed["history"] = True
    id_, time_, data = build.template(event.id), build.needed(event.time), build.reader(event.data)
    subject = build.needed(event.subject) if event.subject is not None else None

    def make(cells: Sequence[str]) -> Made:
        document = {**fixed, "id": id_(cells), "time": time_(cells), "data": data(cells)}
        if subject is not None:
            document["subject"] = subject(cells)
        body = orjson.dumps(document)
        try:
            return Made(codec.parse_written(document, body), document, body)
        except InvalidEvent as problem:
            fault = problem.errors[0] if problem.errors else None
            field, reason = (fault.field, fault.reason) if fault else ("", problem.message)
            raise BadRow(_column_of(event, field), reason) from None

    return make


def template(text: str, header: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """Text with columns in braces, filled from a row. Raises BadRow for an empty cell."""
    return _filler(text, _places(header))


def _places(header: Sequence[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(header)}


def _conditions(conditions: Sequence[When], places: Cells[str, int]) -> Callable[[Sequence[str]], bool]:
    tests = [(places[condition.column], _test(condition)) for condition in conditions]
    return lambda cells: all(test(cells[place].strip()) for place, test in tests)


def _test(condition: When) -> Callable[[str], bool]:
    if condition.equals is not None:
        return condition.equals.__eq__
    if condition.one_of is not None:
        return frozenset(condition.one_of).__contains__
    return lambda cell: (cell == "") == condition.empty


@dataclass(frozen=True)
class _Builder:
    """Puts what a mapping says of values into functions."""

    lookups: Cells[str, Lookup]
    places: Cells[str, int]
    zone: ZoneInfo

    def reader(self, value: Any) -> _Reader:
        if isinstance(value, FromConstant):
            return lambda _cells: value.constant
        if isinstance(value, FromTemplate):
            return self.template(value.template)
        if isinstance(value, FromColumn):
            return self._column(value)
        if isinstance(value, FromEach):
            return self._each(self.reader(value.each))
        return self._list(value) if isinstance(value, list) else self._object(value)

    def needed(self, value: Any) -> _Reader:
        """Of what an event cannot be without."""
        read = self.reader(value)

        def needed(cells: Sequence[str]) -> Any:
            found = read(cells)
            if found is _ABSENT:
                raise BadRow(value.column, "is empty")
            return found

        return needed if isinstance(value, FromColumn) else read

    def template(self, text: str) -> Callable[[Sequence[str]], str]:
        return _filler(text, self.places)

    def _each(self, read: _Reader) -> _Reader:
        def each(cells: Sequence[str]) -> list[Any]:
            assert isinstance(cells, Group), "each stands only in mappings that group rows"
            return [read(row) for row in cells.rows]

        return each

    def _list(self, values: list[Any]) -> _Reader:
        readers = [self.reader(value) for value in values]

        def read(cells: Sequence[str]) -> Any:
            found = [reader(cells) for reader in readers]
            return _ABSENT if _ABSENT in found else found

        return read

    def _object(self, value: dict[str, Any]) -> _Reader:
        fields = [(name, self.reader(inner)) for name, inner in value.items()]
        return lambda cells: {name: found for name, read in fields if (found := read(cells)) is not _ABSENT}

    def _column(self, wanted: FromColumn) -> _Reader:
        place, read = self.places[wanted.column], self._cell(wanted)

        def cell(cells: Sequence[str]) -> Any:
            try:
                return read(cells[place].strip())
            except ValueError as error:
                raise BadRow(wanted.column, str(error)) from None

        return cell

    def _cell(self, wanted: FromColumn) -> Callable[[str], Any]:
        """A cell's text as the wanted kind; ValueError says what is wrong with it."""
        read, empty = _kind(wanted, self.zone), wanted.default if wanted.default is not None else _ABSENT
        values: Cells[str, Any] = self.lookups[wanted.lookup].found if wanted.lookup else wanted.values
        file = self.lookups[wanted.lookup].file if wanted.lookup else None

        def cell(text: str) -> Any:
            if values:
                found = values.get(text, text)
                if not isinstance(found, str):
                    return found
                if file is not None and text and text not in values:
                    raise ValueError(f'"{excerpt(text, 40)}" is not in {file}')
                text = found
            if text:
                return read(text)
            if wanted.required:
                raise ValueError("is empty")
            return empty

        return cell


def _filler(text: str, places: Cells[str, int]) -> Callable[[Sequence[str]], str]:
    # Split by a pattern with a group: texts and columns take turns.
    pieces = PLACEHOLDER.split(text)
    texts, columns = pieces[::2], [(name, places[name]) for name in pieces[1::2]]

    def fill(cells: Sequence[str]) -> str:
        filled = [texts[0]]
        for (name, place), after in zip(columns, texts[1:], strict=True):
            cell = cells[place].strip()
            if not cell:
                raise BadRow(name, "is empty")
            filled += (cell, after)
        return "".join(filled)

    return fill


def _kind(wanted: FromColumn, zone: ZoneInfo) -> Callable[[str], Any]:
    if wanted.kind in ("date", "start_of_day", "instant"):
        # Cached: strptime is slow, and the rows of an export share their dates.
        return lru_cache(maxsize=8192)(lambda text: _read_moment(wanted, _moment(text, wanted.format), zone))
    if wanted.kind in ("decimal", "integer", "number"):
        return lambda text: _read_number(wanted, text)
    return _boolean if wanted.kind == "boolean" else str


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


def _moment(text: str, format_: str | None) -> datetime:
    if format_ is None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f'"{excerpt(text, 40)}" is no ISO 8601 date or time') from None
    try:
        moment = datetime.strptime(text, format_)  # noqa: DTZ007  # the zone is the company's, given by the caller
    except ValueError:
        if not _ISO.fullmatch(text):
            raise ValueError(f'"{excerpt(text, 40)}" does not fit the format {format_}') from None
        # A workbook's date cells, whatever they look like there.
        moment = datetime.fromisoformat(text)
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
        if isinstance(value, FromEach) and part.isdigit():
            value = value.each
        elif isinstance(value, dict) and part in value:
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
