"""What Prometheus is told of the directory: how large it is, its version, and the gaps that are open. No names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from services.common.database import Database
from services.notifier.directory_tables import directory_gaps
from services.notifier.gaps import GapKind
from services.notifier.people import Source, newest

_PREFIX = "bellwether_notifier_directory"


class DirectoryCollector(Collector):
    """Reads when it is asked."""

    def __init__(self, database: Database, people: Source) -> None:
        self._database = database
        self._people = people

    def collect(self) -> Iterator[Metric]:
        """One look at memory, and one at the table of gaps."""
        directory = newest(self._people)
        with self._database.reading() as tx:
            by_kind = select(directory_gaps.c.kind, func.count()).group_by(directory_gaps.c.kind)
            counted: dict[str, int] = {}
            counted.update((kind, number) for kind, number in tx.execute(by_kind))
        yield GaugeMetricFamily(f"{_PREFIX}_version", "The version of the directory in use here", directory.version)
        yield GaugeMetricFamily(f"{_PREFIX}_people", "People in the directory", len(directory.people))
        yield GaugeMetricFamily(f"{_PREFIX}_customers", "Customers in the directory", len(directory.customers))
        gaps = GaugeMetricFamily(f"{_PREFIX}_gaps", "Gaps that the fallback was told of and are open", labels=["kind"])
        for kind in get_args(GapKind):
            gaps.add_metric([kind], counted.get(kind, 0))
        yield gaps
