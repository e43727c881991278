"""Threads that repeat one step until stopped. What may pass by itself is tried again; all else ends the process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from kafka.errors import KafkaError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from services.common.clock import ClockUnreadable
from services.common.kafka_admin import BrokerUnreachable

log = logging.getLogger(__name__)

PASSING = (OperationalError, NoConnection, KafkaError, BrokerUnreachable, ClockUnreadable)
"""A busy or absent database, or one that has stood still so long that all connections to it wait; a broker that is
away; a manual clock between two writes."""

RETRY_S = 1.0
STOP_S = 20.0

Step = Callable[[], bool]
"""One piece of work; True when there may be more at once."""


class Workers:
    """`on_failure` is called once a worker has died of something that does not pass: the process must end, and be
    started again by whoever runs it, rather than go on with half its work."""

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._troubles: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    def start(self, name: str, step: Step, pause_s: float, close: Callable[[], None] | None = None) -> None:
        """Repeat `step`, with a pause after each that found nothing to do; `close` runs in the thread at its end."""

        def run() -> None:
            try:
                self._repeat(name, step, pause_s)
            except Exception as error:
                log.critical("worker %s died", name, exc_info=True)
                self._failures[name] = type(error).__name__
                self._on_failure()
            finally:
                if close is not None:
                    close()

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stopping(self) -> bool:
        """Whether the workers have been told to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let every worker finish its step, for a bounded time."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_S)

    def failures(self) -> dict[str, str]:
        """Workers that have died, with the type of the error: anybody may read /readyz, and only we the log."""
        return dict(self._failures)

    def troubles(self) -> dict[str, str]:
        """Workers that are trying again at present, with the type of the error."""
        return dict(self._troubles)

    def _repeat(self, name: str, step: Step, pause_s: float) -> None:
        while not self._stop.is_set():
            try:
                busy = step()
            except PASSING as error:
                if name not in self._troubles:
                    log.warning("worker %s: %s; it tries again every %.0f s", name, error, RETRY_S)
                self._troubles[name] = type(error).__name__
                self._stop.wait(RETRY_S)
                continue
            if self._troubles.pop(name, None) is not None:
                log.info("worker %s goes on", name)
            if not busy:
                self._stop.wait(pause_s)
