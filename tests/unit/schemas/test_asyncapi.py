"""The AsyncAPI document is one, names every topic, and points at files that are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from schemas.asyncapi import asyncapi_document
from schemas.contracts import messages
from schemas.topics import Topics, topic_specs

META = Path(__file__).with_name("asyncapi") / "3.0.0.json"
DOCUMENT = asyncapi_document("1.2.3")


@cache
def meta() -> Draft7Validator:
    return Draft7Validator(json.loads(META.read_text(encoding="utf-8")))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_it_is_an_asyncapi_document_by_the_meta_schema() -> None:
    assert [error.message for error in meta().iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "wrong", [{"asyncapi": "2.6.0"}, {"channel": {}}, {"operations": {"x": {"action": "publish"}}}]
)
def test_the_meta_schema_refuses_what_is_none(wrong: dict[str, Any]) -> None:
    assert list(meta().iter_errors({**DOCUMENT, **wrong})) != []


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    files = {f"./{name}.schema.json" for name in messages()}
    assert files <= found
    for reference in found - files:
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_topic_of_an_installation_is_there_as_it_is_created() -> None:
    channels = DOCUMENT["channels"]
    prefix = Topics().prefix
    created = {spec.name: spec for spec in topic_specs()}
    assert {channel["address"].format(prefix=prefix) for channel in channels.values()} == created.keys()
    for channel in channels.values():
        config = channel["bindings"]["kafka"]["topicConfiguration"]
        spec = created[channel["address"].format(prefix=prefix)]
        assert config["cleanup.policy"] == [spec.config["cleanup.policy"]]
        assert str(config.get("retention.ms", "")) == spec.config.get("retention.ms", "")


def test_only_the_states_are_internal_and_have_no_messages() -> None:
    internal = [name for name, channel in DOCUMENT["channels"].items() if channel.get("x-internal")]
    assert internal == ["changelog"]
    assert [name for name, channel in DOCUMENT["channels"].items() if not channel["messages"]] == internal


def test_every_message_is_in_one_operation_and_the_states_in_none() -> None:
    told = [reference for made in DOCUMENT["operations"].values() for reference in references(made["messages"])]
    assert sorted(reference.rsplit("/", 1)[-1] for reference in told) == sorted(messages())
    sent = {name for name, made in DOCUMENT["operations"].items() if made["action"] == "send"}
    assert sent == {"send_warnings", "send_customers", "send_cases", "send_dead_letters"}


@pytest.mark.parametrize("name", sorted(messages()))
def test_what_a_schema_says_of_itself_is_valid(name: str) -> None:
    """A default that its own schema refuses would be a lie to whoever leaves the field out."""
    schema = messages()[name].schema
    for field in defaults(schema):
        Draft202012Validator({**field, "$defs": schema.get("$defs", {})}).validate(field["default"])


def defaults(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "default" in node and {"type", "anyOf", "$ref", "const"} & node.keys():
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from defaults(inner)
