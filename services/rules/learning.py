"""Reference events from their topic into the Reference; what cannot be read is counted and costs itself only."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from schemas.codec import InvalidEvent
from schemas.events import ReferenceEvent
from services.rules.intake import decode_record
from services.rules.port import Record
from services.rules.reference import Reference
from services.rules.runtime_metrics import RuntimeMetrics

log = logging.getLogger(__name__)


def learn(reference: Reference, records: Iterable[Record], metrics: RuntimeMetrics) -> bool:
    """Takes in what can be read of the records; True when verdicts may change by it."""
    before = reference.fingerprint
    for record in records:
        code = _learn_one(reference, record, metrics)
        if code is not None:
            # The code and the place only: a reason quotes the record, which may name customers.
            log.warning("the reference record at offset %d is refused: %s", record.offset, code)
            metrics.reference_refused.labels(code).inc()
    return reference.fingerprint != before


def _learn_one(reference: Reference, record: Record, metrics: RuntimeMetrics) -> str | None:
    """None when all is well, else why not."""
    try:
        event = decode_record(record)
        if not isinstance(event, ReferenceEvent):
            return "wrong_topic"
        reference.learn(event)
        metrics.reference_events.labels(event.kind).inc()
    except InvalidEvent as error:
        return error.code
    except Exception as error:  # noqa: BLE001 one record that breaks the reading must not stop the worker
        return f"poison_{type(error).__name__}"
    return None
