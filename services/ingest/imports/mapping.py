"""PURE what a mapping file may say. A mapping tells how one row of an export becomes events; it holds no code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator
from typing_extensions import TypeAliasType

from schemas.events import CUSTOMER_EVENTS, PREFIX, REFERENCE_EVENTS
from schemas.fields import EventId, Slug
from services.common.errors import UserError

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|"}

ValueKind = Literal["text", "decimal", "integer", "number", "boolean", "date", "start_of_day", "instant"]
_WITH_FORMAT = ("date", "start_of_day", "instant")


class BadMapping(UserError):
    """A mapping file that cannot be used; the message names the file and every place in it that is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FromColumn(_Strict):
    """The cell of a column, read as `as`.

    Attributes:
        format: strptime format of a date or instant; without it ISO 8601 is read. An instant without an offset, and
            the start of a day, are in the company's zone.
        required: an empty cell refuses the row; otherwise the field is left out, or is `default`.
        values: what a cell means, looked up before `as` reads it; a cell that is not listed stays as it is.
        lookup: the name of a lookup of the mapping, which stands for `values` out of a file; a cell that is not in it
            refuses the row.
        thousands: removed from a number; decimal_point: what stands for the point in it.
    """

    column: str
    kind: Annotated[ValueKind, Field(alias="as")] = "text"
    format: str | None = None
    required: bool = True
    default: Any = None
    values: dict[str, Any] = {}
    lookup: Slug | None = None
    thousands: Annotated[str, Field(max_length=1)] = ""
    decimal_point: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _fits(self) -> FromColumn:
        if self.format is not None and self.kind not in _WITH_FORMAT:
            raise ValueError(f"format belongs to {', '.join(_WITH_FORMAT)}, not to {self.kind}")
        if self.default is not None and self.required:
            raise ValueError("a default needs required: false")
        if self.values and self.lookup is not None:
            raise ValueError("give either values or lookup")
        return self


class FromConstant(_Strict):
    """The same value in every row."""

    constant: Any


class FromTemplate(_Strict):
    """Text with columns in braces: "inv-{invoiceNumber}"."""

    template: str


class FromEach(_Strict):
    """A list with one element for each row of a group."""

    each: dict[str, Value]


def _shape(raw: Any) -> str:
    if isinstance(raw, FromColumn | FromConstant | FromTemplate | FromEach):
        return next(iter(type(raw).model_fields))
    if isinstance(raw, list):
        return "list"
    for name in ("column", "constant", "template", "each"):
        if isinstance(raw, dict) and name in raw:
            return name
    return "object"


if TYPE_CHECKING:
    # mypy does not resolve an alias that contains itself.
    Value = Any
else:
    # A named alias, since it contains itself: pydantic would unfold a plain one for ever.
    Value = TypeAliasType(
        "Value",
        Annotated[
            Annotated[FromColumn, Tag("column")]
            | Annotated[FromConstant, Tag("constant")]
            | Annotated[FromTemplate, Tag("template")]
            | Annotated[FromEach, Tag("each")]
            | Annotated[list["Value"], Tag("list")]
            | Annotated[dict[str, "Value"], Tag("object")],
            Discriminator(_shape),
        ],
    )


class When(_Strict):
    """A condition on one column: exactly one of the tests. Cells are compared without the space around them."""

    column: str
    equals: str | None = None
    one_of: list[str] | None = None
    empty: bool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> When:
        if sum(test is not None for test in (self.equals, self.one_of, self.empty)) != 1:
            raise ValueError('give exactly one of equals, one_of and empty (quote YAML words: equals: "Yes")')
        return self


class EventMapping(_Strict):
    """One event of a row, made when every condition of `when` holds.

    `id` is a template whose columns name the event for ever: the same row gives the same id again, so that a second
    import is recognised.
    """

    type: str
    id: str
    subject: Value | None = None
    time: FromColumn
    when: list[When] = []
    data: dict[str, Value]

    @field_validator("when", mode="before")
    @classmethod
    def _one_or_more(cls, raw: Any) -> Any:
        return [raw] if isinstance(raw, dict) else raw

    @model_validator(mode="after")
    def _known(self) -> EventMapping:
        kind = self.type.removeprefix(PREFIX)
        if kind not in CUSTOMER_EVENTS and kind not in REFERENCE_EVENTS:
            raise ValueError(f'type: "{self.type}" is no event type')
        if (self.subject is None) == (kind in CUSTOMER_EVENTS):
            raise ValueError("an event of a customer needs a subject, one of no customer has none")
        if self.time.kind not in ("start_of_day", "instant"):
            raise ValueError("time is read as start_of_day or instant")
        if not PLACEHOLDER.search(self.id):
            raise ValueError("id must contain a column in braces, or every row would give the same id")
        self._refuse_unknown_fields(kind)
        return self

    def _refuse_unknown_fields(self, kind: str) -> None:
        unknown = list(_unknown_fields({**CUSTOMER_EVENTS, **REFERENCE_EVENTS}[kind], self.data, "data."))
        if unknown:
            raise ValueError(f"{kind} has no {', '.join(unknown)}")


class Lookup(_Strict):
    """A CSV file (UTF-8, beside the mapping) that says what a cell means: its column `key` is looked for, and the cell
    of its column `value` is what is found. `found` is what was read of it."""

    file: str
    key: str
    value: str
    found: dict[str, str] = {}


class Snapshot(_Strict):
    """How lists of open items are compared, each with the one before.

    Attributes:
        item: template that names an item, which stands once in a list.
        missing: what it means that an item is gone: nothing is said of it, or it counts as settled.
        settled: the event that settles an item that is gone. It reads the columns of the item's last row, and the
            column SNAPSHOT_DATE, the day of the list in which it is missing.
    """

    item: str
    missing: Literal["nothing", "settled"] = "nothing"
    settled: EventMapping | None = None

    @model_validator(mode="after")
    def _fits(self) -> Snapshot:
        if not PLACEHOLDER.search(self.item):
            raise ValueError("item must contain a column in braces")
        if (self.missing == "settled") != (self.settled is not None):
            raise ValueError("missing: settled needs settled, the event that says so, and only then there is one")
        return self


SNAPSHOT_DATE = "snapshot_date"
"""A column that every row of a settled item has, without being in the file: the day of the list, as YYYY-MM-DD."""


class Mapping(_Strict):
    """How the rows of one export become events.

    Attributes:
        headings: what a column may be called in a file, by the name that the mapping uses for it.
        sheet: of a workbook; without it, its first one that is visible.
        group_by: template; rows on end for which it is the same make their events together. What is no list of `each`
            of them is read from the first.
    """

    name: Slug
    description: str = ""
    source: EventId
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    separator: Literal[",", ";", "tab", "|"] = ","
    sheet: str | None = None
    headings: dict[str, list[str]] = {}
    lookups: dict[Slug, Lookup] = {}
    group_by: str | None = None
    events: Annotated[list[EventMapping], Field(min_length=1, max_length=50)]
    snapshot: Snapshot | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Mapping:
        names = [name for names in self.headings.values() for name in names]
        if len(set(names)) < len(names):
            raise ValueError("headings gives one heading to two columns")
        used = {column.lookup for event in self._all_events() for column in _columns_of(event)} - {None}
        if used - set(self.lookups):
            raise ValueError(f"lookups lacks {', '.join(sorted(map(str, used - set(self.lookups))))}")
        grouped = any(isinstance(leaf, FromEach) for event in self._all_events() for leaf in _leaves(event.data))
        if grouped != (self.group_by is not None) or (grouped and self.snapshot):
            raise ValueError("each and group_by go together, and without snapshot")
        return self

    def columns(self) -> list[str]:
        """Every column that is read, in the order of first use."""
        names = dict.fromkeys(name for event in self._all_events() for name in _event_columns(event))
        names.update(dict.fromkeys(placeholders(self.group_by or "")))
        if self.snapshot is not None:
            names.update(dict.fromkeys(placeholders(self.snapshot.item)))
            names.pop(SNAPSHOT_DATE, None)
        return list(names)

    def canonical(self, heading: str) -> str:
        """The mapping's own name for a heading of a file."""
        return next((name for name, headings in self.headings.items() if heading in headings), heading)

    def _all_events(self) -> list[EventMapping]:
        settled = self.snapshot.settled if self.snapshot is not None else None
        return [*self.events, settled] if settled is not None else self.events


def parse_mapping(document: Any, where: str) -> Mapping:
    """Check a parsed YAML document. Raises BadMapping with every fault; `where` names the file."""
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        faults = "\n".join(f"  {_place(item['loc'])}: {_sentence(item['msg'])}" for item in error.errors())
        raise BadMapping(f"the mapping {where} cannot be used:\n{faults}") from None


def placeholders(template: str) -> list[str]:
    """The columns in a template."""
    return PLACEHOLDER.findall(template)


def _event_columns(event: EventMapping) -> Iterator[str]:
    yield from placeholders(event.id)
    yield from _value_columns([value for value in (event.subject, event.time) if value is not None])
    yield from (condition.column for condition in event.when)
    yield from _value_columns(event.data)


def _value_columns(value: Any) -> Iterator[str]:
    for leaf in _leaves(value):
        if isinstance(leaf, FromColumn):
            yield leaf.column
        elif isinstance(leaf, FromTemplate):
            yield from placeholders(leaf.template)


def _columns_of(event: EventMapping) -> Iterator[FromColumn]:
    return (leaf for leaf in _leaves([event.subject, event.time, event.data]) if isinstance(leaf, FromColumn))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, FromEach):
        yield value
        yield from _leaves(value.each)
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


def _unknown_fields(model: type[BaseModel], value: Any, path: str) -> Iterator[str]:
    """Paths in a mapping's data that the event's model does not know."""
    if isinstance(value, FromEach):
        yield from _unknown_fields(model, value.each, path)
    elif isinstance(value, list):
        for inner in value:
            yield from _unknown_fields(model, inner, path)
    elif isinstance(value, dict):
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        for name, inner in value.items():
            inside = next(_models_in(fields.get(name)), None)
            if name not in fields:
                yield path + name
            elif inside is not None:
                yield from _unknown_fields(inside, inner, f"{path}{name}.")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


_TAGS = ("column", "constant", "template", "each", "list", "object")


def _place(location: tuple[int | str, ...]) -> str:
    """A path a reader finds in the file: the tags that pydantic adds for the union are left out."""
    parts = [
        str(part)
        for index, part in enumerate(location)
        if part not in _TAGS or (index == len(location) - 1 and part == "column")
    ]
    return ".".join(parts) or "the file"


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")
