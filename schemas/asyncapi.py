"""PURE. The AsyncAPI 3.0 document of all topics, made from the contracts; payloads are the schema files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.contracts import DEAD_LETTER, Channel, Message, channels, messages
from schemas.topics import Topics

SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"

BINDING_VERSION = "0.5.0"

Json = dict[str, Any]

_ABOUT = """Topics of Bellwether on Kafka. What is of a customer lies on the partition that Kafka's own default gives
for the customer id as key: murmur2(customer id) mod partitions.

Readers ignore fields that they do not know. docs/kafka.md tells how to connect, docs/contracts.md what may change."""

_ENVELOPE = """CloudEvents 1.0: in structured mode the whole event is the value; in binary mode the attributes are
headers (`ce_id`, `ce_source`, …, `ce_specversion` among them) and the value is the data alone."""


def asyncapi_document(version: str) -> Json:
    """The document; `version` is the product's."""
    # Once: to make the schemas of all messages takes a tenth of a second.
    known = messages()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bellwether",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "BELLWETHER_KAFKA.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {name: _channel(channel, known) for name, channel in channels().items()},
        "operations": _operations(known),
        "components": {"messages": {name: _message(message) for name, message in known.items()}},
    }


def _on(channel: str, known: Mapping[str, Message]) -> list[Message]:
    return [message for message in known.values() if message.channel == channel]


def _channel(channel: Channel, known: Mapping[str, Message]) -> Json:
    config = channel.spec.config
    topic_configuration: Json = {"cleanup.policy": [config["cleanup.policy"]]}
    if "retention.ms" in config:
        topic_configuration["retention.ms"] = int(config["retention.ms"])
    made: Json = {
        "address": f"{{prefix}}{channel.address}",
        "description": channel.about,
        "messages": {
            message.name: _ref("components", "messages", message.name) for message in _on(channel.name, known)
        },
        "parameters": {
            "prefix": {"description": "BELLWETHER_TOPIC_PREFIX.", "default": Topics().prefix},
        },
        "bindings": {
            "kafka": {
                "partitions": channel.spec.partitions,
                "topicConfiguration": topic_configuration,
                "bindingVersion": BINDING_VERSION,
            }
        },
    }
    return {**made, "x-internal": True} if channel.internal else made


def _message(message: Message) -> Json:
    schema = {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./{message.name}.schema.json"}}
    key = {"type": "string", "description": channels()[message.channel].key}
    made: Json = {
        "name": message.name,
        "title": message.name,
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING_VERSION}},
    }
    if message.name == DEAD_LETTER:
        return {
            **made,
            "contentType": "application/octet-stream",
            "summary": "The refused bytes, as far as they may be kept; the reason is in the headers.",
            "headers": schema,
            "payload": {"description": "Any bytes."},
        }
    if message.channel in ("events", "reference"):
        made |= {"contentType": "application/cloudevents+json", "description": _ENVELOPE}
    return {**made, "payload": schema}


def _operations(known: Mapping[str, Message]) -> Json:
    """As AsyncAPI has it, from where Bellwether stands: it receives what it reads and sends what it tells."""
    made: Json = {}
    for name, channel in channels().items():
        for action in ("receive", "send"):
            wanted = [m for m in _on(name, known) if (m.told if action == "send" else m.read and not m.told)]
            if wanted and not channel.internal:
                made[f"{action}_{name}"] = {
                    "action": action,
                    "channel": _ref("channels", name),
                    "messages": [_ref("channels", name, "messages", message.name) for message in wanted],
                }
    return made


def _ref(*path: str) -> Json:
    return {"$ref": "#/" + "/".join(path)}
