"""What the spool tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from services.ingest.spool import Spool


def watch_spool(registry: CollectorRegistry, spool: Spool) -> None:
    """Read these when somebody scrapes."""

    def gauge(name: str, text: str) -> Gauge:
        return Gauge(f"bellwether_ingest_spool_{name}", text, registry=registry)

    gauge("bytes", "Disk space of the records that wait for the broker").set_function(lambda: spool.bytes)
    gauge("records", "Records on disk that wait for the broker").set_function(lambda: spool.waiting)
    gauge("oldest_seconds", "How long the oldest record on disk has waited").set_function(lambda: spool.oldest_s)
    gauge("full", "1 when the last record found no room on disk").set_function(lambda: float(spool.full))
