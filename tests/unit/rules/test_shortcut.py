"""The short way from bytes to what an event says takes every event that is plainly valid, and never disagrees with the
models."""

from __future__ import annotations

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.events import CUSTOMER_EVENTS, PREFIX, ReferenceEvent
from services.rules.entries import Entry, Said, entry_of, said_of
from services.rules.shortcut import KINDS, heard
from tests.unit.rules.making import CALENDAR
from tests.unit.rules.mangled import mangled
from tests.unit.schemas.examples import DATA, example

EVERY_KIND = sorted(CUSTOMER_EVENTS)


def by_the_models(raw: bytes) -> tuple[str, Said] | None:
    """The customer's id and what the event says; None for what is refused."""
    try:
        event = codec.decode(raw)
    except InvalidEvent:
        return None
    return None if isinstance(event, ReferenceEvent) else (event.subject, said_of(event))


def exactly(value: Any) -> Any:
    """A value with its types, and dicts with their order: what equal values must share to be written alike."""
    if isinstance(value, (Said, Entry)):
        return type(value), {name: exactly(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return [(exactly(key), exactly(inner)) for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [exactly(inner) for inner in value]
    return type(value), repr(value)


def require_agreement(raw: bytes) -> bool:
    """Whether the event goes the short way; then the models must have the same of it."""
    found = heard(raw)
    if found is None:
        return False
    by_model = by_the_models(raw)
    assert by_model is not None, raw
    assert exactly(found) == exactly(by_model), raw
    assert exactly(entry_of(found[1], CALENDAR)) == exactly(entry_of(codec.decode(raw), CALENDAR)), raw
    return True


def test_every_event_of_a_customer_has_a_short_way() -> None:
    assert sorted(KINDS) == [PREFIX + kind for kind in EVERY_KIND]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_example_of_every_event_goes_the_short_way(kind: str) -> None:
    assert require_agreement(orjson.dumps(example(kind)))


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_what_need_not_be_said_need_not_be_said_on_the_short_way(kind: str) -> None:
    """With each of the fields absent, or null, that may be so."""
    for name in DATA[kind]:
        less = {key: value for key, value in DATA[kind].items() if key != name}
        for data in (less, {**DATA[kind], name: None}):
            raw = orjson.dumps(example(kind, data=data))
            assert require_agreement(raw) is (by_the_models(raw) is not None)


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("data", [None, [], {}, "", "a", 0, True, [[]], [{}]])
def test_data_of_another_type_is_left_to_the_models(kind: str, data: Any) -> None:
    raw = orjson.dumps(example(kind, data=data))
    assert require_agreement(raw) is (by_the_models(raw) is not None)


@pytest.mark.parametrize(
    "envelope",
    [
        {"supersedes": "earlier"},
        {"supersedes": None},
        {"history": True},
        {"history": False, "retracted": False},
        {"subject": "客户一"},
        {"traceparent": "00-x", "more": {"deep": [1]}},
        {"time": "2026-03-02T01:30:00.000001Z"},
    ],
)
def test_usual_envelopes_go_the_short_way(envelope: dict[str, Any]) -> None:
    assert require_agreement(orjson.dumps(example("payment.received", **envelope)))


def test_an_order_of_many_lines_goes_the_short_way() -> None:
    data = {**DATA["order.placed"], "lines": DATA["order.placed"]["lines"] * 500}
    assert require_agreement(orjson.dumps(example("order.placed", data=data)))


def test_very_many_ways_to_leave_something_out_are_not_all_remembered() -> None:
    for number in range(1000):
        assert require_agreement(orjson.dumps(example("promise.met", data={**DATA["promise.met"], f"x{number}": 1})))


@given(st.randoms(use_true_random=False))
@settings(deadline=None, print_blob=True, max_examples=300)
def test_the_short_way_never_disagrees_with_the_models(chance: Random) -> None:
    require_agreement(mangled(chance))


@pytest.mark.parametrize("seed", range(10))
def test_the_short_way_never_disagrees_with_the_models_over_many_documents(seed: int) -> None:
    play(seed, documents=1_500)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 1040))
def test_the_short_way_never_disagrees_with_the_models_over_very_many_documents(seed: int) -> None:
    play(seed, documents=30_000)


def play(seed: int, documents: int) -> None:
    print(f"seed {seed}")
    chance = Random(seed)
    valid = short = 0
    for _ in range(documents):
        raw = mangled(chance)
        short += require_agreement(raw)
        valid += by_the_models(raw) is not None
    # What the models take goes the short way but for retractions, escapes, odd spellings.
    assert valid > documents / 10
    assert short > valid / 2
