"""What comes beside the events: learned between batches, judged again by, told to ops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from schemas.codec import encode
from schemas.rulebook import KEY, PublishedBook, encode_book
from services.rules import desk as desk_module
from services.rules.bookkeeping import BookKeeper
from services.rules.books import SHIPPED, read_files
from services.rules.calendar import SECOND, micros
from services.rules.compiling import Rule
from services.rules.desk import Desk
from services.rules.feeds import MAX_FEEDS, FeedWatch
from services.rules.learning import learn
from services.rules.reference import Feed, Reference
from services.rules.rulebook import Rulebook
from tests.support.fake_kafka import HostBench
from tests.support.records import TOPICS, Rec, at, customer_on, paid
from tests.support.standin_core import StandInCore
from tests.support.waiting import wait_until_async
from tests.unit.rules.test_reference import beat, rate

pytestmark = pytest.mark.anyio
A = customer_on(0)
HOUR_US = 3600 * SECOND


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class On(Rec):
    """A record that knows its topic."""

    topic: str = TOPICS.reference


def said(offset: int, event: Any) -> On:
    return On(offset, b"key", encode(event))


def book_record(offset: int, value: bytes | None, key: bytes = KEY) -> On:
    return On(offset, key, value, topic=TOPICS.rulebook)


def book(*names: str) -> bytes:
    files = {
        name: text
        for name, text in read_files(SHIPPED)[0].items()
        if name.startswith(tuple(f"{one}_" for one in names))
    }
    return encode_book(PublishedBook(files=files, author="me", at=datetime(2026, 3, 1, tzinfo=UTC)))


class Bench:
    """A desk with what it needs. `say` puts records on the topics that it follows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(desk_module, "CALM_S", 0.01)
        self.reference = Reference()
        self.host_bench = HostBench()
        registry = self.host_bench.registry
        self.metrics = self.host_bench.metrics
        books = BookKeeper(folder, self.build, self.trial, self.metrics)
        self.desk = Desk(TOPICS, self.reference, books, FeedWatch(HOUR_US), self.metrics)
        self.queue: asyncio.Queue[list[On]] = asyncio.Queue()
        self.registry = registry

    def build(self, rules: list[Rule]) -> StandInCore:
        core = StandInCore()
        core.book, core.reference = Rulebook(rules).fingerprint, self.reference
        return core

    async def trial(self, raw: bytes) -> list[str]:
        return ["no good"] if raw == b"bad" else []

    async def begins(self, *lists: list[On]) -> StandInCore:
        async def whole() -> AsyncIterator[list[On]]:
            for records in lists:
                yield records

        core = await self.desk.begin(whole())
        assert isinstance(core, StandInCore)
        return core

    async def following(self) -> AsyncIterator[list[On]]:
        while True:
            yield await self.queue.get()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


class Working:
    """A desk at work beside a host that has taken partition 0 over."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.host = bench.host_bench.host

    async def __aenter__(self) -> Self:
        await self.host.use(await self.bench.begins())
        await self.bench.host_bench.take_over()
        self.task = asyncio.create_task(self.bench.desk.work(self.bench.following(), self.host, lambda: 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def unjudged(self) -> set[str]:
        return self.host.places[0].partition.unjudged


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


async def test_all_that_lies_on_the_topics_is_known_before_the_start(bench: Bench) -> None:
    core = await bench.begins(
        [said(0, rate("a", "7.1")), On(1, b"k", b"{"), said(2, rate("b", "7.2"))],
        [book_record(0, book("R3")), book_record(1, book("R2"))],
    )
    assert core.reference is bench.reference
    assert core.book == Rulebook([rule for rule in shipped() if rule.id == "R2"]).fingerprint
    assert bench.sample("bellwether_rules_reference_events_total", kind="rate.published") == 2
    assert bench.sample("bellwether_rules_reference_refused_total", reason="not_json") == 1


def shipped() -> list[Rule]:
    from services.rules.books import read_rules

    return read_rules(SHIPPED)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "not_json"),
        (None, "empty"),
        (orjson.dumps({"type": "bellwether.nothing"}), "unknown_type"),
        (paid(0, A).value, "wrong_topic"),
    ],
)
async def test_an_invalid_reference_record_is_counted_and_logged_without_what_it_says(
    bench: Bench, caplog: pytest.LogCaptureFixture, value: bytes | None, reason: str
) -> None:
    assert not learn(bench.reference, On(7, A.encode(), value), bench.metrics)
    assert bench.sample("bellwether_rules_reference_refused_total", reason=reason) == 1
    assert f"offset 7 is refused: {reason}" in caplog.text
    assert A not in caplog.text


async def test_a_record_that_breaks_the_reading_costs_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise ArithmeticError("burst")

    monkeypatch.setattr(bench.reference, "learn", burst)
    assert not learn(bench.reference, said(0, rate("a", "7.1")), bench.metrics)
    assert bench.sample("bellwether_rules_reference_refused_total", reason="poison_ArithmeticError") == 1


async def test_a_new_rate_makes_everybody_due_and_opens_them_anew(bench: Bench) -> None:
    async with Working(bench) as working:
        await working.host.process(0, [paid(0, A)])
        await bench.queue.put([said(0, rate("a", "7.1"))])
        await wait_until_async(lambda: working.unjudged == {A}, "the customer to be due")
        await working.host.process(0, [paid(1, A)])
        assert bench.sample("bellwether_rules_customers_decoded_total") == 2
        assert bench.sample("bellwether_rules_recheck_left_customers") == 0


async def test_batches_go_on_while_much_is_learned_and_see_it_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "TURN_S", -1.0)
    async with Working(bench) as working:
        await bench.queue.put([said(n, rate(f"r{n}", "7.1", day=n + 1)) for n in range(40)])
        for offset in range(40):
            await working.host.process(0, [paid(offset, A)])
        await wait_until_async(lambda: bench.reference.rate("USD", "CNY", 10**6), "the rates")
        # Opened from its records each time that a rate had come.
        assert (bench.sample("bellwether_rules_customers_decoded_total") or 0) > 3


async def test_a_heartbeat_makes_nobody_due(bench: Bench) -> None:
    async with Working(bench) as working:
        await working.host.process(0, [paid(0, A)])
        await bench.queue.put([said(0, beat("a", until=1)), said(1, beat("b", until=2))])
        await bench.queue.put([said(2, rate("a", "7.1"))])
        await wait_until_async(lambda: working.unjudged == {A}, "the rate to be learned")
        await working.host.process(0, [paid(1, A)])
        assert bench.sample("bellwether_rules_customers_decoded_total") == 2


async def test_a_good_book_replaces_the_rules_and_a_bad_one_does_not(bench: Bench) -> None:
    async with Working(bench) as working:
        await working.host.process(0, [paid(0, A)])
        await bench.queue.put([book_record(0, b"bad"), book_record(1, book("R3"), key=b"other")])
        refused = "bellwether_rulebook_refused_total"
        await wait_until_async(lambda: bench.sample(refused) == 1, "the refusal")
        await bench.queue.put([book_record(2, book("R3"))])
        await wait_until_async(lambda: working.unjudged == {A}, "the customer to be due")
        bench.host_bench.caught_up()
        await working.host.wake_due()
        warning = orjson.loads(bench.host_bench.sink.written(TOPICS.warnings, 0)[-1].value or b"")
        assert warning["id"] == f"{A}:book:{Rulebook([rule for rule in shipped() if rule.id == 'R3']).fingerprint}"
        assert working.unjudged == set()


# ---- silence


def test_a_feed_is_silent_once_its_last_heartbeat_is_older_than_the_limit_and_that_is_told_once() -> None:
    watch = FeedWatch(HOUR_US)

    def look(heard: int, now: int) -> tuple[bool, bool]:
        (state,) = watch.look({"crm": Feed(0, heard)}, now)
        return state.silent, state.changed

    assert look(0, HOUR_US) == (False, False)
    assert look(0, HOUR_US + 1) == (True, True)
    assert look(0, HOUR_US + 2) == (True, False)
    assert look(HOUR_US, HOUR_US + 3) == (False, True)
    assert look(HOUR_US, HOUR_US + 4) == (False, False)


def test_no_more_feeds_are_told_than_a_dashboard_can_bear() -> None:
    feeds = {f"feed-{number:04d}": Feed(0, 0) for number in range(MAX_FEEDS + 5)}
    assert len(FeedWatch(1).look(feeds, 0)) == MAX_FEEDS


async def test_ops_are_told_of_each_feed_and_of_its_silence(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await bench.begins([said(0, beat("a", until=1, hours=2))])
    bench.desk.look_at_feeds(micros(at(2.5)))
    assert bench.sample("bellwether_feed_complete_until_seconds", feed="crm") == at(1).timestamp()
    assert bench.sample("bellwether_feed_last_heartbeat_seconds", feed="crm") == at(2).timestamp()
    assert bench.sample("bellwether_feed_silent", feed="crm") == 0
    bench.desk.look_at_feeds(micros(at(3.5)))
    bench.desk.look_at_feeds(micros(at(3.6)))
    assert bench.sample("bellwether_feed_silent", feed="crm") == 1
    assert caplog.text.count("the feed crm has been silent for 90 minutes") == 1
    learn(bench.reference, said(1, beat("b", until=3, hours=3.5)), bench.metrics)
    bench.desk.look_at_feeds(micros(at(3.7)))
    assert "the feed crm is heard again" in caplog.text
