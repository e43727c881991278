"""The commands of ingest. The only place in ingest that reads settings and wires things together."""

from __future__ import annotations

import logging
import os

import click

from services.common.clock import clock_from
from services.common.settings import read_settings


@click.group()
def ingest() -> None:
    """The service that takes events by HTTP and puts them on Kafka."""


@ingest.command()
def serve() -> None:
    """Listen on BELLWETHER_INGEST_PORT. Starts without a broker too, and is ready when there is one."""
    import uvicorn
    from prometheus_client import REGISTRY

    from services.ingest.app import Intake, build_app
    from services.ingest.metrics import IngestMetrics
    from services.ingest.publisher import KafkaPublisher

    settings = read_settings(os.environ)
    _log_to_stderr()
    publisher = KafkaPublisher(settings.kafka, settings.topics)
    intake = Intake(publisher, settings.topics, clock_from(settings.clock), IngestMetrics(REGISTRY))
    config = uvicorn.Config(
        build_app(intake),
        host=settings.host,
        port=settings.ingest_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )
    uvicorn.Server(config).run()


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The publisher says once when the broker goes and comes; the library says it several times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
