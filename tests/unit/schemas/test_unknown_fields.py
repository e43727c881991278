"""Whether an event holds unknown fields is seen without looking at each: the same is found as by looking."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from tests.unit.schemas.examples import DATA, example

FREE = ("data.fields.", "data.percentiles.", "data.notes.")
"""Their keys are the sender's own."""


def objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON object in a document, with its path."""
    if isinstance(node, dict):
        yield path, node
        for name, value in node.items():
            yield from objects(value, f"{path}{name}.")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from objects(value, f"{path}{index}.")


@pytest.mark.parametrize("kind", DATA)
def test_an_unknown_field_is_found_wherever_it_stands(kind: str) -> None:
    whole = example(kind)
    assert codec.unknown_fields(whole, codec.parse(whole)) == []
    places = [path for path, _ in objects(whole)]
    for number, place in enumerate(places):
        if place in FREE:
            continue
        document = deepcopy(whole)
        list(objects(document))[number][1]["colour"] = "red"
        found = codec.unknown_fields(document, codec.parse(document))
        assert found == [f"{place}colour"]


@given(st.sampled_from(sorted(DATA)), st.data())
def test_the_quick_look_finds_what_the_long_one_finds(kind: str, data: st.DataObject) -> None:
    document = deepcopy(example(kind))
    for path, node in list(objects(document)):
        if path not in FREE and data.draw(st.booleans()):
            node[data.draw(st.sampled_from(["colour", "traceparent", "x"]))] = data.draw(
                st.sampled_from([None, {}, [], {"a": [1]}, [{"b": 2}], "text"])
            )
    event = codec.parse(document)
    assert codec.unknown_fields(document, event) == sorted(codec._unknown(document, event, ""))
