"""What people did about the warnings: the events on the cases topic, keyed by customer_id."""

from __future__ import annotations

from typing import Literal

import orjson
from pydantic import TypeAdapter

from schemas.fields import Identifier, Instant, Label, Text, Wire

CaseEventType = Literal[
    "case.opened",
    "case.warning_joined",
    "case.warning_amended",
    "case.warning_ended",
    "case.warning_withdrawn",
    "case.paged",
    "case.page_uncertain",
    "case.acknowledged",
    "review.opened",
    "review.breached",
    "review.decided",
    "intervention.joined",
    "case.commented",
    "case.closed",
    "case.reopened",
]
Decision = Literal["act", "watch", "accept", "false_alarm", "withdrawn"]


class CaseEvent(Wire):
    """One entry of a case's timeline. `sequence` counts up from 1 within a case, so (case_id, sequence) is unique.

    `note` is the notifier's own; what people wrote (`actor`) is in the console alone.
    """

    case_id: Identifier
    sequence: int
    type: CaseEventType
    customer_id: Identifier
    at: Instant
    actor: Identifier | None = None
    warning_id: str | None = None
    person: Identifier | None = None
    department: Label | None = None
    channel: Label | None = None
    decision: Decision | None = None
    note: Text | None = None


_ADAPTER: TypeAdapter[CaseEvent] = TypeAdapter(CaseEvent)


def encode_case_event(event: CaseEvent) -> bytes:
    """The JSON on the cases topic."""
    return orjson.dumps(event.model_dump(mode="json", exclude_none=True))


def decode_case_event(raw: bytes) -> CaseEvent:
    """Raises pydantic.ValidationError for what is no case event."""
    return _ADAPTER.validate_json(raw)
