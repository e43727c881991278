"""What becomes of a body, before any broker is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import MAX_EVENT_BYTES, InvalidEvent, decode
from schemas.topics import Topics
from services.ingest.judge import MAX_BATCH_EVENTS, BadBody, Judgement, Post, judge
from services.ingest.records import Record
from services.ingest.splitting import array_elements
from tests.unit.schemas.examples import DATA, example

TOPICS = Topics("t")
NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
GOOD = example("promise.met")
BAD = example("promise.met", id="bad-1", data={})


def judged(body: bytes, content_type: str = "application/json", **headers: str) -> Judgement:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(Post(body, {"content-type": content_type, **names}, NOW), TOPICS)


def refused(body: bytes, content_type: str = "application/json") -> BadBody:
    with pytest.raises(BadBody) as caught:
        judged(body, content_type)
    return caught.value


def judged_or_bad(body: bytes) -> Judgement | BadBody:
    try:
        return judged(body)
    except BadBody as bad:
        return bad


def headers(record: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def test_an_event_goes_to_its_customers_key_exactly_as_sent() -> None:
    verdict = judged(orjson.dumps(GOOD))
    assert verdict.records == [Record("t.events", b"C001", orjson.dumps(GOOD))]
    assert verdict.rejected == 0


def test_unknown_fields_are_kept_out_and_named() -> None:
    judgement = judged(orjson.dumps(example("promise.met", data={**DATA["promise.met"], "colour": "red"})))
    assert judgement.verdicts[0].ignored_fields == ("data.colour",)
    assert decode(judgement.records[0].value) == decode(orjson.dumps(GOOD))
    assert b"colour" not in judgement.records[0].value


def test_an_event_without_specversion_gets_it_on_the_topic() -> None:
    bare = {name: value for name, value in GOOD.items() if name != "specversion"}
    assert orjson.loads(judged(orjson.dumps(bare)).records[0].value) == GOOD


def test_an_invalid_event_goes_to_the_dead_letters_as_it_was() -> None:
    body = json.dumps(BAD, indent=3).encode()
    (letter,) = judged(body, "application/cloudevents+json").records
    assert (letter.topic, letter.value) == ("t.events.dlq", body)
    assert headers(letter) == {
        "code": "invalid",
        "reason": "data.promise_id: Field required",
        "source": "tests",
        "event_id": "bad-1",
        "received_at": "2026-03-02T01:30:00+00:00",
        "content_type": "application/cloudevents+json",
        "part": "1",
        "parts": "1",
    }


def test_in_a_batch_the_good_go_on_and_the_bad_keep_their_bytes() -> None:
    odd = b'{ "id":"bad-2" ,\t"note":"a ] and a \\" and }" , "n": [1,{"x":2}] }'
    body = b"[ " + orjson.dumps(GOOD) + b",\n" + odd + b" ,42 ]"
    judgement = judged(body)
    assert [verdict.code for verdict in judgement.verdicts] == ["ok", "invalid", "not_an_object"]
    assert [verdict.event_id for verdict in judgement.verdicts] == [GOOD["id"], "bad-2", None]
    assert [record.value for record in judgement.records] == [orjson.dumps(GOOD), odd, b"42"]


def test_every_verdict_of_a_refused_event_has_a_field_and_a_reason() -> None:
    judgement = judged(b'[[], {"type": "bellwether.promise.met"}, {"type": "nonsense"}, null]')
    assert judgement.rejected == 4
    assert all(error.field and error.reason for verdict in judgement.verdicts for error in verdict.errors)
    assert all(verdict.errors for verdict in judgement.verdicts)


def test_binary_mode_takes_its_attributes_from_the_headers() -> None:
    judgement = judged(
        orjson.dumps(DATA["promise.met"]),
        ce_specversion="1.0",
        ce_id="caf%C3%A9",
        ce_source="tests",
        ce_type="bellwether.promise.met",
        ce_time=GOOD["time"],
        ce_subject="C001",
    )
    event = orjson.loads(judgement.records[0].value)
    assert (event["id"], event["data"]) == ("café", DATA["promise.met"])


def test_the_dead_letter_of_a_binary_event_has_its_attributes_too() -> None:
    (letter,) = judged(b"{broken", ce_specversion="1.0", ce_id="e-1", ce_source="erp").records
    assert letter.value == b"{broken"
    assert headers(letter) | {"ce_id": "e-1", "event_id": "e-1", "code": "not_json"} == headers(letter)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"id": "x"',
        b'[{"id": 1}',
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": 1e999}',
        b"\xff\xfe",
        b'"\\ud800"',
        b'{"a": 1} trailing',
        b"[" * 5000 + b"]" * 5000,
    ],
)
def test_what_is_no_json_is_a_bad_body_whose_bytes_are_kept(body: bytes) -> None:
    bad = refused(body)
    assert (bad.status, bad.code) == (400, "not_json")
    assert [record.value for record in bad.records] == [body]
    assert headers(bad.records[0])["code"] == "not_json"


def test_deep_nesting_is_refused_as_an_event_not_as_a_crash() -> None:
    deep = b'{"id": "e-1", "a":' + b"[" * 200 + b"]" * 200 + b"}"
    assert [(verdict.code, verdict.event_id) for verdict in judged(deep).verdicts] == [("too_deep", "e-1")]


def test_an_event_that_fits_no_record_is_refused_and_kept_in_parts() -> None:
    big = orjson.dumps(example("promise.met", padding="x" * 2_000_000))
    judgement = judged(big)
    # The padding is unknown and kept out, so the event itself is small enough.
    assert judgement.rejected == 0
    note = "x" * 1_000_000
    huge = orjson.dumps(example("profile.updated", data={"section": "basic", "fields": {"note": note}}))
    refused_one = judged(huge)
    assert refused_one.verdicts[0].code == "too_large"
    assert b"".join(record.value for record in refused_one.records) == huge
    assert [headers(record)["part"] for record in refused_one.records] == ["1", "2"]
    assert {record.key for record in refused_one.records} == {refused_one.records[0].key}
    assert all(len(record.value) <= MAX_EVENT_BYTES for record in refused_one.records)


def test_too_many_events_are_refused_as_a_whole() -> None:
    bad = refused(b"[" + b",".join([b"1"] * (MAX_BATCH_EVENTS + 1)) + b"]")
    assert (bad.status, bad.code, bad.records) == (413, "batch_too_long", [])
    assert f"at most {MAX_BATCH_EVENTS}" in bad.message


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "application/json; charset=gbk"])
def test_another_content_type_is_refused(content_type: str) -> None:
    assert refused(orjson.dumps(GOOD), content_type).status == 415


@pytest.mark.parametrize("content_type", ["Application/JSON", 'application/json; charset="UTF-8"'])
def test_the_content_type_may_be_written_in_other_ways(content_type: str) -> None:
    assert judged(orjson.dumps(GOOD), content_type).rejected == 0


def test_an_empty_batch_is_no_error() -> None:
    assert judged(b"[]") == Judgement([], [])


# Reference events: what is replaced by what.


def reference_key(kind: str, **changes: Any) -> bytes:
    (record,) = judged(orjson.dumps(example(kind, data={**DATA[kind], **changes}))).records
    assert record.topic == "t.reference"
    return record.key


@pytest.mark.parametrize(
    ("kind", "replacing", "apart"),
    [
        ("feed.heartbeat", {"complete_until": "2026-04-01T00:00:00Z"}, {"feed": "erp"}),
        ("rate.published", {"rate": "7.2"}, {"date": "2026-03-03"}),
        ("promotion.announced", {"campaign": "autumn"}, {"promotion_id": "PM-2"}),
        ("plan.set", {"amount": "5"}, {"period": "2026-Q2"}),
        ("plan.set", {"amount": "5"}, {"metric": "collections"}),
        ("ranks.published", {"percentiles": {}}, {"part": 1}),
        # The figures of an earlier day are still asked for, and may arrive late: they must not replace newer ones.
        ("ranks.published", {"percentiles": {}}, {"as_of": "2026-03-01T00:00:00Z"}),
    ],
)
def test_compaction_keeps_the_newest_of_each_thing(kind: str, replacing: dict[str, Any], apart: dict[str, Any]) -> None:
    assert reference_key(kind) == reference_key(kind, **replacing)
    assert reference_key(kind) != reference_key(kind, **apart)


def test_reference_keys_name_source_and_kind() -> None:
    assert reference_key("rate.published") == b"tests/rate.published/USD/CNY/2026-03-02"


# Whatever comes in, the rules that the answer and the topics rely on hold.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
mutations = st.dictionaries(
    st.sampled_from(["id", "source", "type", "time", "subject", "data", "supersedes", "retracted", "specversion"]),
    json_values,
    max_size=3,
)
events = st.builds(lambda kind, changes: {**example(kind), **changes}, st.sampled_from(sorted(DATA)), mutations)


@given(st.lists(events | json_values, max_size=8), st.integers(0, 4))
def test_a_batch_is_taken_apart_without_loss(documents: list[Any], indent: int) -> None:
    body = json.dumps(documents, indent=indent or None).encode()
    judgement = judged_or_bad(body)
    if isinstance(judgement, BadBody):
        # A lone surrogate: Python writes it, no JSON reader may take it.
        assert judgement.code == "not_json"
        return
    assert [verdict.index for verdict in judgement.verdicts] == list(range(len(documents)))
    kept = iter(judgement.records)
    for verdict, original in zip(judgement.verdicts, array_elements(body), strict=True):
        record = next(kept)
        if verdict.accepted:
            assert record.topic != TOPICS.dead_letters
            assert decode(record.value).id == verdict.event_id
        else:
            assert (record.topic, record.value) == (TOPICS.dead_letters, original)
    assert next(kept, None) is None


@given(st.binary(max_size=300))
def test_no_body_is_an_accident(body: bytes) -> None:
    judgement = judged_or_bad(body)
    if isinstance(judgement, BadBody):
        assert judgement.status == 400
        return
    assert all(record.topic == TOPICS.dead_letters for record in judgement.records)


@given(events)
def test_what_is_accepted_the_consumer_can_read(event: dict[str, Any]) -> None:
    for record in judged(orjson.dumps(event)).records:
        if record.topic != TOPICS.dead_letters:
            decode(record.value)
        else:
            with pytest.raises(InvalidEvent):
                decode(record.value)


@given(st.lists(json_values, max_size=6))
def test_array_elements_are_the_bytes_between_the_commas(values: list[Any]) -> None:
    pieces = [json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass") for value in values]
    assert array_elements(b" [\n" + b" ,\t".join(pieces) + b" ] ") == pieces
