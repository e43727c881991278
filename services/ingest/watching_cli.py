"""`bellwether ingest watch`: a folder into which other programs drop files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.common.clock import clock_from
from services.common.collector import settle_collector
from services.common.settings import read_settings

if TYPE_CHECKING:
    from services.common.database import Database
    from services.common.settings import Settings
    from services.ingest.imports.importing import Sink
    from services.ingest.watching import Route
    from services.ingest.watching_run import Watcher

API_KEY = "BELLWETHER_API_KEY"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    required=True,
    help="NAME for every file, or PATTERN=NAME for those whose name fits (orders*.csv=order_lines).",
)
@click.option("--snapshot", "snapshots", multiple=True, help="A mapping whose files are lists of what is open now.")
@click.option(
    "--settle", "settle_s", default=5.0, show_default=True, help="A file that rests so many seconds is complete."
)
@click.option("--marker-only", is_flag=True, help="A file is complete only once FILE.done lies beside it.")
@click.option("--every", "every_s", default=2.0, show_default=True, help="Seconds between two looks.")
@click.option("--direct", is_flag=True, help="Write to BELLWETHER_KAFKA from here instead of sending to ingest.")
@click.option("--url", help="Where ingest listens.  [default: http://127.0.0.1:BELLWETHER_INGEST_PORT]")
@click.option("--port", default=8083, show_default=True, help="For /metrics, /healthz and /readyz.")
def watch(
    folder: Path,
    mappings: Sequence[str],
    snapshots: Sequence[str],
    settle_s: float,
    marker_only: bool,
    every_s: float,
    direct: bool,
    url: str | None,
    port: int,
) -> None:
    """Import every file that is dropped into FOLDER; one watcher for a folder.

    A file goes to FOLDER/done when all of it was imported, otherwise to FOLDER/failed, each time with a report beside
    it. The same content is not imported twice.
    """
    from prometheus_client import REGISTRY

    from services.common.ops import start_ops_server
    from services.ingest.tables import open_database
    from services.ingest.watching import Patience
    from services.ingest.watching_folder import Folder
    from services.ingest.watching_run import Watched, Watcher, WatchMetrics

    if direct and url:
        raise click.UsageError("give at most one of --url and --direct")
    settings = read_settings(os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    routes = _routes(mappings, snapshots)
    database = open_database(settings.ingest_database_url)
    database.migrate()

    address = None if direct else url or f"http://127.0.0.1:{settings.ingest_port}"
    patience = Patience(settle_s, marker_only)
    now = clock_from(settings.clock)
    open_sink = partial(_open_sink, settings, database, address)
    watched = Watched(Folder(folder), routes, patience, database, open_sink, settings.zone, now)
    watcher = Watcher(watched, WatchMetrics(REGISTRY))
    problems: dict[str, str] = {}
    start_ops_server(settings.host, port, dict, lambda: dict(problems))
    settle_collector()
    _look_for_ever(folder, watcher, problems, every_s)


def _look_for_ever(folder: Path, watcher: Watcher, problems: dict[str, str], every_s: float) -> None:
    # Looked at and not listened to: shares send no notice of what others write on them.
    while True:
        try:
            watcher.look(time.monotonic())
            problems.clear()
        except OSError as error:
            # A share that is away comes back, and then it goes on.
            problems["folder"] = f"{folder} cannot be used: {error.strerror}"
            logging.getLogger(__name__).warning(problems["folder"])
        time.sleep(every_s)


@contextmanager
def _open_sink(settings: Settings, database: Database, address: str | None) -> Iterator[Sink]:
    """Where events go: through ingest at the address, or without one straight to the broker."""
    from services.ingest.direct_setup import direct_way
    from services.ingest.imports.running import Way, sink_of

    if address is None:
        way = direct_way(settings, database)
    else:
        way = Way(address, settings.kafka, settings.topics, key=os.environ.get(API_KEY))
    with sink_of(way, logging.getLogger(__name__).warning) as sink:
        yield sink


def _routes(mappings: Sequence[str], snapshots: Sequence[str]) -> list[Route]:
    from services.ingest.imports.finding import find_mapping
    from services.ingest.imports.mapping import BadMapping
    from services.ingest.watching import Route

    routes = []
    for wish in mappings:
        pattern, equals, name = wish.rpartition("=")
        routes.append(Route(pattern if equals else "*", name, name in snapshots))
    try:
        known = {route.mapping: find_mapping(route.mapping) for route in routes}
    except BadMapping as error:
        raise click.UsageError(str(error)) from error
    for name in snapshots:
        if name not in known or known[name].snapshot is None:
            raise click.UsageError(f"--snapshot {name}: no --mapping names it, or it has no part snapshot")
    # PATTERN=NAME before NAME alone, however they were given.
    return sorted(routes, key=lambda route: route.pattern == "*")
