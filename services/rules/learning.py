"""Reference events from their topic into the Reference; what cannot be read is counted and costs itself only."""

from __future__ import annotations

import logging
from typing import Any

from schemas.codec import InvalidEvent
from schemas.events import ReferenceEvent
from services.rules.intake import decode_record
from services.rules.port import Record
from services.rules.reference import Reference
from services.rules.runtime_metrics import RuntimeMetrics

log = logging.getLogger(__name__)

JUDGED_BY = frozenset({"rate.published", "ranks.published"})
"""Kinds of events of which verdicts are made, as the Reference's fingerprint has it."""


def learn(reference: Reference, record: Record, metrics: RuntimeMetrics) -> bool:
    """Takes in what can be read of the record; False when no verdict can change by it."""
    try:
        event = _event_in(record)
        reference.learn(event)
    except InvalidEvent as error:
        _refuse(record, error.code, metrics)
        return False
    except Exception as error:  # noqa: BLE001 one record that breaks the reading must not stop the worker
        _refuse(record, f"poison_{type(error).__name__}", metrics)
        return False
    metrics.reference_events.labels(event.kind).inc()
    return event.kind in JUDGED_BY or event.supersedes is not None


def _event_in(record: Record) -> ReferenceEvent[Any]:
    event = decode_record(record)
    if not isinstance(event, ReferenceEvent):
        raise InvalidEvent("wrong_topic", f"{event.type} belongs to a customer")
    return event


def _refuse(record: Record, code: str, metrics: RuntimeMetrics) -> None:
    # The code and the place only: a reason quotes the record, which may name customers.
    log.warning("the reference record at offset %d is refused: %s", record.offset, code)
    metrics.reference_refused.labels(code).inc()
