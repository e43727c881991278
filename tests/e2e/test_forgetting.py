"""A customer is forgotten, on a real broker: what was said of its people can nowhere be read, and the proof is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import orjson
import pytest
from sqlalchemy import MetaData, insert, select

from schemas.personal import PERSONAL
from schemas.topics import Topics, topic_specs
from services.common.database import Database
from services.common.master_file import master_keys
from services.common.sealing import Context, CustomerKey, NotSealed
from services.ingest import tables as ingest_tables
from services.ingest.sealing import with_values
from services.ingest.sealing_store import SealingStore
from services.ingest.tables import open_database as open_ingest
from services.notifier import tables as notifier_tables
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.publisher import Publisher
from services.notifier.tables import open_database as open_notifier
from services.notifier.views import CaseFilter
from tests.contract.ingest.topics_reader import read_topic
from tests.contract.notifier.clocks import Clock
from tests.e2e.ingest_service import IngestService, results
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.rules_worker import Installation
from tests.support.waiting import wait_until
from tests.unit.notifier.making import DIRECTORY, make_warning
from tests.unit.schemas.examples import example

PARTITIONS = 4
COMMENT = "Lin told me on the phone that he will leave"


class House:
    """Ingest and a rules worker as processes, and the notifier's database."""

    def __init__(self, kafka: Kafka, topics: Topics, folder: Path, commands: Commands) -> None:
        self.kafka, self.topics = kafka, topics
        self.place = Installation(kafka.bootstrap, topics, PARTITIONS, folder, "wall")
        data = folder / "data"
        data.mkdir()
        self.ingest_db = open_ingest(f"sqlite:///{data / 'ingest.db'}")
        self.notifier_db = open_notifier(f"sqlite:///{data / 'notifier.db'}")
        self.notifier_db.migrate()
        self.clerk = Clerk(self.notifier_db, DIRECTORY, Clock(), channels=())
        self.ingest = IngestService(commands, kafka.bootstrap, topics, self.place.env())
        self.ingest.wait_ready()
        self.keys = SealingStore(self.ingest_db, master_keys(data / "sealing.key", may_be_made=False))
        self.worker = self.place.worker("services.cli", "rules", "run")
        self.worker.wait_until_ready()

    def forget(self, *arguments: str) -> CompletedProcess[str]:
        return call_bellwether("forget", *arguments, env=self.place.env())

    def post(self, *events: dict[str, Any]) -> list[str]:
        """The codes of the answer's results."""
        answer = self.ingest.post(orjson.dumps(list(events)))
        return [result["code"] for result in results(answer)]

    def readable(self) -> Iterator[tuple[str, bytes]]:
        """All that is on the topics and in the databases, with where it is."""
        for spec in topic_specs(self.topics.prefix, PARTITIONS):
            for record in read_topic(self.kafka.bootstrap, spec.name):
                for part in (record.key, record.value, *(value for _, value in record.headers)):
                    yield spec.name, part or b""
        yield from rows_of(self.ingest_db, ingest_tables.metadata)
        yield from rows_of(self.notifier_db, notifier_tables.metadata)

    def places_with(self, *texts: str) -> set[str]:
        needles = [needle for text in texts for needle in (text.encode(), json.dumps(text)[1:-1].encode())]
        return {place for place, raw in self.readable() if any(needle in raw for needle in needles)}


def rows_of(database: Database, tables: MetaData) -> Iterator[tuple[str, bytes]]:
    with database.reading() as tx:
        for table in tables.sorted_tables:
            for row in tx.execute(select(table)):
                yield from ((table.name, one if isinstance(one, bytes) else str(one).encode()) for one in row)


@pytest.fixture
def house(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path, commands: Commands) -> Iterator[House]:
    made = House(kafka, make_topics(PARTITIONS), tmp_path, commands)
    yield made
    made.place.stop()
    made.ingest_db.close()
    made.notifier_db.close()


def telling(customer_id: str) -> tuple[list[dict[str, Any]], list[str]]:
    """An event of every kind that says something of people, and each of those values: all different."""
    events: list[dict[str, Any]] = []
    said: list[str] = []
    for kind, places in PERSONAL.items():
        new = {place: f"{customer_id} 林涛 “{kind[11:]}” \n {place.path}" for place in places}
        said += new.values()
        events.append(with_values(example(kind.removeprefix("bellwether."), subject=customer_id), new))
    return events, said


def fill(house: House) -> list[str]:
    """All that may be known of C1 and of C2; what is said of C1's people."""
    said: dict[str, list[str]] = {}
    for customer_id in ("C1", "C2"):
        events, said[customer_id] = telling(customer_id)
        events.append(example("payment.received", subject=customer_id))
        assert set(house.post(*events)) == {"ok"}
        assert set(house.post(*({**event, "time": "yesterday"} for event in events))) == {"invalid"}
        house.clerk.file([make_warning(f"w-{customer_id}", customer_id=customer_id)])
    desk = Desk(house.clerk)
    for case in desk.list_cases(CaseFilter()):
        desk.comment(case.id, "wang", COMMENT if case.customer_id == "C1" else "nothing new")
    publisher = Publisher(house.kafka.bootstrap, house.topics, house.notifier_db)
    publisher.step()
    publisher.close()
    with house.ingest_db.writing() as tx:
        at = Clock()()
        for customer_id in ("C1", "C2"):
            row = {"source": "erp", "external_id": f"X-{customer_id}", "customer_id": customer_id}
            tx.execute(insert(ingest_tables.external_ids).values(**row, changed_at=at, changed_by="x"))
            event = {"source": "erp", "external_id": f"X-{customer_id}", "event_id": customer_id, "received_at": at}
            tx.execute(insert(ingest_tables.waiting_events).values(**event, value=said[customer_id][0].encode()))
    house.place.wait_until_done()
    return said["C1"]


def test_nothing_of_its_people_can_be_read_any_more_and_the_other_customer_is_left_alone(
    house: House, tmp_path: Path
) -> None:
    said = fill(house)
    name = DIRECTORY.customers["C1"].name
    # Already before it stands nowhere on a topic.
    assert house.places_with(*said, name, COMMENT) == {"waiting_events", "cases", "timeline"}
    done = house.forget("C1", "--yes", "--by", "the officer", "--report", str(tmp_path / "proof.json"))
    assert done.returncode == 0, done.stderr + done.stdout

    assert house.places_with(*said, name, COMMENT) == set()
    assert house.keys.find(["C1", "C2"])["C1"] is None
    proof = json.loads((tmp_path / "proof.json").read_text())
    assert (proof["customer_id"], proof["asked_by"], proof["clean"], proof["remains"]) == (
        "C1",
        "the officer",
        True,
        [],
    )
    sealed = sum(map(len, PERSONAL.values()))
    # As events, and as dead letters of the same.
    assert (proof["keys_left"], proof["sealed_open"], proof["sealed_closed"]) == (0, 0, 2 * sealed)
    assert {name: set(proof[name]) for name in ("tombstones", "kept")} == {
        name: {house.topics.changelog, house.topics.customers} for name in ("tombstones", "kept")
    }
    assert all(proof["tombstones"].values())
    assert not any(proof["kept"].values())
    assert sum(proof["values"].values()) == proof["values_searched"] == len(said) + 2
    topics = house.topics
    of_customers = {
        topics.events,
        topics.dead_letters,
        topics.warnings,
        topics.customers,
        topics.cases,
        topics.changelog,
    }
    assert proof["searched"].keys() == {*of_customers, "ingest's database", "the notifier's database"}
    assert all(proof["searched"].values())
    assert not any(text in done.stdout + done.stderr + json.dumps(proof) for text in (*said, name, COMMENT))

    assert house.places_with("nothing new", DIRECTORY.customers["C2"].name) == {"cases", "timeline"}
    assert read_back(house, "C2") == (sorted(telling("C2")[1]), 0)


def read_back(house: House, customer_id: str) -> tuple[list[str], int]:
    """The customer's sealed values on the events topic that its present key opens, and how many it does not."""
    key = CustomerKey(house.keys.find([customer_id])[customer_id] or b"")
    found, closed = [], 0
    for record in read_topic(house.kafka.bootstrap, house.topics.events):
        event = orjson.loads(record.value)
        for place in PERSONAL.get(event["type"], ()) if event.get("subject") == customer_id else ():
            sealed = (place.holder(event["data"]) or {})[place.name]
            try:
                found.append(key.open(Context(customer_id, event["source"], event["id"], place.path), sealed))
            except NotSealed:
                closed += 1
    return sorted(found), closed


def test_it_may_be_run_again_and_what_still_comes_is_refused_until_it_is_readmitted(house: House) -> None:
    said = fill(house)
    assert house.forget("C1", "--readmit").returncode == 1
    assert house.forget("C1", "--yes").returncode == 0
    again = house.forget("C1", "--yes")
    assert again.returncode == 0
    assert "sealed fields no key opened" in again.stdout

    events, _ = telling("C1")
    assert set(house.post(*events, example("payment.received", subject="C1"))) == {"forgotten"}
    assert house.post(example("payment.received", subject="C2", id="another")) == ["ok"]
    assert house.places_with(*said) == set()

    assert house.forget("C1", "--readmit").returncode == 0
    wait_until(lambda: house.post(example("payment.received", subject="C1")) == ["ok"], "ingest to know")
    assert set(house.post(*events)) == {"ok"}
    assert house.places_with(*said) == set()
    # Under the new key, and what the old one sealed stays closed.
    assert read_back(house, "C1") == (sorted(said), len(said))


def test_what_a_producer_wrote_to_the_topic_unsealed_is_found_and_its_end_is_told(house: House) -> None:
    event = example(
        "contact.changed", subject="C1", data={"contact_id": "k", "change": "left", "details": {"name": "欧阳文涛"}}
    )
    house.place.publish([("C1", orjson.dumps(event), None)])
    house.place.wait_until_done()
    done = house.forget("C1", "--yes")
    assert done.returncode == 3
    assert f"1  {house.topics.events}, until 20" in done.stdout
    assert "欧阳文涛" not in done.stdout


def test_without_a_rules_worker_it_is_not_done_and_says_so(house: House) -> None:
    assert set(house.post(*telling("C1")[0])) == {"ok"}
    house.place.wait_until_done()
    house.worker.process().kill()
    failed = house.forget("C1", "--yes", "--wait", "2")
    assert failed.returncode == 1
    assert "Run the same command again" in failed.stderr
    # What matters most is done all the same.
    assert house.keys.find(["C1"]) == {"C1": None}
    house.worker.start()
    house.worker.wait_until_ready()
    assert house.forget("C1", "--yes").returncode == 0
