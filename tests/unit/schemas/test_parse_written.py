"""The shorter way to a valid event says what the long one says."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.codec import InvalidEvent, parse, parse_written
from schemas.events import CUSTOMER_EVENTS, REFERENCE_EVENTS
from tests.unit.schemas.examples import example

KINDS = [*CUSTOMER_EVENTS, *REFERENCE_EVENTS]


def told(document: dict[str, Any]) -> tuple[object, object]:
    """What the long and the short way say: the event, or code, words and fields of the refusal."""
    found: list[object] = []
    for read in (parse, lambda one: parse_written(one, orjson.dumps(one))):
        try:
            found.append(read(document))
        except InvalidEvent as problem:
            found.append((problem.code, problem.message, problem.errors, problem.event_id, problem.source))
    return found[0], found[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_is_read_alike(kind: str) -> None:
    long, short = told(example(kind))
    assert long == short
    assert type(long) is type(short)
    assert not isinstance(long, tuple)


@pytest.mark.parametrize(
    "change",
    [
        {"time": "yesterday"},
        {"subject": None},
        {"type": "bellwether.unknown"},
        {"type": "promise.met"},
        {"type": 7},
        {"type": []},
        {"data": {}},
        {"data": {"promise_id": "11010519491231002X"}},
        {"note": "号码 １１０１０５１９４９１２３１００２Ｘ"},
        {"data": {"promise_id": "P1", "more": [[[[[[[[[[[[[1]]]]]]]]]]]]]}},
        {"data": {"promise_id": "P1", "more": "[" * 50}},
        {"retracted": True, "supersedes": "e1"},
        {"retracted": True},
        {"history": "yes"},
        {"data": {"promise_id": "sealed:1:" + "A" * 30}},
        {"note": "sealed:1:"},
        {"sealed:1:": 1},
    ],
)
def test_what_is_wrong_is_told_alike(change: dict[str, Any]) -> None:
    long, short = told({**example("promise.met"), **change})
    assert long == short


@pytest.mark.parametrize("raw", ["sealed:1:", "\\u0073ealed:1:", "s\\u0065aled:1\\u003a"])
def test_what_may_not_be_sealed_is_refused_however_it_is_spelt(raw: str) -> None:
    spelt = orjson.dumps(example("promise.met", data={"promise_id": "?"})).replace(b'"?"', f'"{raw}"'.encode())
    with pytest.raises(InvalidEvent) as caught:
        parse_written(orjson.loads(spelt), spelt)
    assert caught.value.code == "sealed"


def test_an_event_without_a_type_is_refused_alike() -> None:
    document = example("promise.met")
    del document["type"]
    long, short = told(document)
    assert long == short
    assert isinstance(long, tuple)
