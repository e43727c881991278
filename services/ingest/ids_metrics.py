"""What is counted of ids and merges. No label ever carries a value from an event."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class IdsMetrics:
    """On one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge(
            "bellwether_ingest_waiting_events", "Events kept until it is known whose they are", registry=registry
        )
        self._oldest = Gauge(
            "bellwether_ingest_waiting_oldest_seconds", "How long the oldest of them has waited", registry=registry
        )
        self.released = Counter(
            "bellwether_ingest_released_events", "Events that waited and were then sent", registry=registry
        )
        self.given_up = Counter(
            "bellwether_ingest_given_up_events", "Events that waited too long, in the dead letters", registry=registry
        )
        self.merges = Gauge("bellwether_ingest_open_merges", "Customers that are being merged", registry=registry)
        self.resent = Counter(
            "bellwether_ingest_resent_events", "Events sent again under the surviving customer", registry=registry
        )

    def show(self, waiting: int, oldest_s: float) -> None:
        """What waits now."""
        self._waiting.set(waiting)
        self._oldest.set(oldest_s)
