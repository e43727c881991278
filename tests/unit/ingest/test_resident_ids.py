"""Ingest keeps no resident-ID number: in no answer, dead letter, log, metric or file of rejected rows."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from schemas.privacy import REMOVED
from schemas.topics import Topics
from services.ingest.app import Intake, build_app
from services.ingest.imports.importing import Import, JsonLines, RejectFile, Summary, by_mapping, from_json_line
from services.ingest.imports.mapping import Mapping
from services.ingest.imports.reading import open_csv, open_lines
from services.ingest.judge import BadBody, Post, judge
from services.ingest.metrics import IngestMetrics
from services.ingest.records import Record
from tests.unit.ingest.exports import HEADER, OPEN, PAID, export
from tests.unit.ingest.scripted import ScriptedPublisher
from tests.unit.ingest.test_importing import RECEIVABLE, TARGET, Collecting
from tests.unit.schemas.examples import DATA, example
from tests.unit.schemas.resident_ids import BORN_IN_1990, VALID, reads, spellings

TOPICS = Topics("t")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
NOTED = example("feedback.answered", data={**DATA["feedback.answered"], "text": f"他的身份证是{VALID}"})


def judged(body: bytes, **headers: str) -> list[Record]:
    """The records of a body, whether it is refused as a whole or not."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        return judge(Post(body, {"content-type": "application/json", **names}, NOW), TOPICS).records
    except BadBody as bad:
        return bad.records


def test_the_dead_letter_is_the_event_without_the_number() -> None:
    body = json.dumps(NOTED, indent=2, ensure_ascii=False).encode()
    (letter,) = judged(body)
    assert letter.topic == TOPICS.dead_letters
    assert letter.value == body.replace(VALID.encode(), REMOVED.encode())
    headers = dict(letter.headers)
    assert (headers["code"], headers["redacted"]) == (b"resident_id", b"true")
    assert headers["reason"] == b"data.text: holds a resident-ID number, which is not stored: leave it out"


def test_the_key_of_a_dead_letter_does_not_tell_numbers_apart() -> None:
    (one,), (other,) = judged(f'"{VALID}"'.encode()), judged(f'"{BORN_IN_1990}"'.encode())
    assert (one.key, one.value) == (other.key, other.value)


TOO_DEEP = json.dumps({"id": VALID, "source": f"crm/{VALID}", "deep": json.loads("[" * 30 + "1" + "]" * 30)})


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("not_json", f'{{"note": "{VALID}'.encode()),
        ("not_json", f'{{"note": NaN, "{VALID}": 1}}'.encode()),
        ("not_json", f"年{BORN_IN_1990}".encode("gb18030")),
        ("not_an_object", f'["{VALID}"]'.encode()),
        ("too_deep", TOO_DEEP.encode()),
        ("resident_id", orjson.dumps({**NOTED, "type": "bellwether.nonsense"})),
        ("resident_id", orjson.dumps({**NOTED, "time": VALID})),
        ("resident_id", orjson.dumps(NOTED) + b" " * 1_000_000),
    ],
)
def test_an_event_refused_for_another_reason_is_kept_without_it_too(code: str, body: bytes) -> None:
    letters = judged(body)
    assert {dict(letter.headers)["code"].decode() for letter in letters} == {code}
    assert all(dict(letter.headers)["redacted"] == b"true" for letter in letters)
    assert reads(VALID, letters) + reads(BORN_IN_1990, letters) == []


def test_of_a_body_in_another_encoding_nothing_is_kept() -> None:
    (letter,) = judged(json.dumps(NOTED, ensure_ascii=False).encode("gb18030"))
    assert (letter.value, dict(letter.headers)["redacted"]) == (b"", b"true")


def test_the_attributes_of_a_binary_event_are_kept_without_it() -> None:
    attributes = {f"ce-{name}": str(value) for name, value in example("promise.met").items() if name != "data"}
    hidden = {
        "ce-about": quote(f"张三{VALID}"),
        f"ce-{VALID.lower()}": "x",
        "content-type": f"application/json; a={VALID}",
    }
    (letter,) = judged(orjson.dumps(DATA["promise.met"]), **attributes, **hidden)
    headers = dict(letter.headers)
    assert headers["code"] == b"resident_id"
    assert headers["ce_about"].decode() == f"张三{REMOVED}"
    assert reads(VALID, letter) + reads(VALID.lower(), letter) == []


texts = st.builds(lambda before, spelling: before + spelling, st.text(max_size=5).filter(str.isalpha), spellings)


@given(
    texts, st.sampled_from(["id", "source", "subject", "type", "time", "data", "other", "specversion"]), st.booleans()
)
def test_in_a_batch_the_others_go_on(text: str, where: str, ascii_only: bool) -> None:
    good = example("promise.met")
    body = json.dumps([good, {**good, where: text}, good], ensure_ascii=ascii_only).encode("utf-8", "replace")
    judgement = judge(Post(body, {"content-type": "application/json"}, NOW), TOPICS)
    assert [verdict.code for verdict in judgement.verdicts] == ["ok", "resident_id", "ok"]
    assert reads(text, judgement) == []


# HTTP: the answer, the log, the metrics.


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


@pytest.fixture
def client(publisher: ScriptedPublisher) -> Iterator[TestClient]:
    app = build_app(Intake(publisher, TOPICS, lambda: NOW, IngestMetrics(CollectorRegistry())))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def posted(client: TestClient, document: Any) -> httpx.Response:
    answer: httpx.Response = client.post(
        "/v1/events", content=orjson.dumps(document), headers={"Content-Type": "application/json"}
    )
    return answer


def test_the_answer_is_a_problem_with_the_code_and_the_field(
    client: TestClient, publisher: ScriptedPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = posted(client, {**NOTED, "id": f"crm-{VALID}"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    document = answer.json()
    assert (document["status"], document["code"]) == (422, "resident_id")
    assert document["type"] == "urn:bellwether:problem:resident_id"
    assert document["detail"] == "1 of 1 events were refused: each result says why"
    (result,) = document["results"]
    assert (result["code"], result["id"]) == ("resident_id", f"crm-{REMOVED}")
    assert [error["field"] for error in result["errors"]] == ["id", "data.text"]
    metrics = client.get("/metrics").text
    assert 'bellwether_ingest_rejected_events_total{code="resident_id"} 1.0' in metrics
    for told in (answer.text, metrics, caplog.text, publisher.published):
        assert reads(VALID, told) == []


def test_a_problem_of_several_kinds_says_so(client: TestClient) -> None:
    answer = posted(client, [NOTED, example("promise.met"), example("promise.met", data={})])
    assert (answer.status_code, answer.json()["code"], answer.json()["accepted"]) == (422, "several", 1)
    assert answer.json()["detail"] == "2 of 3 events were refused: each result says why"


def test_a_content_type_is_not_quoted_with_it(client: TestClient) -> None:
    answer = client.post("/v1/events", content=b"{}", headers={"Content-Type": f"text/{VALID}"})
    assert (answer.status_code, reads(VALID.lower(), answer.text)) == (415, [])


# Imports: rows that are refused, for whatever reason.

FREE_TEXT = Mapping.model_validate(
    {
        "name": "notes",
        "source": "crm",
        "events": [
            {
                "type": "feedback.answered",
                "id": "note-{Number}",
                "time": {"column": "At", "kind": "instant"},
                "subject": {"column": "Customer"},
                "data": {"feedback_id": {"column": "Number"}, "text": {"column": "Text", "required": False}},
            }
        ],
    }
)


def imported(tmp_path: Path, mapping: Mapping, content: bytes) -> tuple[Summary, list[list[str]], bytes]:
    """The summary, the file of rejected rows, and what was written of the events."""
    path, kept = tmp_path / "export.csv", tmp_path / "export.csv.rejected.csv"
    path.write_bytes(content)
    written: list[bytes] = []
    with open_csv(path, mapping) as file:
        make = by_mapping(mapping, file.header, TARGET)
        summary = Import(file, make, JsonLines(written.append), RejectFile(kept, file.header)).run(lambda *_: None)
    with kept.open(encoding="utf-8", newline="") as text:
        return summary, list(csv.reader(text)), b"".join(written)


def test_a_row_whose_text_holds_one_is_rejected_and_kept_without_it(tmp_path: Path) -> None:
    rows = ["1,C1,2026-03-02T09:00:00,fine", f"2,C2,2026-03-02T09:00:00,客户 {VALID} 来电"]
    summary, kept, written = imported(tmp_path, FREE_TEXT, export(*rows, header="Number,Customer,At,Text"))
    assert (summary.rows, summary.events, summary.rejected_rows) == (2, 1, 1)
    reason = "holds a resident-ID number, which is not stored: leave it out"
    assert kept[1] == ["3", "Text", reason, "2", "C2", "2026-03-02T09:00:00", f"客户 {REMOVED} 来电"]
    assert reads(VALID, (summary, kept, written)) == []


@pytest.mark.parametrize(
    "row",
    [
        f"7,C1,{VALID},fine",
        f"7,C1,at some time or other of {VALID},fine",
        f"7,C1,2026-03-02T09:00:00,{VALID},too many",
        f"7,,2026-03-02T09:00:00,{VALID}",
        f'7,C1,2026-03-02T09:00:00,"never closed {VALID}',
    ],
)
def test_a_row_rejected_for_another_reason_is_kept_without_it_too(tmp_path: Path, row: str) -> None:
    summary, kept, _ = imported(tmp_path, FREE_TEXT, export(row, header="Number,Customer,At,Text"))
    assert summary.rejected_rows == 1
    assert REMOVED in str(kept)
    # Nor its beginning: a quoted cell is cut.
    assert VALID[:10] not in str((summary, kept))


def test_a_column_that_no_event_reads_may_hold_one_and_is_not_passed_on(tmp_path: Path) -> None:
    content = export(f"{PAID},{VALID}", f"{OPEN.replace('65.88', 'n/a')},{VALID}", header=f"{HEADER},IdCard")
    summary, kept, written = imported(tmp_path, RECEIVABLE, content)
    assert (summary.events, summary.rejected_rows, kept[1][-1]) == (2, 1, REMOVED)
    assert reads(VALID, (summary, kept, written)) == []


def test_neither_what_ingest_says_nor_the_header_brings_one_into_the_file(tmp_path: Path) -> None:
    refusing = Collecting({"invoice-9000000003": f"invalid: the number {VALID}"})
    path, kept = tmp_path / "export.csv", tmp_path / "rejected.csv"
    path.write_bytes(export(f"{OPEN},", header=f"{HEADER},{VALID}"))
    with open_csv(path, RECEIVABLE) as file:
        make = by_mapping(RECEIVABLE, file.header, TARGET)
        summary = Import(file, make, refusing, RejectFile(kept, file.header)).run(lambda *_: None)
    assert summary.rejected[0].reason == f"invalid: the number {REMOVED}"
    assert reads(VALID, kept.read_text(encoding="utf-8")) == []
    assert kept.read_text(encoding="utf-8").count(REMOVED) == 2


def test_a_line_of_json_that_holds_one_is_kept_without_it(tmp_path: Path) -> None:
    path, kept = tmp_path / "events.jsonl", tmp_path / "rejected.csv"
    path.write_text(json.dumps(NOTED) + "\n" + f'{{"note": "\\u5e74{VALID}"\n', encoding="utf-8")
    written: list[bytes] = []
    with open_lines(path) as file:
        rejects = RejectFile(kept, file.header)
        summary = Import(file, from_json_line(history=False), JsonLines(written.append), rejects).run(lambda *_: None)
    assert (summary.rejected_rows, b"".join(written)) == (2, b"")
    assert summary.rejected[0].reason.startswith("data.text: holds a resident-ID number")
    assert reads(VALID, (summary, kept.read_text(encoding="utf-8"))) == []
    assert kept.read_text(encoding="utf-8").count(REMOVED) == 2
