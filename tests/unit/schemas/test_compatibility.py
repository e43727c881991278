"""A changed model either keeps the last release's promises, or the breach is told with its place and its kind."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, StringConstraints, create_model

from schemas import contracts, events, finance, people
from schemas.cases import CaseEvent
from schemas.compatibility import Breach, Break, breaches, judge
from schemas.contracts import promises
from schemas.customers import CustomerSnapshot
from schemas.fields import AmountOrZero, Identifier, Instant, Label, Wire
from schemas.narrowing import UnknownKeyword, losses
from schemas.warnings import Warning

Mutant = Callable[[pytest.MonkeyPatch], None]


def without(model: type[BaseModel], gone: str) -> type[BaseModel]:
    """The model as it would be had somebody deleted the field."""
    kept: Any = {name: (field.annotation, field) for name, field in model.model_fields.items() if name != gone}
    return create_model(model.__name__, __base__=Wire, __doc__=model.__doc__, **kept)


def with_field(model: type[BaseModel], name: str, annotation: Any, *default: Any) -> type[BaseModel]:
    """The model with another field, or with another annotation of one that is there."""
    changed: Any = {name: (annotation, default[0] if default else ...)}
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **changed)


def of_an_event(kind: str, data: type[BaseModel]) -> Mutant:
    def put(patch: pytest.MonkeyPatch) -> None:
        base = events.CustomerEvent if kind in events.CUSTOMER_EVENTS else events.ReferenceEvent
        name = f"bellwether.{kind}"
        patch.setattr(contracts, "EVENT_MODELS", {**events.EVENT_MODELS, name: events._model(base, kind, data)})  # type: ignore[arg-type]

    return put


def in_contracts(name: str, model: type[BaseModel]) -> Mutant:
    return lambda patch: patch.setattr(contracts, name, model)


def removed(name: str) -> Mutant:
    left = {kind: model for kind, model in events.EVENT_MODELS.items() if kind != name}
    return lambda patch: patch.setattr(contracts, "EVENT_MODELS", left)


def found_by(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> list[Breach]:
    before = promises()
    with monkeypatch.context() as patch:
        mutant(patch)
        return breaches(before, promises())


def names(found: list[Breach]) -> list[str]:
    return sorted({breach.name for breach in found})


OPENED = "bellwether.service_case.opened"
PLACED = "bellwether.order.placed"
opened = events.CUSTOMER_EVENTS["service_case.opened"]


class WiderLine(finance.OrderLine):
    unit_price: AmountOrZero | None = None  # type: ignore[assignment]


class NarrowLine(finance.OrderLine):
    quantity: Annotated[str, StringConstraints(pattern=r"^[0-9]+$")]  # type: ignore[assignment]


REFUSED: dict[str, tuple[Mutant, list[str]]] = {
    "an event is gone": (removed(OPENED), ["bellwether.retraction type narrowed", f"{OPENED} message-removed"]),
    "a field is gone": (
        of_an_event("service_case.opened", without(opened, "topic")),
        [f"{OPENED} data.topic field-removed"],
    ),
    "a field has another name": (
        of_an_event("service_case.opened", with_field(without(opened, "case_id"), "case", Identifier)),
        [f"{OPENED} data.case field-required", f"{OPENED} data.case_id field-removed"],
    ),
    "a new field is required": (
        of_an_event("service_case.opened", with_field(opened, "desk", Label)),
        [f"{OPENED} data.desk field-required"],
    ),
    "an optional field is required": (
        of_an_event("service_case.opened", with_field(opened, "at", Instant)),
        [f"{OPENED} data.at field-required", f"{OPENED} data.at narrowed"],
    ),
    "an enum has a value less": (
        of_an_event("service_case.opened", with_field(opened, "priority", Literal["P1", "P2", "P3"])),
        [f"{OPENED} data.priority narrowed"],
    ),
    "an open text has become an enum": (
        of_an_event("service_case.opened", with_field(opened, "topic", Literal["noise"] | None, None)),
        [f"{OPENED} data.topic narrowed"],
    ),
    "a text must be shorter": (
        of_an_event(
            "service_case.opened",
            with_field(opened, "topic", Annotated[str, StringConstraints(min_length=1, max_length=50)] | None, None),
        ),
        [f"{OPENED} data.topic narrowed"],
    ),
    "a text has become a number": (
        of_an_event("service_case.opened", with_field(opened, "case_id", int)),
        [f"{OPENED} data.case_id narrowed"],
    ),
    "a number's range is smaller": (
        of_an_event(
            "survey.answered",
            with_field(people.SurveyAnswered, "nps", Annotated[int, Field(ge=1, le=10)] | None, None),
        ),
        ["bellwether.survey.answered data.nps narrowed"],
    ),
    "a list is shorter": (
        of_an_event(
            "order.placed",
            with_field(
                finance.OrderPlaced, "lines", Annotated[list[finance.OrderLine], Field(min_length=1, max_length=9)]
            ),
        ),
        [f"{PLACED} data.lines narrowed"],
    ),
    "what a list holds is narrower": (
        of_an_event(
            "order.placed",
            with_field(finance.OrderPlaced, "lines", Annotated[list[NarrowLine], Field(min_length=1, max_length=1000)]),
        ),
        [f"{PLACED} data.lines[].quantity narrowed"],
    ),
    "another default": (
        of_an_event(
            "contact.changed",
            with_field(people.ContactChanged, "certainty", Literal["announced", "rumoured"], "rumoured"),
        ),
        ["bellwether.contact.changed data.certainty default"],
    ),
    "names in a mapping are narrower": (
        in_contracts(
            "CustomerSnapshot",
            with_field(CustomerSnapshot, "cut", dict[Annotated[str, StringConstraints(pattern="^[a-z]$")], int], {}),
        ),
        ["customer-snapshot cut.* narrowed", "customer-snapshot cut.* widened"],
    ),
    "readers of warnings miss a field": (
        in_contracts("Warning", without(Warning, "subject")),
        ["warning subject field-removed"],
    ),
    "readers of warnings count on a field": (
        in_contracts("Warning", with_field(Warning, "advice", Label | None, None)),
        ["warning advice field-not-always-sent", "warning advice narrowed", "warning advice widened"],
    ),
    "readers of warnings do not know a severity": (
        in_contracts("Warning", with_field(Warning, "severity", Literal["low", "medium", "high", "critical", "dire"])),
        ["warning severity widened"],
    ),
    "warnings from before lack a field": (
        in_contracts("Warning", with_field(Warning, "desk", Label)),
        ["warning desk field-required"],
    ),
    "readers of cases do not know a type": (
        in_contracts("CaseEvent", with_field(CaseEvent, "type", Literal["case.opened", "case.sold"])),
        ["case-event type widened"],
    ),
    "readers of cases get longer notes": (
        in_contracts("CaseEvent", with_field(CaseEvent, "department", str | None, None)),
        ["case-event department widened"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_breaking_change_is_refused_with_its_place_and_kind(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant, expected = REFUSED[what]
    found = found_by(mutant, monkeypatch)
    assert names(found) == expected
    assert all(breach.advice and breach.says for breach in found)


KEPT: dict[str, Mutant] = {
    "nothing": lambda _patch: None,
    "a new optional field": of_an_event("service_case.opened", with_field(opened, "desk", Label | None, None)),
    "an enum takes more": of_an_event(
        "service_case.opened", with_field(opened, "priority", Literal["P1", "P2", "P3", "P4", "P5"])
    ),
    "a required field is optional": of_an_event("service_case.opened", with_field(opened, "case_id", Identifier, "?")),
    "null is taken too": of_an_event("service_case.opened", with_field(opened, "case_id", Identifier | None)),
    "a wider text": of_an_event("service_case.opened", with_field(opened, "topic", str | None, None)),
    "lines may lack what they had": of_an_event(
        "order.placed",
        with_field(finance.OrderPlaced, "lines", Annotated[list[WiderLine], Field(min_length=1, max_length=2000)]),
    ),
    "warnings tell more": in_contracts("Warning", with_field(Warning, "desk", Label | None, None)),
    "cases tell more, always": in_contracts("CaseEvent", with_field(CaseEvent, "desk", Label)),
    "cases tell fewer types": in_contracts("CaseEvent", with_field(CaseEvent, "type", Literal["case.opened"])),
    "cases' notes are shorter": in_contracts(
        "CaseEvent", with_field(CaseEvent, "note", Annotated[str, StringConstraints(max_length=9)] | None, None)
    ),
    "a personal field is marked": of_an_event(
        "service_case.opened",
        with_field(
            opened,
            "topic",
            Annotated[str, StringConstraints(min_length=1, max_length=200), Field(json_schema_extra={"x-personal": 1})]
            | dict[str, str]
            | None,
            None,
        ),
    ),
}


@pytest.mark.parametrize("what", KEPT)
def test_a_change_that_hurts_nobody_is_taken(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_by(KEPT[what], monkeypatch) == []


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object with fields in a schema, with where it stands in the schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
            yield path, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from objects(inner, f"{path}/{number}")


PROMISED = promises()


def changed(name: str, path: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The promises after a change to one object; the rest is shared with the original."""
    message = {**PROMISED["messages"][name], "schema": copy.deepcopy(PROMISED["messages"][name]["schema"])}
    change(dict(objects(message["schema"]))[path])
    return {**PROMISED, "messages": {**PROMISED["messages"], name: message}}


def kinds(name: str, new: dict[str, Any]) -> set[tuple[str, Break]]:
    before = {"channels": {}, "messages": {name: PROMISED["messages"][name]}}
    after = {"channels": {}, "messages": {name: new["messages"][name]}}
    return {(breach.path.rsplit(".", 1)[-1].removesuffix("[]"), breach.kind) for breach in breaches(before, after)}


def drop(field: str, it: dict[str, Any]) -> None:
    del it["properties"][field]


def replace(field: str, it: dict[str, Any]) -> None:
    it["properties"][field] = {"const": "#"}


def require(field: str, it: dict[str, Any]) -> None:
    it["required"] = [*it.get("required", []), field]


def relax(field: str, it: dict[str, Any]) -> None:
    it["required"].remove(field)


@pytest.mark.parametrize("name", sorted(PROMISED["messages"]))
def test_no_field_of_any_message_goes_or_becomes_required_or_another_type_unseen(name: str) -> None:
    message = PROMISED["messages"][name]
    places = [(path, field, found) for path, found in objects(message["schema"]) for field in found["properties"]]
    assert places
    for path, field, found in places:
        assert (field, Break.FIELD_REMOVED) in kinds(name, changed(name, path, partial(drop, field)))
        assert field in {of for of, _ in kinds(name, changed(name, path, partial(replace, field)))}
        required = field in found.get("required", ())
        if message["read"] and not required:
            assert (field, Break.FIELD_REQUIRED) in kinds(name, changed(name, path, partial(require, field)))
        if message["told"] and required:
            assert (field, Break.FIELD_NOT_ALWAYS_SENT) in kinds(name, changed(name, path, partial(relax, field)))


def test_a_topic_that_goes_or_changes_its_key_is_told() -> None:
    other = {**PROMISED["channels"], "cases": {**PROMISED["channels"]["cases"], "key": "case_id"}}
    del other["rulebook"]
    found = breaches(PROMISED, {**PROMISED, "channels": other})
    assert names(found) == ["cases key channel", "rulebook channel"]


def test_a_message_on_another_topic_is_told() -> None:
    moved = {**PROMISED["messages"]["case-event"], "channel": "warnings"}
    found = breaches(PROMISED, {**PROMISED, "messages": {**PROMISED["messages"], "case-event": moved}})
    assert names(found) == ["case-event message-moved"]


@pytest.mark.parametrize(("told", "expected"), [(True, ["case-new message-added"]), (False, [])])
def test_a_new_message_is_news_to_readers_and_not_to_senders(told: bool, expected: list[str]) -> None:
    new = {**PROMISED["messages"]["case-event"], "told": told}
    found = breaches(PROMISED, {**PROMISED, "messages": {**PROMISED["messages"], "case-new": new}})
    assert names(found) == expected


def test_what_was_agreed_on_is_let_through_and_what_no_longer_happens_must_go() -> None:
    new = {**PROMISED, "messages": {name: m for name, m in PROMISED["messages"].items() if name != "rulebook"}}
    assert not judge(PROMISED, new).good
    agreed = judge(PROMISED, new, ["rulebook message-removed"])
    assert agreed.good
    assert [breach.name for breach in agreed.allowed] == ["rulebook message-removed"]
    stale = judge(PROMISED, PROMISED, ["rulebook message-removed"])
    assert (stale.good, stale.stale) == (False, ["rulebook message-removed"])


def test_a_condition_that_changed_is_refused_for_nobody_can_say_which_is_wider() -> None:
    def loosen(it: dict[str, Any]) -> None:
        it["oneOf"] = it["oneOf"][:1]

    new = changed("bellwether.invoice.issued", "/$defs/InvoiceIssued", loosen)
    assert kinds("bellwether.invoice.issued", new) == {("data", Break.NARROWED)}


TREE = {
    "$defs": {"Node": {"type": "object", "properties": {"of": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}},
    "$ref": "#/$defs/Node",
}


def test_a_tree_in_itself_is_looked_through_once() -> None:
    smaller = copy.deepcopy(TREE)
    smaller["$defs"]["Node"]["properties"]["of"]["maxItems"] = 2  # type: ignore[index]
    assert losses(wide=TREE, narrow=TREE) == []
    assert losses(wide=TREE, narrow=smaller) == []
    assert [loss.path for loss in losses(wide=smaller, narrow=TREE)] == ["of"]


def test_a_keyword_that_nobody_taught_is_an_error_and_not_a_yes() -> None:
    odd = {"type": "string", "contentEncoding": "base64"}
    with pytest.raises(UnknownKeyword, match="contentEncoding"):
        losses(wide={"type": "string"}, narrow=odd)
