"""Ids of sources, with the service as a process, Kafka, the command line, and a process that is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from schemas.topics import Topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService, results
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.schemas.examples import example


class Office:
    """One ingest with a database of its own, and the command line beside it."""

    def __init__(self, commands: Commands, kafka: Kafka, topics: Topics, folder: Path) -> None:
        self._commands, self._kafka, self._topics = commands, kafka, topics
        self._database = f"sqlite:///{folder / 'ingest.db'}"
        self.service = self.begin()

    def begin(self) -> IngestService:
        env = {"BELLWETHER_INGEST_DATABASE_URL": self._database}
        self.service = IngestService(self._commands, self._kafka.bootstrap, self._topics, env)
        self.service.wait_ready()
        return self.service

    def ids(self, *arguments: str, code: int = 0) -> str:
        done = call_bellwether("ids", *arguments, env=self.service.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def on_topic(self) -> list[tuple[str, str]]:
        records = read_topic(self._kafka.bootstrap, self._topics.events)
        return [(record.key.decode(), orjson.loads(record.value)["id"]) for record in records]


@pytest.fixture
def office(commands: Commands, kafka: Kafka, topics: Topics, tmp_path: Path) -> Office:
    return Office(commands, kafka, topics, tmp_path)


def crm(number: int, subject: str = "X1") -> dict[str, Any]:
    return example("promise.met", source="crm", subject=subject, id=f"e{number}")


def test_events_of_an_unknown_id_outlive_a_kill_and_go_out_once_a_file_names_their_customer(
    office: Office, tmp_path: Path
) -> None:
    office.ids("map-source", "crm")
    wait_until(
        lambda: results(office.service.post(orjson.dumps(crm(1))))[0]["status"] == "waiting", "the map to be heard"
    )
    answer = office.service.post(orjson.dumps([crm(2), crm(3, "X2"), example("promise.met", id="own")]))
    assert (answer.status_code, answer.json()["waiting"], answer.json()["accepted"]) == (202, 2, 1)
    assert [result["code"] for result in results(answer)] == ["unknown_customer", "unknown_customer", "ok"]
    office.service.child.kill()
    office.begin()
    assert "X1  2 events" in office.ids("waiting")
    waiting = httpx.get(f"{office.service.url}/v1/ids/waiting").json()
    assert (waiting["total"], [one["external_id"] for one in waiting["waiting"]]) == (3, ["X1", "X2"])
    file = tmp_path / "ids.csv"
    file.write_text("source,external_id,customer_id\ncrm,X1,C100\ncrm,,C1\ncrm,X1,C2\n")
    assert "1 ids would be new" in office.ids("load", str(file), "--dry-run", code=1)
    said = office.ids("load", str(file), code=1)
    assert "1 ids are new, 0 were so already, 2 rows are refused" in said
    assert "line 3: external_id must be" in said
    assert "line 4: X1 of crm is C100's already" in said
    wait_until(lambda: len(office.on_topic()) >= 3, "what waited to be sent")
    # On the topic a moment before the list knows: until then what comes has to stand behind it.
    url = f"{office.service.url}/v1/ids/waiting"
    wait_until(lambda: httpx.get(url).json()["total"] == 1, "the list to know that it was sent")
    assert office.service.post(orjson.dumps(crm(4))).json()["accepted"] == 1
    sent = office.on_topic()
    assert [one for one in sent if one[0] == "C100"] == [("C100", "e1"), ("C100", "e2"), ("C100", "e4")]
    assert "Traceback" not in office.service.child.log_file.read_text()


def test_programs_say_whose_ids_are_and_what_was_sent_before_stays_where_it_is(office: Office) -> None:
    url = f"{office.service.url}/v1/ids"
    rows = [{"source": "crm", "external_id": f"X{number}", "customer_id": f"C{number}"} for number in range(3)]
    assert httpx.put(url, json=rows).json() == {"new": 3, "same": 0, "changed": 0, "refused": []}
    # The replica that was told knows at once.
    assert results(office.service.post(orjson.dumps(crm(1))))[0]["status"] == "accepted"
    taken = httpx.put(f"{url}/crm/X1", json={"customer_id": "C9"})
    assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")
    assert "customer.merged" in taken.json()["detail"]
    assert httpx.put(f"{url}/crm/X1", json={"customer_id": "C9"}, params={"force": True}).status_code == 200
    assert results(office.service.post(orjson.dumps(crm(2))))[0]["status"] == "accepted"
    assert sorted(office.on_topic()) == [("C1", "e1"), ("C9", "e2")]
    for wrong in (httpx.put(url, json=[{**rows[0], "customer_id": "two words"}]), httpx.get(url, params={"limit": 0})):
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
        assert "two words" not in wrong.text
    page = httpx.get(url, params={"limit": 2}).json()
    rest = httpx.get(url, params={"after": page["next"]}).json()
    assert [one["external_id"] for one in page["ids"] + rest["ids"]] == ["X0", "X1", "X2"]
    assert httpx.delete(f"{url}/crm/X2").status_code == 204
    assert httpx.delete(f"{url}/crm/X2").status_code == 404
    assert results(office.service.post(orjson.dumps(crm(3, "X2"))))[0]["status"] == "waiting"
