"""A reader is made of no schema that says anything a reader does not know."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    computed_field,
    field_validator,
    model_validator,
)

from schemas.fields import Amount, Day, Identifier, Instant, Slug, Wire
from services.rules import readers
from services.rules.readers import NoReader, Reader


class Part(Wire):
    amount: Amount


class Sound(Wire):
    name: Identifier
    from_: Annotated[Slug | None, Field(alias="from")] = None
    parts: Annotated[list[Part], Field(max_length=3)] = []
    mode: Literal["a", "b"] = "b"
    day: Day | None = None
    at: Instant | None = None


def reader(model: type[Wire]) -> Reader:
    return Reader(model.__pydantic_core_schema__)


def unsound(annotation: Any, default: Any = ..., name: str = "odd") -> type[Wire]:
    """A model with one field."""
    return type(
        "Unsound", (Wire,), {"__annotations__": {name: annotation}, **({} if default is ... else {name: default})}
    )


def test_a_reader_gives_the_fields_in_the_models_order_with_defaults_and_without_nulls() -> None:
    said = reader(Sound).read({"day": "1970-01-02", "from": None, "name": "n", "parts": [{"amount": "1"}], "x": {}})
    assert list(said.items()) == [("name", "n"), ("parts", [{"amount": "1"}]), ("mode", "b"), ("day", 719164)]


def test_every_document_gets_its_own_empty_list() -> None:
    one = reader(Sound)
    assert one.read({"name": "a"})["parts"] is not one.read({"name": "b"})["parts"]


def test_long_names_and_very_many_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_PLANS", 3)
    one = reader(Sound)
    for number in range(10):
        one.read({"name": "n", f"x{number}": 1, "y" * readers.MOST_CHARS: 1})
    assert len(one._plans) == 0
    for number in range(10):
        one.read({"name": "n", f"x{number}": 1})
    assert len(one._plans) == 3


@pytest.mark.parametrize(
    "model",
    [
        unsound(Annotated[int, Field(gt=0, le=5)]),
        unsound(int),
        unsound(Annotated[int, Field(ge=0, le=6, multiple_of=2)]),
        unsound(Annotated[str, StringConstraints(to_lower=True)]),
        unsound(Annotated[str, StringConstraints(strip_whitespace=True)]),
        unsound(Annotated[str, StringConstraints(pattern="[a-z]+")]),
        unsound(Annotated[str, AfterValidator(str.upper)]),
        unsound(Annotated[str, PlainSerializer(str.upper)]),
        unsound(Annotated[list[str], AfterValidator(sorted)]),
        unsound(list[str]),
        unsound(Literal["a", 1]),
        unsound(str | int),
        unsound(Decimal),
        unsound(str, default=None),
        unsound(str | None),
        unsound(str | None, default="a"),
        unsound(list[str], default=Field(default_factory=list)),
        unsound(str, default=Field(alias="in", serialization_alias="out")),
        unsound(str, default=Field(validation_alias=AliasChoices("a", "b"))),
        unsound(dict[str, str]),
        unsound(dict[str, list[str]], name="fields"),
        unsound(Part, name="fields"),
        unsound(Any),
    ],
)
def test_of_a_field_with_more_than_a_reader_knows_none_is_made(model: type[Wire]) -> None:
    with pytest.raises(NoReader):
        reader(model)


class Checked(Wire):
    name: str

    @model_validator(mode="after")
    def _is_odd(self) -> Checked:
        return self


class CheckedBefore(Wire):
    name: str

    @model_validator(mode="before")
    @classmethod
    def _is_odd(cls, raw: Any) -> Any:
        return raw


class FieldChecked(Wire):
    name: str

    @field_validator("name")
    @classmethod
    def _is_odd(cls, value: str) -> str:
        return value


class Computed(Wire):
    name: str

    @computed_field
    def twice(self) -> str:
        return self.name * 2


class Lax(Wire):
    model_config = ConfigDict(strict=False)
    name: str


class Closed(Wire):
    model_config = ConfigDict(extra="forbid")
    name: str


@pytest.mark.parametrize("model", [Checked, CheckedBefore, FieldChecked, Computed, Lax, Closed])
def test_of_a_model_with_more_than_a_reader_knows_none_is_made(model: type[Wire]) -> None:
    with pytest.raises(NoReader):
        reader(model)
