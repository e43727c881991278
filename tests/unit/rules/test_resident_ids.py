"""What comes by Kafka directly: the rules service refuses resident-ID numbers too, and its dead letters hold none."""

from __future__ import annotations

import json
import logging
from typing import Any

import orjson
import pytest
from hypothesis import given

from schemas.privacy import REMOVED
from services.rules.intake import PART_BYTES, code_of, dead_letters, dead_wake
from services.rules.partition import BatchResult
from services.rules.port import Outgoing
from tests.support.records import Rec, at, customer_on, partition
from tests.support.standin_core import payment
from tests.unit.schemas.resident_ids import BORN_IN_1990, VALID, reads, spellings

A = customer_on(0)


def with_note(note: Any, **changes: Any) -> dict[str, Any]:
    """A payment with an extension attribute."""
    return {**orjson.loads(payment(A, "E-1", at(0))), "note": note, **changes}


def applied(record: Rec) -> BatchResult:
    """What a partition makes of the record; it must be a dead letter and nothing else."""
    part = partition()
    result = part.apply_batch([record], 0)
    assert (result.writes, result.forwards, result.next_offset, part.customers) == ([], [], record.offset + 1, 0)
    return result


def letter_of(record: Rec) -> Outgoing:
    (letter,) = applied(record).dead_letters
    return letter


def test_an_event_that_holds_one_is_a_dead_letter_without_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    raw = json.dumps(with_note(f"张三 {VALID}"), indent=1, ensure_ascii=False).encode()
    letter = letter_of(Rec(3, A.encode(), raw))
    assert letter.value == raw.replace(VALID.encode(), REMOVED.encode())
    headers = dict(letter.headers)
    assert (code_of(letter), headers["redacted"], headers["event_id"]) == ("resident_id", b"true", b"E-1")
    assert headers["reason"] == b"note: holds a resident-ID number, which is not stored: leave it out"
    assert reads(VALID, (letter, caplog.text)) == []


@given(spellings)
def test_however_it_is_written_nothing_of_it_is_left(spelling: str) -> None:
    for raw in (orjson.dumps(with_note(spelling)), json.dumps(with_note({spelling: 1})).encode()):
        letter = letter_of(Rec(0, A.encode(), raw))
        assert code_of(letter) == "resident_id"
        assert reads(spelling, letter) == []


def test_a_customer_may_not_be_called_by_one() -> None:
    letter = letter_of(Rec(0, VALID.encode(), payment(VALID, f"E-{VALID}", at(0))))
    assert (letter.key, code_of(letter)) == (REMOVED.encode(), "resident_id")
    assert dict(letter.headers)["event_id"].decode() == f"E-{REMOVED}"
    assert reads(VALID, letter) == []


@pytest.mark.parametrize(
    ("code", "value", "headers"),
    [
        ("not_json", f'{{"note": "{VALID}'.encode(), ()),
        ("not_an_object", f'"{VALID}"'.encode(), ()),
        ("invalid", b"{}", (("ce_specversion", b"\xff"), ("ce_note", VALID.encode()))),
        ("resident_id", b"{}", (("ce_specversion", b"1.0"), (f"ce_{VALID}", b"x"))),
        ("invalid", b"{", (("trace", VALID.encode()), ("trace", f"年{BORN_IN_1990}".encode("gb18030")))),
    ],
)
def test_neither_is_anything_left_where_another_reason_came_first(
    code: str, value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    letter = letter_of(Rec(0, A.encode(), value, headers))
    assert code_of(letter) == code
    assert reads(VALID, letter) + reads(BORN_IN_1990, letter) == []


def test_of_a_value_that_is_no_text_nothing_is_kept() -> None:
    value = json.dumps(with_note("年" + BORN_IN_1990), ensure_ascii=False).encode("gb18030")
    letter = letter_of(Rec(0, A.encode(), value))
    assert (letter.value, dict(letter.headers)["redacted"]) == (b"", b"true")


def test_a_number_on_the_border_of_two_parts_is_taken_out_whole() -> None:
    value = b'"' + b"x" * (PART_BYTES - 10) + VALID.encode() + b"x" * 100
    letters = applied(Rec(0, A.encode(), value)).dead_letters
    assert len(letters) == 2
    assert b"".join(letter.value or b"" for letter in letters) == value.replace(VALID.encode(), REMOVED.encode())


def test_what_a_foreign_error_quotes_is_taken_out_of_reason_and_traceback() -> None:
    error = ArithmeticError(f"cannot divide {VALID} " + "x" * 7_000)
    (letter,) = dead_letters(Rec(0, A.encode(), b"{}"), 0, error)
    assert reads(VALID, letter) == []
    assert REMOVED.encode() in dict(letter.headers)["reason"]


def test_a_wake_up_of_a_customer_from_before_is_told_without_it() -> None:
    assert reads(VALID, dead_wake(VALID, 0, 0, ValueError(VALID))) == []


def test_an_ordinary_dead_letter_says_nothing_of_redaction() -> None:
    letter = letter_of(Rec(0, A.encode(), b"{"))
    assert "redacted" not in dict(letter.headers)
