"""Dead letters hide what says something of a person, and can still be mended and sent again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.fields import SEALED
from schemas.personal import PERSONAL, Place
from services.ingest.judge import Post, judge, judge_lines
from services.ingest.lines import Line
from services.ingest.screening import Screening
from services.ingest.sealing import with_values
from services.ingest.sealing_letters import SealedLetters
from tests.unit.ingest.test_sealing import NOW, PERSONAL_KINDS, TOPICS, Bench, bench, opened
from tests.unit.schemas.examples import DATA, DETAILS, example
from tests.unit.schemas.resident_ids import VALID

__all__ = ["bench"]


def refused(bench: Bench, body: bytes, **headers: str) -> list[bytes]:
    """The dead letters of a post."""
    post = Post(body, {"content-type": "application/json", **headers}, NOW)
    judgement = judge(post, TOPICS, [Screening("refuse"), bench.sealing], hide=SealedLetters(bench.sealing.ring))
    return [record.value for record in judgement.records if record.topic == TOPICS.dead_letters]


def spoilt(kind: str, **changes: Any) -> dict[str, Any]:
    return example(kind, time="yesterday", **changes)


@pytest.mark.parametrize("kind", PERSONAL_KINDS)
def test_personal_fields_are_sealed_and_the_rest_can_be_read(bench: Bench, kind: str) -> None:
    (letter,) = refused(bench, orjson.dumps(spoilt(kind)))
    assert opened(orjson.loads(letter)) == spoilt(kind)
    # Each: only what is sealed opens.
    assert letter.count(SEALED.encode()) == len(PERSONAL[f"bellwether.{kind}"])


def test_a_letter_that_is_mended_is_taken(bench: Bench) -> None:
    (letter,) = refused(bench, orjson.dumps(spoilt("contact.changed")))
    assert bench.sent({**orjson.loads(letter), "time": example("promise.met")["time"]}) == bench.sent(
        example("contact.changed")
    )


@pytest.mark.parametrize("value", [13812345678, 1.5, ["13812345678"], {"mobile": "13812345678"}, True])
def test_what_is_refused_for_its_type_is_hidden_too(bench: Bench, value: Any) -> None:
    details = {**DETAILS, "phone": value}
    (letter,) = refused(
        bench, orjson.dumps(example("contact.role_set", data={**DATA["contact.role_set"], "details": details}))
    )
    assert b"13812345678" not in letter
    assert orjson.loads(letter)["data"]["details"]["phone"].startswith(SEALED)


def test_the_data_of_a_binary_event_is_sealed(bench: Bench) -> None:
    document = spoilt("promise.made")
    headers = {f"ce-{name}": document[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    (letter,) = refused(bench, orjson.dumps(document["data"]), **headers)
    assert opened({**document, "data": orjson.loads(letter)}) == document


def test_a_resident_id_is_taken_out_and_not_sealed(bench: Bench) -> None:
    place = Place(None, "about")
    (letter,) = refused(bench, orjson.dumps(with_values(example("promise.made"), {place: f"for {VALID}!"})))
    assert opened(orjson.loads(letter))["data"]["about"] == "for [resident ID removed]!"


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps(spoilt("payment.received")),
        orjson.dumps(spoilt("promise.made", subject=5)),
        orjson.dumps(spoilt("promise.made", subject="two words")),
        orjson.dumps(spoilt("promise.made", subject="x" * 101)),
        orjson.dumps(example("promise.made", type="bellwether.promise.broken")),
        orjson.dumps(example("promise.made", type=["promise.made"])),
        orjson.dumps(example("promise.made", data="text")),
        orjson.dumps(example("contact.changed", data={"details": ["lin"]})),
        b'"a text"',
        b"[[5]]",
    ],
)
def test_what_is_nobodys_or_has_nothing_personal_stays_as_it_came(bench: Bench, body: bytes) -> None:
    (letter,) = refused(bench, body)
    assert letter in body
    assert bench.keys.asked == []


def test_of_a_forgotten_customer_only_the_envelope_is_kept(bench: Bench) -> None:
    bench.keys.gone.add("C001")
    letters = refused(
        bench, orjson.dumps([example("promise.made"), spoilt("payment.received"), spoilt("promise.made")])
    )
    for letter in letters:
        document = orjson.loads(letter)
        assert (document["subject"], document["data"]) == ("C001", None)
    assert len(letters) == 3
    headers = {f"ce-{name}": str(value) for name, value in example("promise.made").items() if name != "data"}
    assert refused(bench, orjson.dumps(DATA["promise.made"]), **headers) == [b"null"]


def test_a_value_in_a_field_that_is_not_for_it_is_taken_out(bench: Bench) -> None:
    """It cannot be sealed there, and what it was refused for need not be kept."""
    data = {**DATA["activity.logged"], "with": ["lin", "lin@example.com"]}
    event = example("activity.logged", data=data)
    (letter,) = refused(bench, orjson.dumps(event))
    assert opened(orjson.loads(letter))["data"] == {**data, "with": ["lin", "[e-mail address removed]"]}
    headers = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    (letter,) = refused(bench, orjson.dumps(data), **headers)
    assert b"example.com" not in letter
    profile = example("profile.updated", data={"section": "basic", "fields": {"ceo_phone": 13812345678}})
    (letter,) = refused(bench, orjson.dumps(profile))
    assert orjson.loads(letter)["data"]["fields"] == {"ceo_phone": "[phone number removed]"}


def test_lines_of_a_stream_are_sealed_as_events_are(bench: Bench) -> None:
    lines = [
        Line(number, orjson.dumps(one)) for number, one in enumerate((example("promise.made"), spoilt("promise.made")))
    ]
    post = Post(b"", {"content-type": "application/jsonl"}, NOW)
    judgement = judge_lines(lines, post, TOPICS, [bench.sealing], hide=SealedLetters(bench.sealing.ring))
    assert [opened(orjson.loads(record.value)) for record in judgement.records] == [
        example("promise.made"),
        spoilt("promise.made"),
    ]
    assert all(DATA["promise.made"]["about"].encode() not in record.value for record in judgement.records)
