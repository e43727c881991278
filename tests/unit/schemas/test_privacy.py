"""Resident-ID numbers are found wherever and however they are written, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import InvalidEvent, decode, decode_binary, parse
from schemas.fields import parse_date, parse_decimal, parse_instant
from schemas.privacy import REMOVED, excerpt, find, holders, may_hold, redact, redact_bytes
from tests.unit.schemas.examples import DATA, example
from tests.unit.schemas.resident_ids import (
    BORN_IN_1990,
    VALID,
    VALID_DIGITS,
    grouped,
    numbered,
    numbers,
    reads,
    spellings,
    wide,
)

no_digit = st.characters(exclude_categories=("Nd", "Cs"), exclude_characters="\\-")
around = st.text(no_digit, max_size=20)


@given(around, spellings, around)
def test_a_number_is_found_however_it_is_written(before: str, spelling: str, after: str) -> None:
    text = before + spelling + after
    assert find(text) == [(len(before), len(before) + len(spelling))]
    assert redact(text) == before + REMOVED + after


@given(around, spellings, around, spellings)
def test_every_number_of_a_text_is_found(before: str, first: str, between: str, second: str) -> None:
    text = f"{before}{first}、{between}；{second}"
    assert redact(text) == f"{before}{REMOVED}、{between}；{REMOVED}"


def test_the_example_of_the_standard_is_one() -> None:
    assert numbered(110105, date(1949, 12, 31), 2) == VALID
    assert redact(f"张三，身份证{VALID}。") == f"张三，身份证{REMOVED}。"


@pytest.mark.parametrize(
    "text",
    [
        grouped(VALID, " ", " "),
        grouped(VALID, "-", "-"),
        "110105 1949-12-31 002x",
        wide(VALID),
        wide(VALID.lower()),
        VALID.lower() + "5",
        f"id={BORN_IN_1990}X",
        f"a{BORN_IN_1990}b",
        f"No. 7-{BORN_IN_1990}",
        f"{BORN_IN_1990}.00",
    ],
)
def test_other_characters_beside_it_hide_nothing(text: str) -> None:
    assert len(find(text)) == 1


@given(numbers, st.sampled_from("0123456789X"))
def test_a_wrong_check_character_makes_it_something_else(number: str, check: str) -> None:
    assert (find(number[:17] + check) == []) == (check != number[17])


@given(numbers, st.sampled_from([*"0123456789", "０", "９"]))
def test_a_longer_run_of_digits_is_something_else(number: str, digit: str) -> None:
    assert find(digit + number) == []
    if number[17] != "X":
        assert find(number + digit) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "13800138000",
        "+86 138 0013 8000, +86 10 5550 0100",
        "6222021234567890128",
        "6222 0212 3456 7890 128",
        "2026-03-02T09:30:00+08:00",
        "20260302093000123",
        "91350211M000100Y43",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "999999999999999.999999",
        VALID[:17],
        VALID_DIGITS,
        numbered(160105, date(1949, 12, 31), 2),
        numbered(110105, date(1949, 12, 31), 2)[:6] + "19491331" + "0025",
        "1101050000000000" + "19",
        f"{VALID[:6]}/{VALID[6:14]}/{VALID[14:]}",
        VALID[:6] + "    " + VALID[6:],
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert (find(text), redact(text)) == ([], text)


@pytest.mark.parametrize(
    ("birth", "found"),
    [
        ("18991231", False),
        ("19000101", True),
        ("19000229", False),
        ("20000229", True),
        ("21991231", True),
        ("22000101", False),
    ],
)
def test_the_birth_date_is_a_day_from_1900_to_2199(birth: str, found: bool) -> None:
    candidates = [f"110105{birth}002{check}" for check in "0123456789X"]
    assert any(map(find, candidates)) is found


@given(around, spellings, around, st.integers(1, 3))
def test_json_hides_nothing_by_its_escapes(before: str, spelling: str, after: str, levels: int) -> None:
    text = before + "年" + spelling + after
    source = text
    for _ in range(levels):
        source = json.dumps(source)
    redacted = redact(source)
    for _ in range(levels):
        redacted = json.loads(redacted)
    assert redacted == before + "年" + REMOVED + after


def test_digits_that_are_escapes_are_digits() -> None:
    source = "".join(f"\\u{ord(character):04x}" for character in VALID)
    assert redact(f'"a{source}b"') == f'"a{REMOVED}b"'
    # The hexadecimal digits of an escape are not: this is a character and fourteen digits.
    assert json.loads(redact(f'"\\u{VALID_DIGITS}"')) == json.loads(f'"\\u{VALID_DIGITS}"')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
holding = st.builds(lambda before, spelling, after: before + spelling + after, around, spellings, around)


@given(holding, json_values, st.booleans())
def test_the_quick_look_overlooks_nothing(text: str, beside: Any, ascii_only: bool) -> None:
    document = {"beside": beside, "at": [{"note": text}]}
    assert may_hold(json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "backslashreplace"))
    assert may_hold(orjson.dumps({"note": text}))
    assert "at.0.note" in list(holders(document))


@pytest.mark.parametrize("escape", ["\\b", "\\f", "\\n", "\\t", "\\r", "\\u0020", "\\-"])
def test_the_quick_look_does_not_overlook_an_escape_in_a_text_that_was_json_itself(escape: str) -> None:
    text = grouped(VALID, escape, "")
    assert find(text)
    assert may_hold(orjson.dumps({"note": text}))


@pytest.mark.parametrize("kind", sorted(DATA))
def test_the_quick_look_is_enough_for_ordinary_events(kind: str) -> None:
    assert not may_hold(orjson.dumps(example(kind)))


@given(around, spellings, around, st.sampled_from(["gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]))
def test_of_bytes_that_are_no_utf_8_nothing_is_kept(before: str, spelling: str, after: str, encoding: str) -> None:
    raw = ("客户：" + before + spelling + after).encode(encoding, "replace")
    kept = redact_bytes(raw)
    assert kept == b"" or reads(spelling, kept.decode(encoding, "replace")) == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_nuls_between_the_digits_hide_nothing(encoding: str) -> None:
    assert redact_bytes(f'{{"note": "{VALID}"}}'.encode(encoding)) == b""


def test_bytes_without_so_many_digits_are_kept_whatever_they_are() -> None:
    for raw in (b"", b"\xff\xfe", bytes(range(256)) * 3, "电话 13800138000".encode("gb18030")):
        assert redact_bytes(raw) == raw


def test_half_a_number_is_not_quoted() -> None:
    assert excerpt(f"no. {VALID}", 15) == f"no. {REMOVED}"[:15]


@pytest.mark.parametrize("read", [parse_instant, parse_date, parse_decimal])
def test_what_cannot_be_read_is_not_quoted_with_it_or_its_beginning(read: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="is no") as caught:
        read(f"of the person with the number {VALID}")
    assert VALID[:6] not in str(caught.value)


# The codec refuses every event that holds one, wherever it stands, before it says anything else.


def placed(where: str, value: Any) -> dict[str, Any]:
    """A valid event, but for the value at that place."""
    document = example("profile.updated", data={"section": "basic", "fields": {"staff": 120}})
    match where:
        case "key":
            document["data"]["fields"][value] = "x"
        case "fields":
            document["data"]["fields"]["note"] = value
        case "unknown":
            document["data"]["colour"] = [{"deep": value}]
        case "extension":
            document["traceparent"] = value
        case _:
            document[where] = value
    return document


PLACES = ["key", "fields", "unknown", "extension", "id", "source", "subject", "time", "type", "supersedes"]


@given(st.sampled_from(PLACES), around, spellings, around, st.booleans())
def test_an_event_that_holds_one_anywhere_is_refused_and_not_quoted(
    where: str, before: str, spelling: str, after: str, ascii_only: bool
) -> None:
    raw = json.dumps(placed(where, before + spelling + after), ensure_ascii=ascii_only).encode()
    with pytest.raises(InvalidEvent) as caught:
        decode(raw)
    problem = caught.value
    assert problem.code == "resident_id"
    told = (problem.message, problem.errors, problem.event_id, problem.source, str(problem))
    assert reads(spelling, told) == []


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("fields", "data.fields.note"),
        ("key", f"data.fields.见{REMOVED}"),
        ("unknown", "data.colour.0.deep"),
        ("extension", "traceparent"),
        ("id", "id"),
    ],
)
def test_the_refusal_names_the_field(where: str, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse(placed(where, f"见{VALID}"))
    assert [error.field for error in caught.value.errors] == [field]
    assert caught.value.message == f"{field}: holds a resident-ID number, which is not stored: leave it out"


def test_a_json_number_is_one_too() -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(orjson.dumps(placed("fields", int(BORN_IN_1990))))
    assert caught.value.code == "resident_id"
    decode(orjson.dumps(placed("fields", int(BORN_IN_1990) * 10)))


def test_what_is_no_json_document_is_looked_through_as_well() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse({**placed("fields", VALID), "beside": 10**30})
    assert caught.value.code == "resident_id"


def test_a_header_of_a_binary_event_may_not_hold_one() -> None:
    headers = {f"ce_{name}": str(value) for name, value in example("promise.met").items() if name != "data"}
    with pytest.raises(InvalidEvent) as caught:
        decode_binary({**headers, "ce_traceparent": VALID}, orjson.dumps(DATA["promise.met"]))
    assert (caught.value.code, caught.value.errors[0].field) == ("resident_id", "traceparent")


def test_a_retraction_may_not_hold_one_though_its_data_is_not_read() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse(example("contact.changed", retracted=True, supersedes="earlier", data={"note": VALID}))
    assert caught.value.code == "resident_id"


def test_many_fields_are_counted_and_not_all_named() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse(example("promise.met", beside=[VALID] * 1000))
    assert caught.value.message.startswith("beside.0 and 999 more: holds")
    assert len(caught.value.errors) == 50
