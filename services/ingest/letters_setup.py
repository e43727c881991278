"""The parts that look after dead letters and feeds, put together for a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.common.database import Database
from services.common.settings import Settings
from services.common.workdays import is_working_date
from services.ingest.app import Publisher
from services.ingest.feeds import Calendar
from services.ingest.feeds_noting import Noting
from services.ingest.feeds_routes import Feeds, add_feeds
from services.ingest.judge import Judgement
from services.ingest.letters import Filed
from services.ingest.letters_follower import Follower
from services.ingest.letters_metrics import LettersMetrics, Looking
from services.ingest.letters_replay import Courts, Replayer
from services.ingest.letters_routes import Admin, Letters, add_letters, anybody
from services.ingest.working import Worker


@dataclass(frozen=True)
class Correspondence:
    """`noted` is the intake's; `workers` run beside it; `add_routes` gives the application its pages."""

    noted: Callable[[Judgement], None]
    workers: Sequence[Worker]
    letters: Letters
    feeds: Feeds

    def add_routes(self, app: FastAPI, admin: Admin = anybody) -> None:
        """/v1/dead-letters and /v1/feeds, for those whom `admin` lets through."""
        add_letters(app, self.letters, admin)
        add_feeds(app, self.feeds, admin)


def correspondence(
    settings: Settings,
    database: Database,
    publisher: Publisher,
    courts: Courts,
    metrics: CollectorRegistry,
    unsealed: Callable[[Filed], bytes],
) -> Correspondence:
    """`courts`: how events that are replayed are judged; `unsealed`: a letter's event with what is sealed opened."""
    now = courts.now
    calendar = Calendar(settings.zone, is_working_date)
    told = LettersMetrics(metrics)
    noting = Noting(database, settings.topics, now)
    follower = Follower(settings.kafka, settings.topics, database, now, told.filed_some)
    workers = (
        noting.run,
        follower.run,
        Replayer(database, publisher, courts).run,
        Looking(database, told, now, calendar).run,
    )
    feeds = Feeds(database, now, calendar, timedelta(minutes=settings.feed_silent_minutes))
    return Correspondence(noting.note, workers, Letters(database, now, unsealed), feeds)
