"""The notifier put together: consumer, ticker, one dispatcher a channel, publisher and web in one process."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import FrameType

import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector

from services.common.clock import clock_from
from services.common.settings import Settings
from services.notifier.acting import ActLinks
from services.notifier.channels.base import Channel
from services.notifier.channels.email import EmailChannel
from services.notifier.channels.inbox import InboxChannel
from services.notifier.channels.webhook import WebhookChannel
from services.notifier.clerk import Clerk
from services.notifier.config import NotifierSettings
from services.notifier.console.app import build_console
from services.notifier.desk import Desk
from services.notifier.directory_live import open_people
from services.notifier.directory_wiring import follow_people, people_routes
from services.notifier.dispatcher import Dispatcher
from services.notifier.house import House
from services.notifier.intake import Intake
from services.notifier.link_secrets import kept_in
from services.notifier.messages import Letters
from services.notifier.metrics import DatabaseCollector, IntakeMetrics
from services.notifier.outbox import INBOX
from services.notifier.policy import HOUSE
from services.notifier.publisher import Publisher
from services.notifier.tables import open_database
from services.notifier.web import build_web
from services.notifier.words import load_words
from services.notifier.workers import Workers

log = logging.getLogger(__name__)

TICK_S = 0.1
"""A manual clock moves in jumps: people's deadlines are looked at ten times a second."""

DISPATCH_S = 0.1
PUBLISH_S = 0.2
LONGEST_GATHERING_S = 60.0
"""Pages wait while warnings are still pouring in, so that a first import makes one digest; no longer than this."""


def open_clerk(settings: Settings, channels: tuple[str, ...] = (), settle_s: int = 0, house: House = HOUSE) -> Clerk:
    """The clerk on the configured database, migrated to the newest schema, with the newest directory in it. Raises
    DirectoryInvalid for the file of BELLWETHER_DIRECTORY, and DirectoryEmpty where nothing was imported otherwise."""
    now = clock_from(settings.clock)
    database = open_database(settings.database_url)
    database.migrate()
    people = open_people(settings, database, now)
    return Clerk(database, people, now, channels, timedelta(seconds=settle_s), house)


def serve(settings: Settings, own: NotifierSettings) -> bool:
    """Run until a signal ends it; False when a worker died."""
    clerk = open_clerk(settings, own.channels, own.settle_s, own.house)
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry)
    intake = Intake(settings.kafka, settings.topics, clerk, metrics)
    ProcessCollector(registry=registry)
    registry.register(DatabaseCollector(clerk.database, clerk.now, (INBOX, *own.channels)))
    server: list[_Server] = []
    workers = Workers(on_failure=lambda: _end(server))
    desk = Desk(clerk)

    def ready() -> Mapping[str, str]:
        waiting = {} if intake.assigned else {"consumer": "has no partitions of the warnings topic yet"}
        return {**waiting, **workers.troubles(), **workers.failures()}

    metrics.watch(lambda: not ready())
    links = ActLinks(clerk, own.link_secrets or kept_in(settings.data_dir))
    people = people_routes(clerk, settings, _channels(settings, own, clerk))
    console = build_console(desk, settings.zone, links)
    web = build_web(desk, workers.failures, ready, registry, console, people)
    config = uvicorn.Config(
        web,
        host=settings.host,
        port=settings.notifier_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server.append(_Server(config))
    workers.start("ticker", _ticker(clerk, metrics), TICK_S)
    _start(workers, settings, own, clerk, intake)
    follow_people(workers, clerk, settings, own.channels)
    server[0].run()
    workers.stop()
    clerk.database.close()
    return not workers.failures()


def _start(workers: Workers, settings: Settings, own: NotifierSettings, clerk: Clerk, intake: Intake) -> None:
    letters = Letters(lambda: clerk.directory, own.console_url, settings.zone, load_words())
    for channel in _channels(settings, own, clerk):
        dispatcher = Dispatcher(clerk.database, channel, letters, clerk.now)
        left = dispatcher.recover()
        if left:
            log.warning("%s: %d pages were in flight when the last process ended", channel.name, left)
        gathered = Gathering(lambda: intake.settled, time.monotonic)
        workers.start(f"dispatcher-{channel.name}", _when(gathered, dispatcher, workers), DISPATCH_S)
    publisher = Publisher(settings.kafka, settings.topics, clerk.database)
    workers.start("publisher", publisher.step, PUBLISH_S, publisher.close)
    workers.start("consumer", intake.step, 0.0, intake.close)


def _ticker(clerk: Clerk, metrics: IntakeMetrics) -> Callable[[], bool]:
    """Looks at the clock: at deadlines, and at what has settled."""

    def step() -> bool:
        escalated, decided = clerk.tick(), clerk.settle_down()
        metrics.count(decided)
        return escalated > 0 or bool(decided)

    return step


def _channels(settings: Settings, own: NotifierSettings, clerk: Clerk) -> Iterator[Channel]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    yield InboxChannel(clerk.database, settings.data_dir / "inbox.jsonl", clerk.now)
    if own.smtp is not None:
        yield EmailChannel(own.smtp, clerk.now)
    if own.webhook_url is not None:
        yield WebhookChannel(own.webhook_url, own.webhook_secret, clerk.now)


class Gathering:
    """Says whether pages may go out: at once when the consumer is idle, after a bounded while when it is not."""

    def __init__(self, settled: Callable[[], bool], monotonic_s: Callable[[], float]) -> None:
        self._settled = settled
        self._monotonic_s = monotonic_s
        self._since_s: float | None = None

    def done(self) -> bool:
        """True starts the next while."""
        now_s = self._monotonic_s()
        if self._since_s is None:
            self._since_s = now_s
        if self._settled() or now_s - self._since_s >= LONGEST_GATHERING_S:
            self._since_s = None
            return True
        return False


def _when(gathering: Gathering, dispatcher: Dispatcher, workers: Workers) -> Callable[[], bool]:
    return lambda: gathering.done() and dispatcher.round(workers.stopping) > 0


def _end(server: list[_Server]) -> None:
    for one in server:
        one.should_exit = True


class _Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM without raising them again: the workers are to be stopped in order after it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def end(_number: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        yield
