"""What Prometheus sees of the notifier. Counts of cases and pages are read from the database at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, or_, select

from services.common.clock import Now
from services.common.database import Database
from services.notifier import outbox, settling
from services.notifier.case import Verdict
from services.notifier.tables import cases, deadlines, poison, tasks, timeline
from services.notifier.views import PageState

_PREFIX = "bellwether_notifier"


class IntakeMetrics:
    """What the consumer has done and where it stands."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._warnings = Counter(
            f"{_PREFIX}_warnings",
            "Warnings taken from the topic, by what was made of them",
            ["verdict"],
            registry=registry,
        )
        self._poison = Counter(f"{_PREFIX}_poison", "Records that were no warning", registry=registry)
        self._offset = Gauge(
            f"{_PREFIX}_consumer_offset", "The next offset to be read", ["partition"], registry=registry
        )
        self._lag = Gauge(f"{_PREFIX}_consumer_lag", "Records not yet read", ["partition"], registry=registry)
        self._ready = Gauge(f"{_PREFIX}_ready", "1 while every part of the notifier gets on", registry=registry)
        for verdict in Verdict:
            self._warnings.labels(verdict)

    def watch(self, ready: Callable[[], bool]) -> None:
        """Asks at each scrape."""
        self._ready.set_function(lambda: float(ready()))

    def count(self, verdicts: Mapping[Verdict, int]) -> None:
        """So many warnings met each verdict; one that settles counts when it comes and again when it is decided."""
        for verdict, number in verdicts.items():
            self._warnings.labels(verdict).inc(number)

    def poisoned(self, number: int) -> None:
        """So many records were set aside."""
        self._poison.inc(number)

    def at(self, partition: int, position: int, highwater: int | None) -> None:
        """Where the consumer stands in a partition."""
        self._offset.labels(str(partition)).set(position)
        if highwater is not None:
            self._lag.labels(str(partition)).set(max(0, highwater - position))


def refused_routes(registry: CollectorRegistry) -> Gauge:
    """There is one, at 0, also where no file of routes is followed."""
    text = "1 while the file of routes cannot be used and those before it are in force"
    return Gauge(f"{_PREFIX}_routes_refused", text, registry=registry)


class DatabaseCollector(Collector):
    """Registers itself nowhere: the entry point does. `channels`: their pages are told of also while there are none."""

    def __init__(self, database: Database, now: Now, channels: Iterable[str] = ()) -> None:
        self._database = database
        self._now = now
        # Prometheus sees no increase from "not there" to 1.
        self._no_pages = {(channel, str(state)): 0 for channel in channels for state in get_args(PageState)}

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One look at the database."""
        now = self._now()
        with self._database.reading() as tx:
            pages = GaugeMetricFamily(f"{_PREFIX}_pages", "Pages by channel and state", labels=["channel", "state"])
            for labels, number in {**self._no_pages, **outbox.count_by_state(tx)}.items():
                pages.add_metric(list(labels), number)
            oldest = outbox.oldest_pending(tx)
            review = deadlines.c.kind == "review"
            overdue_since, due = _overdue_since(tx, now), select(func.min(deadlines.c.due_at)).where(review)
            step_due, steps = tx.execute(due).scalar(), _next_steps(tx)
            overdue = or_(deadlines.c.due_at <= now, deadlines.c.breaches > 0)
            counts = {
                "settling": settling.count(tx),
                "open": tx.execute(select(func.count()).where(cases.c.status == "open")).scalar_one(),
                "overdue": tx.execute(select(func.count()).where(review, overdue)).scalar_one(),
                "breaches": tx.execute(select(func.count()).where(timeline.c.type == "review.breached")).scalar_one(),
                "poison": tx.execute(select(func.count()).select_from(poison)).scalar_one(),
            }
        yield pages
        yield GaugeMetricFamily(f"{_PREFIX}_cases_open", "Open cases", counts["open"])
        yield GaugeMetricFamily(f"{_PREFIX}_settling", "Warnings found late that wait for calm", counts["settling"])
        yield GaugeMetricFamily(f"{_PREFIX}_reviews_overdue", "Reviews nobody opened in time", counts["overdue"])
        yield CounterMetricFamily(f"{_PREFIX}_review_breaches", "Review deadlines missed", counts["breaches"])
        yield GaugeMetricFamily(f"{_PREFIX}_poison_kept", "Records set aside that were no warning", counts["poison"])
        for name, text, since in (
            ("outbox_age_seconds", "Age of the oldest page that is not sent", oldest),
            ("review_overdue_seconds", "How long the longest overdue review has been so", overdue_since),
            ("escalation_late_seconds", "By how much the next step of a review is overdue", step_due),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, _age_s(since, now))
        late = GaugeMetricFamily(
            f"{_PREFIX}_step_late_seconds",
            "By how much a step that is due by itself is overdue: of a review, an idle case, a task, a department",
            labels=["step"],
        )
        for kind, at in steps.items():
            late.add_metric([kind], _age_s(at, now))
        yield late


def _age_s(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _next_steps(tx: Connection) -> dict[str, datetime | None]:
    """The earliest step of each kind that has still to be taken."""
    by_kind = select(deadlines.c.kind, func.min(deadlines.c.next_at)).group_by(deadlines.c.kind)
    found: dict[str, datetime | None] = dict.fromkeys(("review", "idle", "task", "delegation", "team"))
    found.update((kind, at) for kind, at in tx.execute(by_kind))
    listed = tx.execute(select(func.min(tasks.c.remind_at)).where(tasks.c.status == "open")).scalar()
    found["task"] = min((at for at in (found["task"], listed) if at), default=None)
    return found


def _overdue_since(tx: Connection, now: datetime) -> datetime | None:
    """The first deadline missed of any review that nobody has opened yet: when it was noticed, or when it was due."""
    same = (timeline.c.case_id == deadlines.c.case_id) & (timeline.c.warning_id == deadlines.c.warning_id)
    missed = timeline.c.type == "review.breached", deadlines.c.breaches > 0
    late = deadlines.c.kind == "review", deadlines.c.due_at <= now, deadlines.c.breaches == 0
    breached = select(func.min(timeline.c.at)).join(deadlines, same).where(*missed)
    due = select(func.min(deadlines.c.due_at)).where(*late)
    return min((at for at in (tx.execute(breached).scalar(), tx.execute(due).scalar()) if at), default=None)
