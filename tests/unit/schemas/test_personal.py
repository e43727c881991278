"""Personal fields are known from the models. They may be sealed, and nothing else may."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codec import InvalidEvent, decode, encode, parse
from schemas.events import CUSTOMER_EVENTS, PREFIX
from schemas.fields import MAX_SEALED_CHARS, SEALED, TEXT_CHARS, is_sealed
from schemas.personal import PERSONAL, Place, sealed_in
from services.common.sealing import Context, CustomerKey, new_key
from services.ingest.sealing import with_values
from services.rules.entries import NOT_KEPT
from tests.unit.schemas.examples import DATA, example

EXAMPLE = SEALED + "Az09_-" * 5
PLACES = [(kind, place) for kind, places in PERSONAL.items() for place in places]


def with_value(kind: str, place: Place, value: Any) -> dict[str, Any]:
    return with_values(example(kind.removeprefix(PREFIX)), {place: value})


def refused(document: dict[str, Any]) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse(document)
    return caught.value


def test_personal_are_the_details_of_contacts_and_whatever_somebody_wrote() -> None:
    assert {place.path for _, place in PLACES} == {
        *(f"data.details.{name}" for name in ("name", "title", "email", "phone", "im")),
        *("data.note", "data.text", "data.reason", "data.about", "data.headline"),
    }


def test_free_text_of_every_event_is_personal() -> None:
    """Whoever adds an event with a Text in it must mark it, or say here why not."""
    for kind, model in CUSTOMER_EVENTS.items():
        for name, field in model.model_json_schema()["properties"].items():
            limits = [field.get("maxLength"), *(one.get("maxLength") for one in field.get("anyOf", ()))]
            personal = Place(None, name) in PERSONAL.get(PREFIX + kind, ())
            assert TEXT_CHARS not in limits or personal, (kind, name)


def test_no_rule_can_read_what_is_personal() -> None:
    assert {place.inside or place.name for _, place in PLACES} <= NOT_KEPT


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_a_personal_field_may_be_sealed(kind: str, place: Place) -> None:
    document = with_value(kind, place, EXAMPLE)
    event = parse(document)
    assert decode(encode(event)) == event
    assert sealed_in(kind, document["data"]) == 1


@pytest.mark.parametrize(("kind", "place"), PLACES)
@pytest.mark.parametrize("value", [SEALED, SEALED + "?" * 30, SEALED + "A" * 21, EXAMPLE + "\n", EXAMPLE + " "])
def test_what_only_looks_sealed_is_refused(kind: str, place: Place, value: str) -> None:
    error = refused(with_value(kind, place, value))
    assert (error.code, error.errors[0].field) == ("invalid", place.path)


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_what_is_not_sealed_has_the_bounds_it_always_had(kind: str, place: Place) -> None:
    shortest, longest = (1, 200) if place.inside or place.name == "headline" else (0, 4000)
    for sound in ("x" * longest, "涛" * longest, "x" * shortest):
        parse(with_value(kind, place, sound))
    for wrong in ("x" * (longest + 1), *([""] if shortest else []), 5, ["x"], {"x": "y"}):
        assert refused(with_value(kind, place, wrong)).errors[0].field == place.path


def test_the_longest_text_fits_when_it_is_sealed() -> None:
    sealed = CustomerKey(new_key()).seal(Context("C", "s", "i", "data.note"), "😀" * TEXT_CHARS)
    assert is_sealed(sealed)
    assert len(sealed) <= MAX_SEALED_CHARS <= len(sealed) + 2
    assert not is_sealed(sealed + "AAA")


MISPLACED: list[tuple[str, dict[str, Any]]] = [
    ("subject", example("promise.made", subject=EXAMPLE)),
    ("id", example("promise.made", id=EXAMPLE)),
    ("data.topic", example("feedback.raised", data={**DATA["feedback.raised"], "topic": EXAMPLE})),
    ("data.fields.ceo", example("profile.updated", data={"section": "basic", "fields": {"ceo": EXAMPLE}})),
    ("data.with.1", example("activity.logged", data={**DATA["activity.logged"], "with": ["lin", EXAMPLE]})),
    ("data.unknown.text", example("feedback.raised", data={**DATA["feedback.raised"], "unknown": {"text": EXAMPLE}})),
    (f"data.{EXAMPLE}", example("feedback.raised", data={**DATA["feedback.raised"], EXAMPLE: "x"})),
    ("data.note", example("promise.made", data={**DATA["promise.made"], "note": EXAMPLE})),
    ("data.campaign", example("promotion.announced", data={**DATA["promotion.announced"], "campaign": EXAMPLE})),
]


@pytest.mark.parametrize(("path", "document"), MISPLACED, ids=[path[:20] for path, _ in MISPLACED])
def test_nothing_else_may_be_sealed(path: str, document: dict[str, Any]) -> None:
    error = refused(document)
    assert (error.code, [one.field for one in error.errors]) == ("sealed", [path])
