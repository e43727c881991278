"""Watches a folder: takes what is complete, imports it, puts it away with a report. Killed anywhere, it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.common.clock import Now
from services.common.database import Database
from services.common.errors import UserError
from services.ingest.imports.chunks import Summary
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.importing import Sink
from services.ingest.imports.mapping import BadMapping
from services.ingest.imports.reading import BadFile
from services.ingest.imports.running import (
    EVENT_LINES,
    Job,
    beside,
    book_of,
    digest_of,
    kept_list,
    take_in,
    take_in_snapshot,
)
from services.ingest.imports.sending import NotSent
from services.ingest.imports_store import Taken, find_import
from services.ingest.watching import Patience, Report, Route, Sighting, complete, route_of, sight
from services.ingest.watching_folder import Folder

log = logging.getLogger(__name__)

OUTCOMES = ("imported", "rejects", "repeated", "failed")

OpenSink = Callable[[], AbstractContextManager[Sink]]
"""A way to ingest or to the broker, for one file."""


class WatchMetrics:
    """What a watched folder comes to."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.files = Counter(
            "bellwether_watch_files", "Files that were put away, by outcome", ["outcome"], registry=registry
        )
        self.rows = Counter("bellwether_watch_rows", "Rows of files that were imported", registry=registry)
        self.rejected = Counter("bellwether_watch_rejected_rows", "Rows that were refused", registry=registry)
        self.last_success = Gauge(
            "bellwether_watch_last_success_seconds",
            "When a file was last imported whole, since 1970",
            registry=registry,
        )
        self.oldest_s = Gauge(
            "bellwether_watch_oldest_file_seconds", "Age of the oldest file that is not put away", registry=registry
        )
        self.unread = Gauge(
            "bellwether_watch_unmatched_files", "Files whose name fits no pattern: they stay", registry=registry
        )
        for outcome in OUTCOMES:
            self.files.labels(outcome)

    def count(self, report: Report) -> None:
        """A file was put away."""
        self.files.labels(report.outcome).inc()
        self.rows.inc(report.summary.rows - report.summary.rejected_rows)
        self.rejected.inc(report.summary.rejected_rows)
        if report.outcome == "imported":
            self.last_success.set(report.ended_at.timestamp())


@dataclass(frozen=True)
class Watched:
    """What a watcher works with."""

    folder: Folder
    routes: Sequence[Route]
    patience: Patience
    database: Database
    open_sink: OpenSink
    zone: ZoneInfo
    now: Now


class Watcher:
    """One for a folder; two on the same would take each other's files."""

    def __init__(self, watched: Watched, metrics: WatchMetrics) -> None:
        self._watched = watched
        self._metrics = metrics
        self._sightings: dict[str, Sighting] = {}
        self._told: set[str] = set()

    def look(self, now_s: float) -> int:
        """One look at the folder, at `now_s` of a clock that only goes forward: how many files were put away."""
        put_away = sum(self._go_on(path) for path in self._watched.folder.taken())
        listing = self._watched.folder.listing()
        self._sightings = sight(self._sightings, listing, now_s)
        self._tell_unmatched()
        # While one waits for ingest no other is taken: files stay in their order.
        if not self._watched.folder.taken():
            for name in complete(self._sightings, listing, now_s, self._watched.patience):
                route = route_of(name, self._watched.routes)
                if route is not None and not self._take(name, route):
                    break
                put_away += route is not None
        self._measure()
        return put_away

    def _take(self, name: str, route: Route) -> bool:
        path = self._watched.folder.root / name
        known = None if route.snapshot else self._known(path, route)
        taken = self._watched.folder.take(name)
        if taken is None:
            return True
        if known is not None and known.done_at is not None:
            return self._put_away(self._repeated(taken, route, known), taken)
        return self._go_on(taken)

    def _go_on(self, taken: Path) -> bool:
        """Import what is taken. False when it has to wait."""
        self._watched.folder.forget_marker(taken.name)
        route = route_of(taken.name, self._watched.routes)
        begun_at = self._watched.now()
        try:
            if route is None:
                raise BadMapping("no --mapping is for files of that name any more")
            report = self._import(taken, route)
        except NotSent as later:
            log.warning("%s waits: %s", taken.name, later)
            return False
        except UserError as error:
            name = route.mapping if route is not None else ""
            report = Report(taken.name, _digest(taken), name, "failed", str(error), begun_at, self._watched.now())
        return self._put_away(report, taken)

    def _import(self, taken: Path, route: Route) -> Report:
        if route.snapshot:
            return self._compare(taken, route)
        job = self._job(taken, route)
        known = self._known(taken, route)
        begun_at = self._watched.now()
        if known is not None and known.done_at is not None:
            # Taken, imported, and killed before it was put away.
            summary = Summary(known.mark.rows, known.mark.events, known.mark.rejected)
            begun_at = known.begun_at
        else:
            book = book_of(job, self._watched.database, self._watched.now)
            with self._watched.open_sink() as sink:
                summary = take_in(job, sink, beside(taken), book, _silent)
        return self._report(taken, route, begun_at, summary)

    def _compare(self, taken: Path, route: Route) -> Report:
        job, begun_at = self._job(taken, route), self._watched.now()
        kept = kept_list(job, self._watched.database)
        day = begun_at.astimezone(self._watched.zone).date()
        with self._watched.open_sink() as sink:
            summary, found = take_in_snapshot(job, day, False, sink, beside(taken), kept, _silent)  # noqa: FBT003
        counts = {"new": found.new, "changed": found.changed, "settled": found.settled, "back": found.back}
        return self._report(taken, route, begun_at, summary, {**counts, "missing": found.missing[:1000]})

    def _report(
        self, taken: Path, route: Route, begun_at: datetime, summary: Summary, notes: Mapping[str, Any] | None = None
    ) -> Report:
        outcome, reason = "imported", ""
        if summary.rejected_rows:
            outcome = "rejects"
            reason = f"mend the rows in {taken.name}.rejected.csv, and drop that file; the others are imported"
        ended_at = self._watched.now()
        digest = digest_of(taken)
        return Report(taken.name, digest, route.mapping, outcome, reason, begun_at, ended_at, summary, notes or {})

    def _repeated(self, taken: Path, route: Route, known: Taken) -> Report:
        at = self._watched.now()
        reason = f"the same content was imported as {known.file}, begun at {known.begun_at.isoformat()}: not again"
        return Report(taken.name, digest_of(taken), route.mapping, "repeated", reason, at, at)

    def _put_away(self, report: Report, taken: Path) -> bool:
        path = self._watched.folder.finish(taken, report.folder, report.digest, report.document())
        self._metrics.count(report)
        counts = f"{report.summary.rows} rows, {report.summary.events} events, {report.summary.rejected_rows} rejected"
        log.info("%s: %s (%s) %s", path.name, report.outcome, counts, report.reason)
        return True

    def _known(self, path: Path, route: Route) -> Taken | None:
        try:
            job = self._job(path, route)
            return find_import(self._watched.database, digest_of(path), job.way)
        except UserError:
            # Told when it is taken.
            return None

    def _job(self, path: Path, route: Route) -> Job:
        """The mapping is read anew for each file: whoever mends it need not restart anything."""
        lines = path.suffix.lower() == EVENT_LINES
        mapping = None if lines else find_mapping(route.mapping)
        return Job(path, mapping, history=False, source=None, encoding=None, zone=self._watched.zone)

    def _tell_unmatched(self) -> None:
        unmatched = {name for name in self._sightings if route_of(name, self._watched.routes) is None}
        for name in sorted(unmatched - self._told):
            log.warning("%s stays where it is: no --mapping is for files of that name", name)
        self._told = unmatched
        self._metrics.unread.set(len(unmatched))

    def _measure(self) -> None:
        arrival_s = self._watched.folder.oldest_arrival_s()
        age_s = 0.0 if arrival_s is None else self._watched.now().timestamp() - arrival_s
        self._metrics.oldest_s.set(max(0.0, age_s))


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except BadFile:
        return "unreadable"


def _silent(_done_bytes: int, _so_far: Summary) -> None:
    """A daemon has no bar to draw."""
