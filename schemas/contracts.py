"""PURE. The contracts of the wire: every message on a topic with its JSON Schema (2020-12), made from the models.

`bellwether schema` writes them to schemas/generated; schemas/released keeps what a version promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schemas.cases import CaseEvent, LedgerAnchor
from schemas.customers import CustomerSnapshot, MonthCounters
from schemas.events import CUSTOMER_EVENTS, EVENT_MODELS, PREFIX, Retraction
from schemas.rulebook import PublishedBook
from schemas.topics import Topics, TopicSpec, topic_specs
from schemas.warnings import Warning

DIALECT = "https://json-schema.org/draft/2020-12/schema"

RETRACTION = "bellwether.retraction"
DEAD_LETTER = "dead-letter-headers"

Schema = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One kind of message. `channel` is the attribute of Topics that names its topic.

    `read`: Bellwether reads it, from other senders or from what it wrote before an upgrade. `told`: others read what
    Bellwether writes.
    """

    name: str
    channel: str
    schema: Schema
    read: bool = False
    told: bool = False


@dataclass(frozen=True)
class Channel:
    """A topic as its users see it. `address` lacks the prefix; `internal`: nobody else reads or writes it."""

    name: str
    address: str
    key: str
    about: str
    spec: TopicSpec
    internal: bool = False


# Key, and what it is: in the order in which a reader wants to meet them.
_CHANNELS = {
    "events": ("customer_id", "Every business event of a customer, in the customer's order."),
    "reference": (
        "source/kind/what the event says something about",
        "Heartbeats, rates, promotions, plans, ranks. Compacted; every worker reads it whole.",
    ),
    "dead_letters": (
        "a digest of the refused bytes (ingest), or the refused record's own key (the rules service)",
        "What was refused: the bytes as the value without resident-ID numbers, the reason in the headers.",
    ),
    "warnings": ("customer_id", "Warnings with their evidence, by revision. (id, revision) is unique."),
    "customers": (
        "customer_id, or customer_id + U+001F + month; the partition is that of the customer_id alone",
        "The newest snapshot of every customer, and counters by month. Compacted.",
    ),
    "cases": (
        "customer_id",
        "What people did about the warnings. (case_id, sequence) is unique. What has no key is no case's: skip it.",
    ),
    "rulebook": ("rulebook", "All rule files as one record; the newest is in force. Compacted."),
    "changelog": ("of the rules service alone", "The rules service's state. Internal: it changes without notice."),
}


class _Generator(GenerateJsonSchema):
    """Pydantic's own, without titles that only repeat a field's name, and strict about the names in a mapping."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        if "patternProperties" in made:
            # A key that the pattern does not fit is refused, not let through unjudged.
            made["additionalProperties"] = False
        return made


def messages() -> dict[str, Message]:
    """Every kind of message by its name. Events are called as their type."""
    found = [
        *(Message(kind, _channel_of(kind), _event_schema(kind, model), read=True) for kind, model in _events()),
        Message(RETRACTION, "events", _retraction_schema(), read=True),
        Message("warning", "warnings", _schema(Warning), read=True, told=True),
        Message("case-event", "cases", _schema(CaseEvent), told=True),
        Message("ledger-anchor", "cases", _schema(LedgerAnchor), told=True),
        Message("customer-snapshot", "customers", _schema(CustomerSnapshot), read=True, told=True),
        Message("month-counters", "customers", _schema(MonthCounters), read=True, told=True),
        Message("rulebook", "rulebook", _schema(PublishedBook), read=True),
        Message(DEAD_LETTER, "dead_letters", _dead_letter_headers(), told=True),
    ]
    return {message.name: message for message in found}


def channels() -> dict[str, Channel]:
    """Every topic by its name in Topics."""
    topics = Topics("")
    specs = {spec.name: spec for spec in topic_specs("")}
    return {
        name: Channel(name, address, key, about, specs[address], internal=name == "changelog")
        for name, (key, about) in _CHANNELS.items()
        for address in [getattr(topics, name)]
    }


def schema_documents() -> dict[str, Schema]:
    """The JSON Schema of every message by its name: what `<name>.schema.json` holds."""
    return {name: message.schema for name, message in messages().items()}


def promises() -> dict[str, Any]:
    """All that a release promises, as JSON: what is on which topic, under which key, and what it looks like."""
    return {
        "channels": {
            name: {"address": channel.address, "key": channel.key, "cleanup": channel.spec.config["cleanup.policy"]}
            for name, channel in channels().items()
            if not channel.internal
        },
        "messages": {
            message.name: {
                "channel": message.channel,
                "read": message.read,
                "told": message.told,
                "schema": message.schema,
            }
            for message in messages().values()
        },
    }


def _events() -> list[tuple[str, type[BaseModel]]]:
    return list(EVENT_MODELS.items())


def _is_of_a_customer(kind: str) -> bool:
    return kind.removeprefix(PREFIX) in CUSTOMER_EVENTS


def _channel_of(kind: str) -> str:
    return "events" if _is_of_a_customer(kind) else "reference"


def _schema(model: type[BaseModel]) -> Schema:
    made = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {"$schema": DIALECT, **made}


def _event_schema(kind: str, model: type[BaseModel]) -> Schema:
    made = _schema(model)
    if _is_of_a_customer(kind):
        # One that is taken back is judged by the retraction's schema: what data it bears is not read.
        made["properties"]["retracted"] = {"const": False, "default": False, "type": "boolean"}
    return {**made, "title": kind}


def _retraction_schema() -> Schema:
    made = _schema(Retraction)
    properties = made["properties"]
    properties["type"] = {"type": "string", "enum": [kind for kind, _ in _events() if _is_of_a_customer(kind)]}
    properties["data"] = {"description": "Not read, and not kept."}
    return {**made, "title": RETRACTION}


def _dead_letter_headers() -> Schema:
    """By hand, for no model makes them: services/ingest/records.py and services/rules/intake.py do."""
    text = {"type": "string"}
    number = {"type": "string", "pattern": "^[0-9]+$"}
    told = {
        "code": {**text, "description": "Stable: invalid, unknown_type, resident_id, id_reused, poison …"},
        "reason": {**text, "description": "A sentence that says what is wanted."},
        "source": {**text, "description": "As far as it could be read; empty otherwise."},
        "event_id": {**text, "description": "As far as it could be read; empty otherwise."},
        "part": {**number, "description": "From 1. What fits no single record comes in parts, in order."},
        "parts": number,
        "redacted": {**text, "const": "true", "description": "A resident-ID number was taken out of the value."},
        "received_at": {**text, "description": "Of ingest."},
        "content_type": {**text, "description": "Of ingest."},
        "partition": {**number, "description": "Of the rules service: where the refused record lies."},
        "offset": {**number, "description": "Of the rules service: where the refused record lies."},
        "traceback": {**text, "description": "Of the rules service, for what is its own mistake."},
    }
    return {
        "$schema": DIALECT,
        "title": DEAD_LETTER,
        "description": "Headers of a dead letter, in UTF-8. A binary-mode event's own ce_… headers stand beside them.",
        "type": "object",
        "properties": told,
        "required": ["code", "reason", "part", "parts"],
    }
