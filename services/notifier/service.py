"""The notifier put together: consumer, ticker, one dispatcher a channel, publisher and web in one process."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import FrameType

import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector

from services.common.clock import clock_from, wall_now
from services.common.errors import UserError
from services.common.settings import Settings
from services.notifier import incidents
from services.notifier.channels.base import Channel
from services.notifier.channels.inbox import InboxChannel
from services.notifier.clerk import Clerk
from services.notifier.config import NotifierSettings
from services.notifier.console.app import build_console
from services.notifier.delivering import INBOX
from services.notifier.desk import Desk
from services.notifier.directory import load_directory
from services.notifier.dispatcher import Dispatcher
from services.notifier.greetings.follower import MourningFollower
from services.notifier.greetings.opening import open_greeter
from services.notifier.greetings.work import PAUSE_S as GREETINGS_S
from services.notifier.intake import Intake
from services.notifier.messages import Letters
from services.notifier.metrics import DatabaseCollector, IntakeMetrics
from services.notifier.publisher import Publisher
from services.notifier.replicas import Replica, lock_file
from services.notifier.tables import open_database
from services.notifier.throttle import Throttle
from services.notifier.web import build_web
from services.notifier.words import load_words
from services.notifier.workers import Workers

log = logging.getLogger(__name__)

TICK_S = 0.1
"""A manual clock moves in jumps: people's deadlines are looked at ten times a second."""

DISPATCH_S = 0.1
PUBLISH_S = 0.2
WIDTH = 16
"""Messages of one channel on their way at once: a receiver that takes 50 ms gets 300 a second."""


class DirectoryMissing(UserError):
    """BELLWETHER_DIRECTORY is not set."""


def open_clerk(settings: Settings, channels: tuple[str, ...] = (), settle_s: int = 0) -> Clerk:
    """The clerk on the configured database, migrated to the newest schema, and directory."""
    if settings.directory is None:
        raise DirectoryMissing("set BELLWETHER_DIRECTORY to the YAML file of people and customers")
    directory = load_directory(settings.directory)
    database = open_database(settings.database_url)
    database.migrate()
    return Clerk(database, directory, clock_from(settings.clock), channels, timedelta(seconds=settle_s))


def serve(settings: Settings, own: NotifierSettings) -> bool:
    """Run until a signal ends it; False when a worker died."""
    clerk = open_clerk(settings, own.channels, own.settle_s)
    if clerk.database.file is not None:
        # Held until the process ends, however it ends.
        lock_file(clerk.database.file)
    replica = Replica(clerk.database, wall_now, lease_s=own.lease_s)
    replica.join(alone=clerk.database.file is not None)
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
    web = build_web(desk, workers.failures, ready, registry, build_console(desk, settings.zone))
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
    _start(workers, settings, own, clerk, intake, metrics, replica)
    server[0].run()
    workers.stop()
    if not workers.failures():
        replica.leave()
    clerk.database.close()
    return not workers.failures()


def _start(
    workers: Workers,
    settings: Settings,
    own: NotifierSettings,
    clerk: Clerk,
    intake: Intake,
    metrics: IntakeMetrics,
    replica: Replica,
) -> None:
    workers.start("lease", _renewing(replica), replica.pause_s)
    workers.start("ticker", _ticker(clerk, metrics), TICK_S)
    letters = Letters(lambda: clerk.directory, own.console_url, settings.zone, load_words())
    for channel in _channels(settings, own, clerk):
        dispatcher = Dispatcher(
            clerk.database,
            channel,
            letters,
            clerk.now,
            replica=replica,
            configured=own.channels,
            width=1 if channel.name == INBOX else WIDTH,
        )
        left = dispatcher.recover()
        if left:
            log.warning("%s: %d pages were in flight when the last process ended", channel.name, left)
        workers.start(f"dispatcher-{channel.name}", _sending(dispatcher, workers), DISPATCH_S, dispatcher.close)
        if channel.kind in incidents.KINDS:
            told = incidents.Incidents(
                clerk.database,
                channel,
                Throttle(clerk.database, wall_now),
                lambda: clerk.directory,
                clerk.now,
                own.console_url,
            )
            workers.start(f"incidents-{channel.name}", told.step, incidents.PAUSE_S)
    if own.greetings_file is not None:
        _greet(workers, settings, own, own.greetings_file, clerk)
    publisher = Publisher(settings.kafka, settings.topics, clerk.database)
    workers.start("publisher", publisher.step, PUBLISH_S, publisher.close)
    workers.start("consumer", intake.step, 0.0, intake.close)


def _greet(workers: Workers, settings: Settings, own: NotifierSettings, file: Path, clerk: Clerk) -> None:
    greeter = open_greeter(file, own.env, clerk.database, lambda: clerk.directory, clerk.now, settings.zone)
    archive = MourningFollower(settings.kafka, settings.topics, clerk.database, clerk.now)
    workers.start("greetings", greeter.step, GREETINGS_S)
    workers.start("mourning", archive.step, 0.0, archive.close)


def _renewing(replica: Replica) -> Callable[[], bool]:
    def step() -> bool:
        replica.renew()
        return False

    return step


def _sending(dispatcher: Dispatcher, workers: Workers) -> Callable[[], bool]:
    return lambda: dispatcher.round(workers.stopping) > 0


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
    yield from own.open_channels(clerk.now).values()


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
