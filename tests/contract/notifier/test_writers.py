"""Threads that write at once: one at a time on every database, so that none waits for rows of one that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from services.common.database import Database
from services.notifier.channels.base import Accepted, Message
from services.notifier.channels.limits import UNLIMITED
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.dispatcher import Dispatcher
from services.notifier.messages import Letters
from services.notifier.people import Person
from services.notifier.tables import cases
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning, r1

CUSTOMERS = [f"N{number}" for number in range(12)]
PATIENCE_S = 120


def test_the_second_writer_begins_when_the_first_is_done(database: Database, clerk: Clerk, desk: Desk) -> None:
    inside, begun, done = threading.Event(), threading.Event(), threading.Event()

    def file() -> None:
        inside.wait(PATIENCE_S)
        begun.set()
        clerk.file([make_warning()])
        done.set()

    with ThreadPoolExecutor() as pool:
        filing = pool.submit(file)
        with database.writing() as tx:
            inside.set()
            begun.wait(PATIENCE_S)
            # Not even a row of another table: whoever writes waits.
            assert not done.wait(0.3)
            assert tx.execute(select(func.count()).select_from(cases)).scalar_one() == 0
        filing.result(PATIENCE_S)
    assert len(desk.list_cases(CaseFilter())) == 1


class Silent:
    """A channel that takes everything."""

    name = "inbox"
    kind = "inbox"
    limits = UNLIMITED

    def scope(self, message: Message) -> str:
        return self.name

    def cost(self, message: Message) -> int:
        return 1

    def reaches(self, person: Person) -> bool:
        return True

    def has_sent(self, key: str) -> bool | None:
        return None

    def send(self, message: Message) -> Accepted:
        return Accepted(message.key)


def consume(clerk: Clerk) -> None:
    """Warnings found late and in time, of the same customers in another order each time."""
    for revision in range(1, 5):
        change = "raised" if revision == 1 else "amended"
        order = CUSTOMERS if revision % 2 else CUSTOMERS[::-1]
        found = [make_warning(f"late-{one}", revision, change, customer_id=one, start=NOON - DAY * 3) for one in order]
        clerk.file(found)
        clerk.file([r1(f"r-{one}", revision, change, customer_id=one, pages_again=True) for one in order])


def tick(clerk: Clerk, clock: Clock) -> None:
    for _ in range(8):
        clock.at += timedelta(hours=13)
        clerk.tick()
        clerk.settle_down()


def comment(desk: Desk) -> None:
    for _ in range(4):
        for line in desk.list_cases(CaseFilter()):
            desk.comment(line.id, "wang", "on it")


def send(dispatcher: Dispatcher) -> None:
    for _ in range(8):
        dispatcher.round()


def test_consumer_ticker_dispatcher_and_people_work_at_once_and_none_meets_an_error(
    database: Database, clock: Clock, desk: Desk
) -> None:
    """They touch cases, waiting warnings and pages, each in the order of its own work."""
    clerk = Clerk(database, DIRECTORY, clock, settle=timedelta(seconds=1))
    dispatcher = Dispatcher(database, Silent(), Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai")), clock)
    work: list[Callable[[], None]] = [
        lambda: consume(clerk),
        lambda: tick(clerk, clock),
        lambda: comment(desk),
        lambda: send(dispatcher),
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result(PATIENCE_S)
    clock.at += DAY
    while clerk.settle_down():
        pass
    assert sorted(line.customer_id for line in desk.list_cases(CaseFilter())) == sorted(CUSTOMERS)
