"""The short way from bytes to what an event says takes every event that is plainly valid, and never disagrees with the
models."""

from __future__ import annotations

from copy import deepcopy
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
from services.rules.intake import Apply, Forward, judge
from services.rules.partitioner import partition_of
from services.rules.shortcut import KINDS, heard
from tests.support.records import Rec
from tests.unit.rules.making import CALENDAR
from tests.unit.rules.mangled import mangled, with_every_oddity
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


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_no_odd_value_in_any_field_is_read_otherwise_than_by_the_models(kind: str) -> None:
    document = deepcopy(example(kind))
    for raw in with_every_oddity(document, document["data"]):
        require_agreement(raw)


def test_no_odd_value_in_the_envelope_is_read_otherwise_than_by_the_models() -> None:
    document = example("promise.met", supersedes="earlier", retracted=False, history=False)
    for raw in with_every_oddity(document, document):
        require_agreement(raw)


ALIASES = [
    (kind, name, str(field.alias))
    for kind, model in sorted(CUSTOMER_EVENTS.items())
    for name, field in model.model_fields.items()
    if field.alias
]


@pytest.mark.parametrize(("kind", "name", "alias"), ALIASES)
def test_which_of_two_names_counts_is_for_the_models_to_say(kind: str, name: str, alias: str) -> None:
    value = DATA[kind][alias]
    renamed = {key: one for key, one in DATA[kind].items() if key != alias} | {name: value}
    for data in (renamed, {**DATA[kind], name: value}, {**DATA[kind], name: None}, {**renamed, alias: None}):
        raw = orjson.dumps(example(kind, data=data))
        require_agreement(raw)
        assert by_the_models(raw) is not None or None in data.values()


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


@pytest.mark.parametrize("headers", [(), (("content-type", b"application/cloudevents+json"),), (("trace", b"1"),)])
def test_a_record_is_judged_alike_with_headers_and_without(headers: tuple[tuple[str, bytes], ...]) -> None:
    raw = orjson.dumps(example("payment.received"))
    by_model = by_the_models(raw)
    assert by_model is not None
    wanted = judge(Rec(0, b"C001", raw, headers), 0, 1)
    assert exactly(wanted) == exactly(Apply(*by_model, by_model[1].time))


def test_an_event_in_binary_mode_is_left_to_the_models() -> None:
    """Its value is the data alone; what looks like a whole event in there is not one."""
    raw = orjson.dumps(example("payment.received"))
    with pytest.raises(InvalidEvent) as caught:
        judge(Rec(0, b"C001", raw, (("ce_specversion", b"1.0"),)), 0, 1)
    assert caught.value.code == "invalid"


def test_a_header_that_is_no_text_is_refused_whatever_the_value_is() -> None:
    with pytest.raises(InvalidEvent, match="UTF-8"):
        judge(Rec(0, b"C001", orjson.dumps(example("payment.received")), (("trace", b"\xff"),)), 0, 1)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_short_way_leads_to_the_customers_partition(kind: str) -> None:
    raw = orjson.dumps(example(kind))
    home = partition_of("C001", 8)
    for partition in range(8):
        for key in (b"C001", b"other", None):
            wanted = judge(Rec(0, key, raw), partition, 8)
            assert isinstance(wanted, Apply) is (partition == home and key == b"C001")
            assert isinstance(wanted, Apply) or (isinstance(wanted, Forward) and wanted.partition == home)


def test_an_order_of_many_lines_goes_the_short_way() -> None:
    data = {**DATA["order.placed"], "lines": DATA["order.placed"]["lines"] * 500}
    assert require_agreement(orjson.dumps(example("order.placed", data=data)))


def test_the_greatest_event_goes_the_short_way_and_a_greater_one_is_refused() -> None:
    room = codec.MAX_EVENT_BYTES - len(orjson.dumps(example("promise.met", padding="")))
    assert require_agreement(orjson.dumps(example("promise.met", padding="x" * room)))
    assert not require_agreement(orjson.dumps(example("promise.met", padding="x" * (room + 1))))


def test_as_many_fields_of_a_profile_as_are_allowed_go_the_short_way() -> None:
    for count in (200, 201):
        data = {"section": "basic", "fields": {f"f{number}": number for number in range(count)}}
        assert require_agreement(orjson.dumps(example("profile.updated", data=data))) is (count == 200)


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
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_the_short_way_never_disagrees_with_the_models_over_very_many_documents(seed: int) -> None:
    play(seed, documents=20_000)


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
