"""Several notifiers on one database: each page is taken by one, and what a dead one had in hand is in doubt."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from services.common.database import Database
from services.notifier.channels.base import Accepted, Message
from services.notifier.channels.limits import Go, Limits, Wait, Window
from services.notifier.claims import Claimer
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.dispatcher import Dispatcher
from services.notifier.grouping import Manners
from services.notifier.messages import Letters
from services.notifier.people import Person
from services.notifier.replicas import DatabaseInUse, Replica, lock_file
from services.notifier.tables import pages, timeline
from services.notifier.throttle import Throttle
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning, r1

PATIENCE_S = 120
AT_ONCE = Manners(window=timedelta(0), gather=timedelta(0))


class Receiver:
    """Takes everything, side by side, and remembers it; `during` happens while a message is on its way."""

    name = "webhook"
    kind = "webhook"
    limits = Limits()

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.during: Callable[[Message], None] = lambda _: None

    def scope(self, message: Message) -> str:
        return self.name

    def cost(self, message: Message) -> int:
        return 1

    def reaches(self, person: Person) -> bool:
        return True

    def has_sent(self, key: str) -> bool | None:
        return None

    def send(self, message: Message) -> Accepted:
        self.got.append(message)
        self.during(message)
        return Accepted(message.key)


class Machines:
    """Clocks of the machines on which the notifiers run."""

    def __init__(self) -> None:
        self.wall = NOON
        self.monotonic_s = 0.0

    def pass_seconds(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic_s += seconds


class Notifiers:
    """Notifiers of one database, by name, without their threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock, self.machines, self.receiver = database, clock, Machines(), Receiver()
        self.replicas: dict[str, Replica] = {}

    def start(self, name: str, *, width: int = 1, manners: Manners = AT_ONCE) -> Dispatcher:
        replica = Replica(self.database, lambda: self.machines.wall, name, 30.0, lambda: self.machines.monotonic_s)
        replica.join(alone=False)
        self.replicas[name] = replica
        letters = Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai"))
        return Dispatcher(
            self.database, self.receiver, letters, self.clock, replica=replica, manners=manners, width=width
        )

    def states(self) -> dict[str, int]:
        with self.database.reading() as tx:
            query = (
                select(pages.c.state, func.count().label("number"))
                .where(pages.c.channel == "webhook")
                .group_by(pages.c.state)
            )
            return {row.state: row.number for row in tx.execute(query)}


@pytest.fixture
def notifiers(database: Database, clock: Clock) -> Notifiers:
    return Notifiers(database, clock)


def at_once(*work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result(PATIENCE_S)


def test_whoever_looks_at_the_same_time_each_page_is_sent_once(notifiers: Notifiers, clerk: Clerk) -> None:
    seed = random.SystemRandom().randrange(10_000)
    print("seed", seed)
    chance = random.Random(seed)
    dispatchers = [notifiers.start(name, width=chance.choice([1, 4])) for name in ("a", "b", "c")]

    def work(dispatcher: Dispatcher) -> None:
        for _ in range(30):
            dispatcher.round()

    def file() -> None:
        for number in range(30):
            people = chance.sample(["owner", "superior"], chance.choice([1, 2]))
            clerk.file([make_warning(f"w{number}", customer_id=f"C{chance.randint(1, 4)}", audience=people)])

    at_once(file, *(partial(work, one) for one in dispatchers))
    work(dispatchers[0])
    assert set(notifiers.states()) == {"accepted"}
    told: Counter[str] = Counter()
    for message in notifiers.receiver.got:
        parts = message.data["pages"] if message.data["kind"] == "digest" else [message.data]
        assert isinstance(parts, list)
        told.update({f"{part['warning_id']}/{message.to.id}": 1 for part in parts})
    assert set(told.values()) == {1}
    for dispatcher in dispatchers:
        dispatcher.close()


def test_while_one_makes_a_digest_for_somebody_the_other_takes_nothing_of_it(
    notifiers: Notifiers, clerk: Clerk
) -> None:
    """A storm: both look again and again while pages come; each person still gets one digest in a window."""
    storm = Manners(window=timedelta(minutes=10), gather=timedelta(0))
    first, second = notifiers.start("a", manners=storm), notifiers.start("b", manners=storm)

    def work(dispatcher: Dispatcher) -> None:
        for _ in range(20):
            dispatcher.round()

    clerk.file([make_warning(f"w{number}", audience=["owner"]) for number in range(6)])
    at_once(
        lambda: work(first),
        lambda: work(second),
        lambda: [clerk.file([make_warning(f"v{number}", audience=["owner"])]) for number in range(10)],
    )
    assert [message.data["kind"] for message in notifiers.receiver.got].count("digest") == 1


def interrupted(_: Message) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_whom_another_is_looking_at_keeps_nobody_behind_them_waiting(database: Database, clerk: Clerk) -> None:
    """SQLite has one notifier."""
    clerk.file([make_warning(f"w{number}", audience=["owner"]) for number in range(6)])
    clerk.file([make_warning("other", customer_id="C2", audience=["superior"])])
    one, other = (Claimer("webhook", name, AT_ONCE) for name in ("a", "b"))
    with database.claiming() as first:
        (mine,) = one.claim(first, NOON, 1)
        with database.claiming() as second:
            found = other.claim(second, NOON, 2)
    assert mine.person not in {parcel.person for parcel in found}
    assert found


def test_what_a_dead_notifier_had_in_hand_is_in_doubt_once_its_lease_has_ended_and_not_before(
    notifiers: Notifiers, clerk: Clerk
) -> None:
    dying, other = notifiers.start("dying"), notifiers.start("other")
    clerk.file([make_warning(audience=["owner"])])
    notifiers.receiver.during = interrupted
    with pytest.raises(KeyboardInterrupt):
        dying.round()
    notifiers.receiver.during = lambda _: None
    notifiers.machines.pass_seconds(29)
    notifiers.replicas["other"].renew()
    assert (other.recover(), notifiers.states()) == (0, {"sending": 1})
    notifiers.machines.pass_seconds(1)
    assert other.recover() == 1
    assert notifiers.states() == {"uncertain": 1, "pending": 1}


def test_two_that_judge_the_same_doubt_at_once_make_one_repetition(notifiers: Notifiers, clerk: Clerk) -> None:
    dying, one, two = notifiers.start("dying"), notifiers.start("one"), notifiers.start("two")
    clerk.file([make_warning(f"w{number}", audience=["owner"]) for number in range(3)])
    notifiers.receiver.during = interrupted
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            dying.round()
        notifiers.machines.pass_seconds(0)
    notifiers.machines.pass_seconds(31)
    for name in ("one", "two"):
        notifiers.replicas[name].renew()
    at_once(one.recover, two.recover)
    states = notifiers.states()
    assert states["uncertain"] == states["pending"]
    assert "sending" not in states


def test_who_slept_longer_than_its_lease_sends_nothing_that_it_had_claimed(notifiers: Notifiers, clerk: Clerk) -> None:
    sleeper = notifiers.start("sleeper")
    clerk.file([make_warning(audience=["owner"])])
    notifiers.machines.pass_seconds(31)
    sleeper.round()
    assert (notifiers.receiver.got, notifiers.states()) == ([], {"pending": 1})


def test_a_late_acceptance_ends_the_doubt_that_others_had(notifiers: Notifiers, clerk: Clerk) -> None:
    """It slept while the message was on its way, and was taken for dead."""
    slow, other = notifiers.start("slow"), notifiers.start("other")
    clerk.file([make_warning(audience=["owner"])])

    def sleep(_: Message) -> None:
        notifiers.machines.pass_seconds(31)
        notifiers.replicas["other"].renew()
        other.recover()
        assert notifiers.states()["uncertain"] == 1

    notifiers.receiver.during = sleep
    slow.round()
    assert notifiers.states() == {"accepted": 1, "pending": 1}


def test_two_notifiers_keep_one_limit_together(database: Database) -> None:
    at, limits = [NOON], Limits((Window(20, 60),))
    one, two = Throttle(database, lambda: at[0]), Throttle(database, lambda: at[0])
    lock, gone = threading.Lock(), list[datetime]()

    def send(throttle: Throttle) -> None:
        for _ in range(15):
            verdict = throttle.reserve(limits, "bot", 1, critical=False)
            if isinstance(verdict, Go):
                with lock:
                    gone.append(at[0])
                throttle.answered("bot", verdict.hold)

    at_once(lambda: send(one), lambda: send(two))
    assert len(gone) == 20
    refused = two.reserve(limits, "bot", 1, critical=True)
    assert isinstance(refused, Wait)
    assert two.wait_s(refused) == 60
    at[0] += timedelta(seconds=60)
    assert isinstance(two.reserve(limits, "bot", 1, critical=False), Go)


def test_a_blocked_bot_is_blocked_for_everybody(database: Database) -> None:
    limits = Limits((Window(20, 60),), block_s=600)
    one, two = Throttle(database, lambda: NOON), Throttle(database, lambda: NOON)
    one.blocked(limits, "bot", 30)
    refused = two.reserve(limits, "bot", 1, critical=True)
    assert isinstance(refused, Wait)
    assert two.wait_s(refused) == 600


def test_a_deadline_is_escalated_once_however_many_tick(database: Database, clock: Clock) -> None:
    clerks = [Clerk(database, DIRECTORY, clock) for _ in range(3)]
    clerks[0].file([r1(f"r{number}", customer_id=f"N{number}") for number in range(20)])
    clock.at += DAY
    at_once(*(clerk.tick for clerk in clerks))
    with database.reading() as tx:
        breached = tx.execute(select(func.count()).where(timeline.c.type == "review.breached")).scalar_one()
    assert breached == 20


def test_what_has_settled_is_decided_once_however_many_decide(database: Database, clock: Clock, desk: Desk) -> None:
    clerks = [Clerk(database, DIRECTORY, clock, settle=timedelta(seconds=60)) for _ in range(3)]
    late = [make_warning(f"w{number}", customer_id=f"N{number}", start=NOON - 3 * DAY) for number in range(60)]
    clerks[0].file(late)
    clock.at += timedelta(seconds=61)

    def settle(clerk: Clerk) -> None:
        while clerk.settle_down():
            pass

    at_once(*(partial(settle, one) for one in clerks))
    assert len(desk.list_cases(CaseFilter(limit=1000))) == 60


def test_of_several_one_at_a_time_does_what_only_one_may(database: Database) -> None:
    with database.alone(7) as first, database.alone(7) as second, database.alone(8) as other:
        # SQLite has one process by itself, and its lock on the file sees to that.
        assert (first, second, other) == (True, database.file is not None, True)
    with database.alone(7) as again:
        assert again


def test_a_sqlite_file_has_one_notifier(tmp_path: Path) -> None:
    lock_file(tmp_path / "n.db")
    with pytest.raises(DatabaseInUse, match="PostgreSQL"):
        lock_file(tmp_path / "n.db")
