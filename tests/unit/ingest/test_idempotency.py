"""What an Idempotency-Key asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.idempotency import CLAIMED_FOR, KEPT_FOR, Kept, Request, Turn, digest_of, key_of, turn_of
from services.ingest.judge import BadBody, Post

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINE, OTHER = b"mine", b"other"
ASKED = Request("erp", "k", MINE)


@pytest.mark.parametrize(
    ("digest", "status", "age", "turn"),
    [
        (MINE, 202, SECOND, Turn.REPEAT),
        (MINE, 422, KEPT_FOR - SECOND, Turn.REPEAT),
        (MINE, 202, KEPT_FOR, Turn.DO),
        (OTHER, 202, SECOND, Turn.REFUSE),
        (OTHER, 202, KEPT_FOR, Turn.DO),
        (MINE, None, SECOND, Turn.WAIT),
        (OTHER, None, SECOND, Turn.REFUSE),
        (MINE, None, CLAIMED_FOR, Turn.DO),
    ],
)
def test_what_is_kept_says_what_to_do(digest: bytes, status: int | None, age: timedelta, turn: Turn) -> None:
    assert turn_of(ASKED, Kept(digest, status, b"", NOW - age), NOW) is turn


def test_an_unknown_key_is_done() -> None:
    assert turn_of(ASKED, None, NOW) is Turn.DO


def post(body: bytes = b"{}", **headers: str) -> Post:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Post(body, {"content-type": "application/json", **named}, NOW)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (' "a b" ', "a b"),
        ("8e03978e-40d5-43dd", "8e03978e-40d5-43dd"),
        ("x" * 200,) * 2,
    ],
)
def test_a_key_may_have_quotes(header: str, key: str) -> None:
    assert key_of(post(idempotency_key=header)) == key


@pytest.mark.parametrize("header", ["", '""', "a b", '"', '"a', 'a"b', "密", "x" * 201, "a\x7f"])
def test_what_is_no_key_is_refused(header: str) -> None:
    with pytest.raises(BadBody) as caught:
        key_of(post(idempotency_key=header))
    assert (caught.value.status, caught.value.code) == (400, "bad_idempotency_key")


def test_without_a_header_there_is_no_key() -> None:
    assert key_of(post()) is None


def test_a_digest_is_of_all_that_says_what_the_event_is() -> None:
    same = {digest_of(post()), digest_of(post(user_agent="another", idempotency_key="k"))}
    assert len(same) == 1
    others = {digest_of(post(b"[]")), digest_of(post(content_type="application/cloudevents+json"))}
    others |= {digest_of(post(ce_id="1")), digest_of(post(ce_id="2")), digest_of(post(b"\n{}"))}
    assert len(same | others) == 6
