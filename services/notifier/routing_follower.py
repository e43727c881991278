"""Follows the file of routes: what an operator changes there is in force some seconds later, without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from prometheus_client import Gauge

from services.notifier.routing import Routes
from services.notifier.routing_file import RoutesInvalid, load_routes

log = logging.getLogger(__name__)

PAUSE_S = 2.0
"""Between two looks. A new file is taken at the second look that finds it the same."""

Stamp = tuple[int, int, int]


class RoutesFollower:
    """`use` puts routes in force; `routes` are those in force now. A file that cannot be used changes nothing: the
    routes before it stay, and the log and a metric say so until it is mended."""

    def __init__(self, path: Path, routes: Routes, use: Callable[[Routes], None], refused: Gauge) -> None:
        self._path = path
        self._routes = routes
        self._use = use
        # None: no look was taken yet. The file may have changed since it was read at the start, so it is read again.
        self._seen: Stamp | None = None
        self._taken: Stamp | None = None
        self._refused = refused

    def look(self) -> bool:
        """Whether there are new routes in force."""
        before, self._seen = self._seen, _stamp(self._path)
        # An editor that is still writing leaves half a file, which may be readable as other routes.
        if self._seen != before or self._seen == self._taken:
            return False
        self._taken = self._seen
        try:
            routes = load_routes(self._path)
        except RoutesInvalid as problem:
            self._refused.set(1)
            # Its sentences say all that an operator can mend; where we are in the code does not help.
            log.error("%s; the routes before it stay in force", problem)  # noqa: TRY400
            return False
        self._refused.set(0)
        if routes == self._routes:
            return False
        self._routes = routes
        self._use(routes)
        log.info("the routes of %s are in force", self._path)
        return True


_GONE: Stamp = (0, -1, 0)


def _stamp(path: Path) -> Stamp:
    """By which a file is told from what it was. One that is not there has a stamp too: it is missed once."""
    try:
        found = path.stat()
    except OSError:
        return _GONE
    return found.st_mtime_ns, found.st_size, found.st_ino
