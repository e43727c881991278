"""What was known of people is gathered from events and letters, and is found wherever it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.personal import PERSONAL, Place
from services.forgetting.traces import Search, Values, gather
from services.ingest.sealing import with_values
from tests.unit.schemas.examples import DATA, DETAILS, example

SEALED = "sealed:1:" + "A" * 30


def opener(document: Mapping[str, Any], place: Place, sealed: str) -> str | None:
    return f"opened {place.path} of {document['subject']}" if sealed == SEALED else None


def gathered(*bodies: bytes | None) -> Values:
    values = Values()
    for body in bodies:
        gather(body, its, values, opener)
    return values


def its(source: object, subject: str) -> bool:
    return subject == "C001" or (source, subject) == ("erp", "X-1")


def test_every_personal_field_is_gathered() -> None:
    values = gathered(*(orjson.dumps(example(kind)) for kind in DATA))
    assert values.known.keys() == {place.path for places in PERSONAL.values() for place in places}
    assert values.known["data.details.phone"] == {DETAILS["phone"]}
    assert values.closed == 0


def test_sealed_ones_are_opened_or_counted() -> None:
    place = Place("details", "phone")
    sealed = (with_values(example("contact.changed"), {place: text}) for text in (SEALED, SEALED + "A"))
    values = gathered(*map(orjson.dumps, sealed))
    assert values.known[place.path] == {"opened data.details.phone of C001"}
    assert (values.opened, values.closed) == (1, 1)


def test_what_a_source_says_under_an_id_of_its_own_is_gathered_too() -> None:
    body = orjson.dumps(example("contact.changed", source="erp", subject="X-1"))
    assert gathered(body).known["data.details.phone"] == {DETAILS["phone"]}
    assert gathered(orjson.dumps(example("contact.changed", source="crm", subject="X-1"))) == Values()


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"{",
        b"[]",
        b'{"subject":"C001"}',
        orjson.dumps(example("contact.changed", subject="C002")),
        orjson.dumps(example("contact.changed", subject=["C001"])),
        orjson.dumps(example("contact.changed", type=["contact.changed"])),
        orjson.dumps(example("contact.changed", data=5)),
        orjson.dumps(example("contact.changed", data={"details": {"name": 5, "phone": None, "im": ""}})),
    ],
)
def test_anything_else_says_nothing(body: bytes | None) -> None:
    assert gathered(body) == Values()


@given(st.text(min_size=2))
def test_a_value_is_found_as_it_is_and_as_json_writes_it(value: str) -> None:
    search = Search([value])
    assert search.finds(b"before " + value.encode("utf-8", "surrogatepass") + b" after")
    assert search.finds(json.dumps({"a": value}).encode())
    assert search.finds(None, b"", json.dumps([value], ensure_ascii=False).encode("utf-8", "surrogatepass"))


def test_what_does_not_stand_there_is_not_found() -> None:
    assert not Search(["林涛", "13812345678"]).finds("林 涛 1381234567".encode(), b"", None)
    assert not Search([]).finds(b"anything")


@pytest.mark.parametrize(
    ("value", "told"), [("CEO", False), ("Ling", True), ("林", False), ("林涛", True), ("  x  ", False)]
)
def test_what_stands_everywhere_by_chance_is_not_searched_for(value: str, told: bool) -> None:
    values = Values()
    values.add("data.details.title", value)
    assert (value in values.searched) is told
