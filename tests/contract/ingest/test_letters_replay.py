"""A replay is judged as a new event is, and marked only when the broker has it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from schemas.codec import InvalidEvent
from schemas.topics import Topics
from services.common.database import Database
from services.ingest import letters_store as store
from services.ingest.letters import Filed, Filter, Letter, Place
from services.ingest.letters_replay import Courts, Replayer
from services.ingest.publisher import TryLater, broker_away
from services.ingest.records import Record
from services.ingest.treating import Coming, Sender
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TOPICS = Topics("t")
GOOD = example("promise.met", id="G", subject="C7")
BAD = example("promise.met", id="B", data={})


class Broker:
    """Takes records, unless it is away."""

    alive = True
    outstanding = 0

    def __init__(self) -> None:
        self.away: TryLater | None = None
        self.problem: str | None = None
        self.taken: list[Record] = []
        self.asked = 0

    def start(self) -> None:
        self.alive = True

    async def close(self) -> None:
        self.alive = False

    async def publish(self, records: Sequence[Record]) -> None:
        self.asked += 1
        if self.away is not None:
            raise self.away
        self.taken += records


@pytest.fixture
def broker() -> Broker:
    return Broker()


def file(database: Database, *events: Any, origin: str = "ingest") -> None:
    letters = [
        Letter(Place(0, number), "invalid", "no", "tests", "", None, orjson.dumps(event), {}, NOW, origin)
        for number, event in enumerate(events)
    ]
    with database.writing() as tx:
        store.file(tx, 0, letters, len(letters), NOW)
        store.ask(tx, Filter(), "li.na", NOW)


def filed(database: Database, offset: int) -> Filed:
    with database.reading() as tx:
        found = store.load(tx, Place(0, offset))
    assert found is not None
    return found


def step(database: Database, broker: Broker, courts: Courts | None = None) -> bool:
    return asyncio.run(Replayer(database, broker, courts or Courts(TOPICS, lambda: NOW)).step())


def test_a_good_event_goes_on_its_topic_under_its_key_and_bears_the_letters_id(
    database: Database, broker: Broker
) -> None:
    file(database, GOOD, example("rate.published"))
    assert step(database, broker)
    assert [(one.topic, one.headers) for one in broker.taken] == [
        ("t.events", (("replay_of", b"0-0"),)),
        ("t.reference", (("replay_of", b"0-1"),)),
    ]
    assert broker.taken[0].key == b"C7"
    assert orjson.loads(broker.taken[0].value) == GOOD
    assert (filed(database, 0).state, filed(database, 1).state) == ("replayed", "replayed")
    assert not step(database, broker), "nothing is left"
    assert len(broker.taken) == 2


def test_one_that_is_refused_again_waits_with_the_new_reason_and_makes_no_second_letter(
    database: Database, broker: Broker
) -> None:
    file(database, BAD, GOOD, example("promise.met", type="bellwether.unheard.of"))
    step(database, broker)
    assert [one.topic for one in broker.taken] == ["t.events"]
    again = filed(database, 0)
    assert (again.state, again.letter.code, again.letter.reason) == (
        "waiting",
        "invalid",
        "data.promise_id: Field required",
    )
    assert filed(database, 2).letter.code == "unknown_type"
    assert filed(database, 1).state == "replayed"


def test_bytes_that_are_no_json_wait_until_they_are_mended(database: Database, broker: Broker) -> None:
    file(database, GOOD)
    with database.writing() as tx:
        store.claim(tx, 1, NOW)
        store.refused(tx, Place(0, 0), "x", "x", "ingest", NOW)
        store.edit(tx, Place(0, 0), b'{"half', "li.na", NOW)
        store.ask(tx, Filter(), "li.na", NOW)
    step(database, broker)
    assert (filed(database, 0).state, filed(database, 0).letter.code) == ("waiting", "not_json")
    with database.writing() as tx:
        store.edit(tx, Place(0, 0), orjson.dumps(GOOD), "li.na", NOW)
        store.ask(tx, Filter(), "li.na", NOW)
    step(database, broker)
    assert filed(database, 0).state == "replayed"


def test_a_whole_request_is_replayed_wholly_or_not_at_all(database: Database, broker: Broker) -> None:
    file(database, [GOOD, BAD], [GOOD, example("promise.met", id="H")])
    step(database, broker)
    assert [orjson.loads(one.value)["id"] for one in broker.taken] == ["G", "H"]
    assert (filed(database, 0).state, filed(database, 1).state) == ("waiting", "replayed")


def test_it_is_marked_only_when_the_broker_has_it(database: Database, broker: Broker) -> None:
    file(database, GOOD, BAD)
    broker.away = broker_away("a test")
    with pytest.raises(TryLater):
        step(database, broker)
    assert filed(database, 0).state == "asked"
    broker.problem, asked = "away", broker.asked
    assert not step(database, broker)
    assert broker.asked == asked, "it is not even tried while the broker is known to be away"
    broker.away = broker.problem = None
    assert step(database, broker)
    assert (filed(database, 0).state, filed(database, 1).state) == ("replayed", "waiting")


def test_what_is_done_to_new_events_is_done_to_a_replay_and_what_was_done_is_not_done_twice(
    database: Database, broker: Broker
) -> None:
    def named(name: str) -> Any:
        def treat(coming: Coming, _sender: Sender) -> Coming:
            event = coming.event.model_copy(update={"subject": name})
            return replace(coming, event=event, document={**coming.document, "subject": name})

        return treat

    courts = Courts(TOPICS, lambda: NOW, [named("mapped"), named("sealed")], [named("only-sealed")])
    file(database, GOOD)
    step(database, broker, courts)
    with database.writing() as tx:
        store.forget_all(tx, 0)
    file(database, GOOD, origin="rules/0/4")
    step(database, broker, courts)
    assert [one.key for one in broker.taken] == [b"sealed", b"only-sealed"]


def test_an_event_that_may_not_pass_now_waits(database: Database, broker: Broker) -> None:
    def never(coming: Coming, _sender: Sender) -> Coming:
        raise InvalidEvent("forgotten", "the customer is forgotten", (), coming.event.id, coming.event.source)

    file(database, GOOD)
    step(database, broker, Courts(TOPICS, lambda: NOW, [never]))
    assert (filed(database, 0).state, filed(database, 0).letter.code) == ("waiting", "forgotten")
    assert broker.taken == []
