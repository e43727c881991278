"""The notifier put together: consumer, ticker, one dispatcher a channel, publisher and web in one process."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import FrameType

import uvicorn
from prometheus_client import CollectorRegistry, ProcessCollector

from services.common.clock import clock_from, wall_now
from services.common.database import Database
from services.common.settings import Settings
from services.notifier import recording
from services.notifier.acting import ActLinks
from services.notifier.channels.base import Channel, TakesMany
from services.notifier.channels.inbox import InboxChannel
from services.notifier.channels_wiring import follow_cases, greet_customers
from services.notifier.clerk import Clerk
from services.notifier.config import NotifierSettings
from services.notifier.console.app import build_console
from services.notifier.delivering import INBOX
from services.notifier.desk import Desk
from services.notifier.directory_live import open_people
from services.notifier.directory_metrics import DirectoryCollector
from services.notifier.directory_wiring import follow_people, people_routes
from services.notifier.dispatcher import ROUND_PAGES, Dispatcher
from services.notifier.grouping import Manners
from services.notifier.house import House
from services.notifier.intake import Intake
from services.notifier.link_secrets import kept_in
from services.notifier.linking import acknowledging
from services.notifier.links import LinkMaker
from services.notifier.messages import Letters, Notice
from services.notifier.metrics import DatabaseCollector, IntakeMetrics
from services.notifier.outbox import Reaches
from services.notifier.people import Person
from services.notifier.policy import HOUSE
from services.notifier.publisher import Publisher
from services.notifier.replicas import Replica, lock_file
from services.notifier.tables import open_database
from services.notifier.template_files import with_own
from services.notifier.web import build_web
from services.notifier.words import load_words
from services.notifier.workers import Workers

log = logging.getLogger(__name__)

TICK_S = 0.1
"""A manual clock moves in jumps: people's deadlines are looked at ten times a second."""

DISPATCH_S = 0.1
PUBLISH_S = 0.2
RETENTION_S = 3600.0
WIDTH = 32
"""Messages of one channel on their way at once: a receiver that takes 50 ms gets 300 a second. So many are in doubt
after a crash, and no more."""
WIDTH_OF_MANY = 50
"""Of a channel that knows after a crash what it has. In a storm each may be a digest of a hundred pages, and a critical
one has to wait for all of them."""


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
    replica = _join(clerk.database, own)
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry)
    intake = Intake(settings.kafka, settings.topics, clerk, metrics)
    ProcessCollector(registry=registry)
    registry.register(DirectoryCollector(clerk.database, clerk.people))
    registry.register(DatabaseCollector(clerk.database, clerk.now, (INBOX, *own.channels)))
    server: list[_Server] = []
    workers = Workers(on_failure=lambda: _end(server))
    desk = Desk(clerk)

    def ready() -> Mapping[str, str]:
        waiting = {} if intake.assigned else {"consumer": "has no partitions of the warnings topic yet"}
        return {**waiting, **workers.troubles(), **workers.failures()}

    metrics.watch(lambda: not ready())
    links = ActLinks(clerk, _secrets(settings, own))
    console = build_console(desk, settings.zone, links)
    channels = tuple(_channels(settings, own, clerk))
    clerk.reaches = _reaching(channels)
    people = people_routes(clerk, settings, channels)
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
    _start(workers, settings, own, clerk, intake, metrics, replica, channels)
    follow_people(workers, clerk, settings, own.channels)
    server[0].run()
    workers.stop()
    if not workers.failures():
        replica.leave()
    clerk.database.close()
    return not workers.failures()


def _join(database: Database, own: NotifierSettings) -> Replica:
    if database.file is not None:
        # Held until the process ends, however it ends.
        lock_file(database.file)
    replica = Replica(database, wall_now, lease_s=own.lease_s)
    replica.join(alone=database.file is not None)
    return replica


def _secrets(settings: Settings, own: NotifierSettings) -> tuple[bytes, ...]:
    return own.link_secrets or kept_in(settings.data_dir)


def _acknowledging(settings: Settings, own: NotifierSettings) -> Callable[[Notice, Person], str | None]:
    return acknowledging(LinkMaker(own.console_url, _secrets(settings, own), timedelta(days=own.link_days)))


def _start(
    workers: Workers,
    settings: Settings,
    own: NotifierSettings,
    clerk: Clerk,
    intake: Intake,
    metrics: IntakeMetrics,
    replica: Replica,
    channels: Sequence[Channel],
) -> None:
    workers.start("lease", _renewing(replica), replica.pause_s)
    workers.start("ticker", _ticker(clerk, metrics), TICK_S)
    templates = with_own(own.templates, lambda problem: log.error("a template is replaced by ours: %s", problem))
    letters = Letters(lambda: clerk.directory, own.console_url, settings.zone, load_words(), templates)
    letters = replace(letters, acknowledge=_acknowledging(settings, own))
    for channel in channels:
        dispatcher = Dispatcher(
            clerk.database,
            channel,
            letters.for_channel(channel.kind),
            clerk.now,
            replica=replica,
            manners=Manners(window=timedelta(seconds=own.digest_window_s)),
            configured=own.channels,
            reaches=clerk.reaches,
            width=WIDTH_OF_MANY if isinstance(channel, TakesMany) else WIDTH,
        )
        left = dispatcher.recover()
        if left:
            log.warning("%s: %d pages were in flight when the last process ended", channel.name, left)
        workers.start(f"dispatcher-{channel.name}", _sending(dispatcher, workers), DISPATCH_S, dispatcher.close)
        follow_cases(workers, channel, clerk, own.console_url)
    greet_customers(workers, settings, own, clerk)
    publisher = Publisher(settings.kafka, settings.topics, clerk.database)
    workers.start("retention", _forgetting(clerk), RETENTION_S)
    workers.start("publisher", publisher.step, PUBLISH_S, publisher.close)
    workers.start("consumer", intake.step, 0.0, intake.close)


def _forgetting(clerk: Clerk) -> Callable[[], bool]:
    """From where people acted is known for a while only."""

    def step() -> bool:
        with clerk.database.writing() as tx:
            recording.expire(tx, clerk.now())
        return False

    return step


def _renewing(replica: Replica) -> Callable[[], bool]:
    def step() -> bool:
        replica.renew()
        return False

    return step


def _sending(dispatcher: Dispatcher, workers: Workers) -> Callable[[], bool]:
    # A round ends when nothing is due, unless it was a long one: there is no need to look again at once.
    return lambda: dispatcher.round(workers.stopping) >= ROUND_PAGES


def _ticker(clerk: Clerk, metrics: IntakeMetrics) -> Callable[[], bool]:
    """Looks at the clock: at deadlines, at what has settled, and at holds that are over."""

    def step() -> bool:
        due = clerk.look()
        escalated, decided, released = clerk.tick(due), clerk.settle_down(due), clerk.release(due)
        metrics.count(decided)
        return escalated > 0 or bool(decided) or released > 0

    return step


def _channels(settings: Settings, own: NotifierSettings, clerk: Clerk) -> Iterator[Channel]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    yield InboxChannel(clerk.database, settings.data_dir / "inbox.jsonl", clerk.now)
    yield from own.open_channels(clerk.now).values()


def _reaching(channels: Iterable[Channel]) -> Reaches:
    """By what each channel says of itself; a channel that is no more reaches nobody."""
    by_name = {channel.name: channel for channel in channels}
    return lambda name, person: person is not None and name in by_name and by_name[name].reaches(person)


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
