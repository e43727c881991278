"""The promise of ingest's door, on a real Kafka: a resident-ID number goes no further than the request."""

from __future__ import annotations

import json
from urllib.parse import quote

import httpx
import orjson
import pytest

from schemas.privacy import REMOVED
from schemas.topics import Topics
from tests.contract.ingest.topics_reader import headers_of, read_topic
from tests.e2e.ingest_service import IngestService, results
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.unit.schemas.examples import DATA, example
from tests.unit.schemas.resident_ids import BORN_IN_1990, VALID, grouped, reads, wide

SPELLINGS = [VALID, VALID.lower(), wide(VALID), grouped(VALID, " ", " "), grouped(VALID, "-", "-")]


@pytest.fixture
def service(commands: Commands, kafka: Kafka, topics: Topics) -> IngestService:
    started = IngestService(commands, kafka.bootstrap, topics)
    started.wait_ready()
    return started


def test_a_number_is_in_no_answer_no_topic_no_metric_and_no_log(
    service: IngestService, kafka: Kafka, topics: Topics
) -> None:
    events = [example("promise.met", id=f"P-{number}", note=f"客户{one}") for number, one in enumerate(SPELLINGS)]
    events += [
        example("promise.met", id=f"P-{VALID}"),
        example("promise.met", subject=VALID),
        example("profile.updated", data={"section": "basic", "fields": {"id_number": int(BORN_IN_1990)}}),
        example("feedback.answered", time=VALID, data={**DATA["feedback.answered"], "text": f"他说{VALID}"}),
    ]
    bodies = [json.dumps(event, ensure_ascii=escaped).encode() for event in events for escaped in (True, False)]
    answers = [service.post(body) for body in bodies]
    for answer in answers:
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
        assert answer.json()["code"] == "resident_id"
        assert [result["code"] for result in results(answer)] == ["resident_id"]
    letters = read_topic(kafka.bootstrap, topics.dead_letters)
    assert len(letters) == len(answers)
    assert all(headers_of(letter)["code"] == "resident_id" for letter in letters)
    assert all(REMOVED in letter.value.decode() for letter in letters)
    assert read_topic(kafka.bootstrap, topics.events) == []
    everything = (
        [answer.text for answer in answers],
        [(letter.key, letter.value.decode(), letter.headers) for letter in letters],
        httpx.get(service.url + "/metrics").text,
        service.child.log_file.read_text(),
    )
    for spelling in [*SPELLINGS, BORN_IN_1990]:
        assert reads(spelling, everything) == []


def test_a_body_that_is_no_json_or_not_utf_8_is_kept_without_it(
    service: IngestService, kafka: Kafka, topics: Topics
) -> None:
    broken = f'{{"note": "身份证{VALID}'
    for body in (broken.encode(), broken.encode("gb18030")):
        answer = service.post(body)
        assert (answer.status_code, answer.json()["code"]) == (400, "not_json")
        assert reads(VALID, answer.text) == []
    letters = read_topic(kafka.bootstrap, topics.dead_letters)
    assert [letter.value for letter in letters] == [broken.replace(VALID, REMOVED).encode(), b""]
    assert [headers_of(letter)["redacted"] for letter in letters] == ["true", "true"]


def test_a_binary_mode_event_is_kept_without_it(service: IngestService, kafka: Kafka, topics: Topics) -> None:
    event = example("promise.met")
    attributes = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    answer = service.post(orjson.dumps(event["data"]), **attributes, **{"ce-about": quote(f"张三{VALID}")})
    assert (answer.status_code, answer.json()["code"]) == (422, "resident_id")
    (letter,) = read_topic(kafka.bootstrap, topics.dead_letters)
    assert headers_of(letter)["ce_about"] == f"张三{REMOVED}"
    assert reads(VALID, (answer.text, letter)) == []
