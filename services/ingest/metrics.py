"""What ingest counts. No label ever carries a value from an event."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.judge import Judgement

REFUSALS = (
    "not_json",
    "not_an_object",
    "too_large",
    "too_deep",
    "resident_id",
    "personal_data",
    "sealed",
    "unknown_type",
    "invalid",
    "forgotten",
    "not_allowed",
    "id_reused",
    "merge_refused",
)
PROBLEMS = (
    *("not_json", "unsupported_media_type", "batch_too_long", "body_too_slow", "body_too_large"),
    *("unsupported_encoding", "broken_gzip", "bad_query"),
    *("bad_idempotency_key", "idempotency_key_in_use", "idempotency_key_reused"),
    *("unauthorized", "admin_only", "too_many_events", "keys_unknown"),
    *("broker_unavailable", "spool_full", "database_unavailable", "keys_unavailable", "overloaded", "internal"),
    *("too_many_waiting", "ids_are_changing"),
)
"""Known in advance, so that their counters start at 0: Prometheus sees no increase from "not there" to 1."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class IngestMetrics:
    """Ingest's metrics on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._accepted = Counter(
            "bellwether_ingest_accepted_events", "Events acknowledged by the broker and answered so", registry=registry
        )
        self._rejected = Counter(
            "bellwether_ingest_rejected_events",
            "Events refused and written to the dead letters, by code",
            ["code"],
            registry=registry,
        )
        self._problems = Counter(
            "bellwether_ingest_failed_requests",
            "Requests of which nothing was accepted, by code",
            ["code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "bellwether_ingest_request_seconds",
            "From the first byte of the body to the answer",
            buckets=SECONDS,
            registry=registry,
        )
        self._queue = Gauge(
            "bellwether_ingest_queue_records",
            "Records waiting for the broker's acknowledgement",
            registry=registry,
        )
        self._ready = Gauge("bellwether_ingest_ready", "1 when the broker takes events", registry=registry)
        for code in REFUSALS:
            self._rejected.labels(code)
        for code in PROBLEMS:
            self._problems.labels(code)

    def watch(self, queue: Callable[[], int], ready: Callable[[], bool]) -> None:
        """Read these two when somebody scrapes."""
        self._queue.set_function(queue)
        self._ready.set_function(lambda: float(ready()))

    def count(self, judgement: Judgement) -> None:
        """Count the verdicts of an answered request."""
        tally = Tally(verdict.code for verdict in judgement.verdicts if not verdict.waits)
        self._accepted.inc(tally.pop("ok", 0))
        for code, number in tally.items():
            self._rejected.labels(code).inc(number)

    def count_problem(self, code: str) -> None:
        """Count a request that failed as a whole."""
        self._problems.labels(code).inc()
