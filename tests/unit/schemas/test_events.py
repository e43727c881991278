"""Every event survives the wire, and what is wrong with one is said with its path."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.codec import InvalidEvent, decode, decode_binary, encode, is_binary, parse, unknown_fields
from schemas.events import CUSTOMER_EVENTS, REFERENCE_EVENTS
from tests.unit.schemas.examples import DATA, example

KINDS = sorted(CUSTOMER_EVENTS | REFERENCE_EVENTS)


def refused(document: dict[str, Any]) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse(document)
    return caught.value


def with_data(kind: str, **changes: Any) -> dict[str, Any]:
    data = {name: value for name, value in {**DATA[kind], **changes}.items() if value is not ...}
    return example(kind, data=data)


def test_there_is_an_example_of_every_event() -> None:
    assert sorted(DATA) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_gives_every_field_of_its_model(kind: str) -> None:
    data: Any = parse(example(kind)).data
    absent = set(type(data).model_fields) - data.model_fields_set
    assert absent <= {"due_date"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_the_same_after_the_wire(kind: str) -> None:
    event = parse(example(kind))
    assert decode(encode(event)) == event


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_encoded_holds_everything_that_was_sent(kind: str) -> None:
    sent = example(kind)
    wire = orjson.loads(encode(parse(sent)))
    assert wire == sent


def test_a_profile_field_that_is_cleared_stays_a_null_on_the_wire() -> None:
    cleared = with_data("profile.updated", fields={"founded": None})
    data: Any = decode(encode(parse(cleared))).data
    assert data.fields == {"founded": None}


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_of_an_example_is_unknown(kind: str) -> None:
    document = example(kind)
    assert unknown_fields(document, parse(document)) == []


def test_unknown_fields_are_named_with_their_path() -> None:
    document = example("order.placed", traceparent="00-x")
    document["data"] = {**document["data"], "lines": [{**DATA["order.placed"]["lines"][0], "colour": "red"}]}
    assert unknown_fields(document, parse(document)) == ["data.lines.0.colour", "traceparent"]


@pytest.mark.parametrize("kind", KINDS)
def test_binary_mode_is_the_same_event(kind: str) -> None:
    document = example(kind)
    headers = {f"ce_{name}": str(document[name]) for name in document if name not in ("data", "datacontenttype")}
    assert is_binary(headers)
    assert decode_binary(headers, orjson.dumps(document["data"])) == parse(document)


def test_a_broken_binary_body_still_tells_whose_it_is() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "erp"}
    with pytest.raises(InvalidEvent) as caught:
        decode_binary(headers, b"{")
    assert (caught.value.code, caught.value.event_id, caught.value.source) == ("not_json", "e-1", "erp")


def test_a_retraction_needs_no_data_and_keeps_none() -> None:
    retraction = example("contact.changed", retracted=True, supersedes="earlier", data={"name": "林涛"})
    assert b"data" not in encode(parse(retraction)).replace(b"datacontenttype", b"")


@pytest.mark.parametrize(
    ("document", "field", "reason"),
    [
        (with_data("payment.received", currency="XXY"), "data.currency", "ISO 4217"),
        (with_data("payment.received", amount=12.5), "data.amount", "decimal string"),
        (with_data("payment.received", amount="1e5"), "data.amount", "no decimal"),
        (with_data("payment.received", amount="0"), "data.amount", "greater than 0"),
        (with_data("payment.received", amount="9" * 16), "data.amount", "at most 15 digits"),
        (with_data("payment.received", amount=...), "data.amount", "required"),
        (with_data("payment.received", value_date="2026-02-30"), "data.value_date", "no date"),
        (with_data("invoice.issued", due_date="2026-05-01"), "data", "either due_date or instalments"),
        (with_data("activity.logged", automated="yes"), "data.automated", "boolean"),
        (with_data("survey.answered", nps=11), "data.nps", "less than or equal to 10"),
        (example("promise.met", time="2026-03-02"), "time", "an instant needs a time"),
        (example("promise.met", time="2026-03-02T09:00:00"), "time", "has no zone"),
        (example("promise.met", time="1026-03-02T09:00:00Z"), "time", "1970 to 2199"),
        (example("promise.met", subject="C 1"), "subject", "pattern"),
        (example("promise.met", subject=None), "subject", "string"),
        (example("rate.published", subject="C001"), "subject", "None"),
        (example("promise.met", supersedes="example-promise.met"), "event", "another event"),
        (example("promise.met", specversion="0.3"), "specversion", "1.0"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path_and_a_reason(document: dict[str, Any], field: str, reason: str) -> None:
    problem = refused(document)
    assert problem.code == "invalid"
    assert [error.field for error in problem.errors] == [field]
    assert reason in problem.errors[0].reason
    assert (problem.event_id, problem.source) == (document["id"], "tests")


def test_an_unknown_type_is_refused_with_a_hint() -> None:
    problem = refused(example("promise.met", type="promise.met"))
    assert (problem.code, problem.errors[0].field) == ("unknown_type", "type")
    assert "did you mean bellwether.promise.met?" in problem.message
