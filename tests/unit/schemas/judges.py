"""JSON Schemas at work: the published one of every message, as a client's validator reads it."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from schemas.contracts import RETRACTION, schema_documents
from schemas.events import EVENT_MODELS


@cache
def _validators() -> dict[str, Draft202012Validator]:
    return {name: Draft202012Validator(schema) for name, schema in schema_documents().items()}


def faults(name: str, document: Any) -> list[str]:
    """What is wrong with the document, as sentences with a path; empty when the message's schema accepts it."""
    found = _validators()[name].iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path)) or 'it'}: {error.message}" for error in found]


def fits(document: dict[str, Any]) -> list[str]:
    """The messages that an event is, by their schemas: its type's own, or the retraction. At most one is right."""
    kind = document.get("type")
    names = [kind, RETRACTION] if isinstance(kind, str) and kind in EVENT_MODELS else [RETRACTION]
    return [name for name in names if not faults(name, document)]
