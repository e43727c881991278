"""The worker's log: plain lines on stderr, without what names customers, and without floods."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
REPEAT_AFTER_S = 5.0


class Throttle(logging.Filter):
    """Lets a library's warning or error of one kind (logger and template) through once in five seconds.

    aiokafka says several times in 100 ms that it cannot connect; a broker that is down for an hour would fill the disk.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic_s = monotonic_s
        self._next_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Our own lines and whatever has a traceback always pass."""
        if record.name.startswith("services.") or record.exc_info:
            return True
        kind, now_s = (record.name, str(record.msg)), self._monotonic_s()
        if now_s < self._next_s.get(kind, now_s):
            return False
        self._next_s[kind] = now_s + REPEAT_AFTER_S
        return True


def configure_logging() -> None:
    """Libraries are held to warnings: their chatter repeats keys, which name customers."""
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Throttle())
    logging.getLogger("services").setLevel(logging.INFO)
