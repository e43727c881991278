"""Dead letters: their parts, what they are about, what they show of people, and how they are mended."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from schemas import codec
from schemas.codec import InvalidEvent
from schemas.topics import Topics
from services.ingest.letters import (
    MAX_OPEN,
    MAX_PARTS,
    PATIENCE,
    Filed,
    Joiner,
    Letter,
    Part,
    Place,
    letter_of,
    place_of,
)
from services.ingest.letters_editing import BadEdit, with_values
from services.ingest.letters_masking import HIDDEN, masked, masked_text, pretty
from services.ingest.records import PART_BYTES, Record, Refusal, dead_letters
from services.rules.intake import dead_letters as rules_letters
from services.rules.intake import dead_wake
from services.rules.port import Outgoing
from tests.support.records import Rec
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PROBLEM = InvalidEvent("invalid", "data.amount: no", (), "E1", "erp")


def written(raw: bytes, at: datetime = NOW, **attributes: str) -> list[Record]:
    return dead_letters(Refusal(raw, PROBLEM, attributes), at, "application/json", Topics("t"))


def parts(records: Sequence[Record | Outgoing], offset: int = 0, at: datetime = NOW) -> list[Part]:
    return [
        Part(Place(0, offset + number), one.key, one.value or b"", one.headers, at)
        for number, one in enumerate(records)
    ]


def taken(joiner: Joiner, some: Sequence[Part]) -> list[Letter]:
    return [letter for part in some for letter in joiner.take(part)]


def test_a_letter_of_one_part_is_there_at_once() -> None:
    raw = orjson.dumps(example("promise.met", subject="C7"))
    [letter] = taken(Joiner(), parts(written(raw), 17))
    assert (letter.place, letter.code, letter.reason) == (Place(0, 17), "invalid", "data.amount: no")
    assert (letter.source, letter.event_id, letter.customer_id) == ("erp", "E1", "C7")
    assert (letter.value, letter.origin, letter.at) == (raw, "ingest", NOW)


def test_the_parts_of_letters_that_are_written_at_the_same_time_are_joined_whatever_their_order() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    raws = [
        dice.randbytes(dice.randrange(1, 4 * PART_BYTES)).translate(bytes(range(65, 91)) * 9 + b"A" * 22)
        for _ in range(5)
    ]
    queues = [written(raw) for raw in raws]
    mixed = []
    while left := [queue for queue in queues if queue]:
        mixed.append(dice.choice(left).pop(0))
    joiner = Joiner()
    found = taken(joiner, parts(mixed))
    assert sorted(letter.value for letter in found) == sorted(raws)
    assert joiner.first_open() is None


def test_the_topic_is_read_again_from_the_first_part_of_what_is_not_complete() -> None:
    joiner = Joiner()
    one, other = written(b"x" * (PART_BYTES + 1)), written(b"y" * (PART_BYTES + 1))
    assert taken(joiner, parts([one[0], other[0], other[1]], 5)) != []
    assert joiner.first_open() == Place(0, 5)
    again = Joiner()
    assert [letter.place.offset for letter in taken(again, parts([one[0], other[0], other[1], one[1]], 5))] == [6, 5]


def test_a_letter_that_is_begun_again_is_not_mixed_with_its_first_try() -> None:
    records = written(b"x" * (2 * PART_BYTES + 1))
    [letter] = taken(Joiner(), parts([*records[:2], *records]))
    assert (letter.place.offset, letter.value) == (2, b"x" * (2 * PART_BYTES + 1))


def test_a_part_that_is_there_twice_counts_once() -> None:
    one, two, three = written(b"".join(b"%d" % n + b"x" * (PART_BYTES - 1) for n in range(3)))
    [letter] = taken(Joiner(), parts([one, two, two, three]))
    assert letter.value == one.value + two.value + three.value


def test_a_part_in_the_middle_of_which_nothing_is_known_is_left_out() -> None:
    assert taken(Joiner(), parts(written(b"x" * (PART_BYTES + 1))[1:])) == []


def test_what_never_becomes_complete_is_filed_as_far_as_it_came() -> None:
    joiner = Joiner()
    assert taken(joiner, parts(written(b"x" * (PART_BYTES + 1))[:1])) == []
    assert joiner.give_up(NOW + PATIENCE) == []
    [letter] = joiner.give_up(NOW + PATIENCE + timedelta(seconds=1))
    assert (letter.value, joiner.first_open()) == (b"x" * PART_BYTES, None)


def test_no_more_letters_are_held_than_the_bound() -> None:
    joiner = Joiner()
    halves = [written(b"%05d" % number + b"x" * PART_BYTES)[0] for number in range(MAX_OPEN + 3)]
    found = taken(joiner, parts(halves))
    assert [letter.place.offset for letter in [*found, *joiner.give_up(NOW)]] == [0, 1, 2]


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "9" * 30, str(MAX_PARTS + 1)])
def test_whatever_stands_in_the_headers_makes_a_letter(number: str) -> None:
    part = Part(Place(0, 1), None, b"\xff\x00", [("parts", number.encode()), ("code", b"\xff\0" + b"c" * 99)], NOW)
    [letter] = Joiner().take(part)
    assert (len(letter.code), "\0" in letter.code, letter.customer_id, letter.value) == (50, False, None, b"\xff\x00")


def test_a_letter_of_the_rules_service_says_where_its_record_lay() -> None:
    record = Rec(41, b"C9", b"{", (("h", b"1"),))
    [letter] = taken(Joiner(), parts(rules_letters(record, 3, InvalidEvent("not_json", "no"))))
    assert (letter.origin, letter.code, letter.customer_id, letter.headers["h"]) == (
        "rules/3/41",
        "not_json",
        "C9",
        "1",
    )


def test_no_wake_up_is_taken_for_the_double_of_another() -> None:
    wakes = [dead_wake("C1", 0, 3, ValueError("x")), dead_wake("C1", 1, 3, ValueError("x"))]
    found = taken(Joiner(), parts(wakes))
    assert len({letter.origin for letter in found}) == 2
    assert [letter.customer_id for letter in found] == ["C1", "C1"]


def test_a_binary_event_is_shown_with_its_attributes_and_can_be_replayed() -> None:
    event = example("promise.met", subject="C7")
    attributes = {f"ce_{name}": event[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    [letter] = taken(Joiner(), parts(written(orjson.dumps(event["data"]), **attributes)))
    assert letter.customer_id == "C7"
    assert codec.decode(Filed(letter, "waiting", None).event) == codec.parse(event)
    assert Filed(letter, "waiting", b"{}").event == b"{}"


@pytest.mark.parametrize("text", ["", "17", "0-", "-1-2", "x-1", "0-1-2", "0-" + "9" * 19, "9" * 12 + "-1", "0-\u0661"])
def test_what_is_no_id_names_no_letter(text: str) -> None:
    assert place_of(text) is None


def test_an_id_names_its_letter() -> None:
    assert place_of(str(Place(0, 123))) == Place(0, 123)


def test_a_letter_without_anything_is_a_letter() -> None:
    letter = letter_of(Part(Place(0, 0), b"\xff", b"", [], NOW), b"")
    assert (letter.code, letter.source, letter.origin) == ("unknown", "", "ingest")


# What it shows of people.


def test_names_numbers_and_addresses_are_hidden_and_the_business_is_not() -> None:
    event = {
        "source": "erp",
        "time": "2026-03-01T09:00:00+08:00",
        "data": {
            "amount": "12000.50",
            "due_date": "2026-03-31",
            "invoice_id": "INV-2026-000123",
            "contact": {"name": "张伟", "Mobile_Phone": 13800001111, "role": "buyer"},
            "memo": "call 138 0000 1111 or write to zhang.wei@example.com",
            "手机": "13800001111",
            "note": "张伟的母亲病了",
            "ok": True,
            "other": 13900002222,
            "quantity": 1200000,
        },
    }
    shown = orjson.loads(masked(orjson.dumps(event)))
    data = shown["data"]
    assert (shown["time"], data["amount"], data["due_date"]) == (event["time"], "12000.50", "2026-03-31")
    assert (data["invoice_id"], data["contact"]["role"], data["ok"]) == ("INV-2026-000123", "buyer", True)
    text = masked(orjson.dumps(event)).decode()
    assert data["quantity"] == 1200000
    for secret in ("张伟", "13800001111", "13900002222", "138 0000 1111", "zhang.wei", "example.com", "母亲"):
        assert secret not in text
    assert data["memo"] == f"call 13{HIDDEN}11 or write to z{HIDDEN}@{HIDDEN}"


def test_what_is_no_json_is_masked_as_a_text() -> None:
    assert masked('{"a": 张 a.b@c.cn 13800001111'.encode()).decode() == f'{{"a": 张 a{HIDDEN}@{HIDDEN} 13{HIDDEN}11'
    assert masked(b"\xff\xfe") == "\ufffd\ufffd".encode()


def test_a_reason_that_quotes_a_value_is_masked() -> None:
    assert masked_text('data.date: "13800001111" is no date') == f'data.date: "13{HIDDEN}11" is no date'
    assert masked_text("the event has 912345 bytes; at most 900000 are accepted").startswith("the event has 912345")


def test_everything_is_shown_to_those_who_ask() -> None:
    event = {"name": "张伟"}
    assert orjson.loads(pretty(orjson.dumps(event))) == event


# How it is mended.


def test_a_field_is_set_added_and_taken_away_by_its_path() -> None:
    event = orjson.dumps({"data": {"lines": [{"q": 1}, {"q": 2}], "currency": "RMB", "x": 1}})
    changes = ["data.lines.1.q=3", "data.currency=CNY", "data.x=", "data.new.deep=[1]", "id=7", 'data.text="7"']
    assert orjson.loads(with_values(event, changes)) == {
        "data": {"lines": [{"q": 1}, {"q": 3}], "currency": "CNY", "new": {"deep": [1]}, "text": "7"},
        "id": 7,
    }


def test_elements_of_a_list_are_appended_and_taken_away() -> None:
    assert orjson.loads(with_values(b"[1,2]", ["2=3", "0="])) == [2, 3]


@pytest.mark.parametrize(
    ("event", "change"),
    [
        (b"{", "a=1"),
        (b"{}", "a"),
        (b"{}", "=1"),
        (b"[1]", "x=1"),
        (b"[1]", "5=1"),
        (b"[1]", "0.a=1"),
        (b'{"a":1}', "a.b=1"),
        (b'{"a":1}', "a.b.c=1"),
        (b"{}", "note=11010519491231002X"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(event: bytes, change: str) -> None:
    with pytest.raises(BadEdit) as caught:
        with_values(event, [change])
    assert "11010519491231002X" not in str(caught.value)
