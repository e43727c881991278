"""Two customers are one: events are sent again, what is new waits, and chains and rings end well."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest

from schemas.control import CONTROL_KEY, erase_value
from services.common.database import Database
from services.ingest import ids_store, merging_store
from services.ingest.ids_vault import Vault
from services.ingest.merging_worker import CLAIM_S, Merger
from services.ingest.records import Record
from services.ingest.tables import forgotten
from tests.contract.ingest.replicas import NOW, TOPICS, Broker, Replica
from tests.unit.schemas.examples import example

SETTLE_S = 60.0


@dataclass
class Read:
    """A record as a consumer gives it."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Log:
    """What the broker took, as two partitions: even and odd. Given out two records at a time."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.direct: list[Read] = []
        self.reads = 0

    def _part(self, number: int) -> list[Read]:
        on_topic = [Read(one.key, one.value, one.headers) for one in self.broker.records if one.topic == TOPICS.events]
        return on_topic if number == 0 else self.direct

    def bounds(self) -> dict[int, tuple[int, int]]:
        return {number: (0, len(self._part(number))) for number in (0, 1)}

    def read(self, partition: int, offset: int, end: int) -> tuple[Sequence[Any], int]:
        self.reads += 1
        found = self._part(partition)[offset : min(end, offset + 2)]
        return found, offset + len(found)

    def close(self) -> None: ...


class Place(Replica):
    """A replica with a merger."""

    def __init__(
        self, database: Database, broker: Broker, log: Log, who: str = "one", vault: Vault | None = None
    ) -> None:
        super().__init__(database, broker, vault=vault)
        self.merger = Merger(self.registry, broker, TOPICS, self.metrics, log, who, SETTLE_S)

    def work(self) -> None:
        """As far as it goes at this instant."""

        async def steps() -> None:
            while await self.merger.step():
                pass

        asyncio.run(steps())

    def finish(self) -> None:
        """Everything, also what has to settle first."""
        self.work()
        self.now += timedelta(seconds=SETTLE_S)
        self.work()
        self.release()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def log(broker: Broker) -> Log:
    return Log(broker)


@pytest.fixture
def place(database: Database, broker: Broker, log: Log) -> Place:
    return Place(database, broker, log)


def met(id: str, customer: str) -> dict[str, Any]:
    return example("promise.met", id=id, subject=customer)


def merge(id: str, merged: str, into: str, **changes: Any) -> dict[str, Any]:
    return example("customer.merged", id=id, subject=into, data={"merged_customer_id": merged}, **changes)


def of(broker: Broker, customer: str) -> list[str]:
    """Ids of the customer's events by their first coming, as the rules service counts them."""
    events = [orjson.loads(one.value) for one in broker.records if one.key == customer.encode()]
    return list(dict.fromkeys(event["id"] for event in events))


def erased(broker: Broker) -> list[bytes]:
    return [one.value for one in broker.records if one.key == CONTROL_KEY]


def test_the_others_events_are_sent_again_in_their_order_and_later_ones_behind_them(
    place: Place, broker: Broker, database: Database
) -> None:
    place.post(met("a1", "A"), met("b1", "B"), met("a2", "A"), met("a3", "A"))
    assert place.post(merge("m", "A", "B")) == ["ok"]
    assert place.post(met("a4", "A"), met("b2", "B")) == ["behind_others", "ok"]
    place.work()
    assert erased(broker) == [], "another replica may still be sending under the old id"
    # One did.
    late = met("a3+", "A")
    broker.records.append(Record(TOPICS.events, b"A", orjson.dumps(late)))
    place.finish()
    assert of(broker, "B") == ["b1", "m", "b2", "a1", "a2", "a3", "a3+", "a4"]
    assert erased(broker) == [erase_value("A", "B")]
    assert place.post(met("a5", "A")) == ["ok"]
    assert of(broker, "B")[-1] == "a5"
    assert of(broker, "A") == ["a1", "a2", "a3", "a3+"]
    with database.reading() as tx:
        (row,) = merging_store.list_merges(tx, 10)
    assert (row["resent"], row["done_at"]) == (4, place.now)


def test_a_copy_differs_in_its_customer_alone(place: Place, broker: Broker) -> None:
    place.post(met("a1", "A"))
    place.post(merge("m", "A", "B"))
    place.finish()
    first, again = (orjson.loads(one.value) for one in broker.records if b'"a1"' in one.value)
    assert again == {**first, "subject": "B"}


def test_what_was_written_to_the_topic_directly_is_found_wherever_it_lies(
    place: Place, broker: Broker, log: Log
) -> None:
    event = example("promise.met", id="binary", subject="A")
    attributes = {name: event[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    escaped = orjson.dumps(met("escaped", "A")).replace(b'"subject":"A"', b'"subject":"\\u0041"')
    log.direct = [
        Read(None, orjson.dumps(met("no key", "A").copy() | {"id": "keyless"})),
        Read(b"A", orjson.dumps(event["data"]), headers),
        Read(b"A", escaped),
        Read(b"A", None),
        Read(b"A", b'{"broken'),
        Read(b"A", orjson.dumps({**met("invalid", "A"), "time": "yesterday"})),
        Read(b"A", orjson.dumps(met("another", "D"))),
    ]
    place.post(merge("m", "A", "B"))
    place.finish()
    assert of(broker, "B") == ["m", "keyless", "binary", "escaped"]


@pytest.mark.parametrize("records_are_out", [True, False])
def test_a_crash_anywhere_repeats_and_loses_nothing(database: Database, records_are_out: bool) -> None:
    class Dies(Broker):
        lives = 0

        async def publish(self, records: Sequence[Record]) -> None:
            self.lives -= 1
            if records_are_out or self.lives:
                await super().publish(records)
            if not self.lives:
                # What would be kept after them is not.
                raise SystemExit

    died, lives = True, 0
    while died:
        lives += 1
        broker = Dies()
        log = Log(broker)
        merged, into = f"A{lives}", f"B{lives}"
        Place(database, broker, log).post(*[met(f"{lives}-{number}", merged) for number in range(5)])
        first = Place(database, broker, log, "killed")
        first.post(merge(f"m{lives}", merged, into))
        broker.lives = lives
        died = False
        try:
            first.finish()
        except SystemExit:
            died = True
        broker.lives = -1
        second = Place(database, broker, log, "next")
        second.now += timedelta(seconds=SETTLE_S + CLAIM_S)
        second.finish()
        assert of(broker, into) == [f"m{lives}", *(f"{lives}-{number}" for number in range(5))]
        assert set(erased(broker)) == {erase_value(merged, into)}
    assert lives > 5, "it hardly ever died"


def test_a_chain_ends_at_its_last_customer_in_whatever_order_it_was_told(place: Place, broker: Broker) -> None:
    place.post(met("a1", "A"), met("b1", "B"), met("c1", "C"))
    place.post(merge("m1", "A", "B"))
    assert place.post(merge("m2", "B", "C")) == ["ok"]
    assert place.post(met("a2", "A"), met("b2", "B"), met("c2", "C")) == ["behind_others", "behind_others", "ok"]
    place.finish()
    place.finish()
    assert sorted(of(broker, "C")) == ["a1", "a2", "b1", "b2", "c1", "c2", "m1", "m2"]
    assert erased(broker) == [erase_value("A", "C"), erase_value("B", "C")]
    # And when it is told backwards: the surviving one of a new merge is gone already.
    assert place.post(merge("m3", "Z", "A")) == ["ok"]
    assert of(broker, "C")[-1] == "m3"


def test_rings_are_refused_also_within_one_request(place: Place, broker: Broker) -> None:
    assert place.post(merge("m1", "A", "B"), merge("m2", "B", "A")) == ["ok", "merge_refused"]
    assert place.post(merge("m3", "B", "A")) == ["merge_refused"]
    assert place.post(merge("m4", "A", "D")) == ["merge_refused"]
    letters = [one for one in broker.records if one.topic == TOPICS.dead_letters]
    assert [orjson.loads(one.value)["id"] for one in letters] == ["m2", "m3", "m4"]
    assert of(broker, "B") == ["m1"]


def test_telling_a_merge_again_does_nothing_again(place: Place, broker: Broker) -> None:
    place.post(met("a1", "A"))
    place.post(merge("m1", "A", "B"))
    place.finish()
    assert place.post(merge("m1", "A", "B"), merge("m2", "B", "B")) == ["ok", "ok"]
    sent = len(broker.records)
    place.finish()
    assert len(broker.records) == sent


def test_two_ids_of_a_source_are_merged_by_their_customers(place: Place, broker: Broker, database: Database) -> None:
    with database.writing() as tx:
        ids_store.map_source(tx, "crm", NOW)
        rows = [ids_store.IdRow("crm", "X1", "A"), ids_store.IdRow("crm", "X2", "B")]
        ids_store.put_ids(tx, rows, NOW, "test")
    place.post(met("x1", "X1") | {"source": "crm"})
    assert place.post(merge("m", "X1", "X2", source="crm")) == ["ok"]
    assert place.post(met("x2", "X1") | {"source": "crm"}) == ["behind_others"]
    place.finish()
    assert of(broker, "B") == ["m", "x1", "x2"]
    said = next(orjson.loads(one.value) for one in broker.records if b'"m"' in one.value)
    assert said["data"] == {"merged_customer_id": "A"}


def test_of_two_replicas_one_does_it_and_the_other_takes_over_when_it_is_gone(
    place: Place, broker: Broker, database: Database, log: Log
) -> None:
    other = Place(database, broker, log, "two")
    place.post(met("a1", "A"))
    place.post(merge("m", "A", "B"))
    place.work()
    other.work()
    assert (log.reads, of(broker, "B")) == (2, ["m", "a1"])
    other.now += timedelta(seconds=SETTLE_S + CLAIM_S)
    other.work()
    assert erased(broker) == [erase_value("A", "B")]


def test_of_a_customer_who_was_forgotten_nothing_is_sent_again(
    place: Place, broker: Broker, database: Database
) -> None:
    place.post(met("a1", "A"))
    with database.writing() as tx:
        tx.execute(forgotten.insert(), {"customer_id": "A", "asked_at": NOW, "asked_by": "test"})
    place.post(merge("m", "A", "B"))
    place.finish()
    assert of(broker, "B") == ["m"]
    assert erased(broker) == [erase_value("A", "B")]
