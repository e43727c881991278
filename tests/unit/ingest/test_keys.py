"""What the sender of a key may say, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import codec
from schemas.codec import InvalidEvent
from services.common.tokens import digest_of, split_token, token
from services.ingest.keys import (
    NOT_ALLOWED,
    Bounds,
    Key,
    check_sender,
    matches,
    sender_of,
    types_like,
)
from services.ingest.treating import ANYBODY, Coming
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECRET = "5e" * 32


def key(key_id: str = "0123456789ab", **bounds: Any) -> Key:
    return Key(key_id, digest_of(key_id, SECRET), Bounds(**{"source": "tests", **bounds}), "", NOW)


def coming(kind: str = "promise.met", **changes: Any) -> Coming:
    document = example(kind, **changes)
    return Coming(codec.parse(document), document)


def refusal(event: Coming, **bounds: Any) -> str | None:
    """The field for which it is refused; None: it may be sent."""
    try:
        assert check_sender(event, sender_of(key(**bounds))) is event
    except InvalidEvent as problem:
        return problem.errors[0].field if problem.code == NOT_ALLOWED else problem.code
    return None


def test_what_is_shown_holds_the_id_and_the_secret() -> None:
    shown = token("0123456789ab", SECRET)
    assert shown == f"bw_0123456789ab_{SECRET}"
    assert split_token(shown) == ("0123456789ab", SECRET)


@pytest.mark.parametrize(
    "shown",
    ["", "bw_", f"bw_0123456789ab_{SECRET}\n", f"bw_0123456789ab_{SECRET[:-1]}", f"BW_0123456789ab_{SECRET}", "é"],
)
def test_what_is_no_key_is_none(shown: str) -> None:
    assert split_token(shown) is None


def test_only_its_own_secret_opens_a_key() -> None:
    assert matches(key(), "0123456789ab", SECRET)
    assert not matches(key(), "0123456789ab", "5f" * 32)
    assert not matches(None, "0123456789ab", SECRET)


def test_a_digest_that_was_copied_to_another_key_opens_nothing() -> None:
    stolen = Key("ba9876543210", key().digest, Bounds("tests"), "", NOW)
    assert not matches(stolen, "ba9876543210", SECRET)


def test_the_digest_holds_nothing_of_the_secret() -> None:
    assert SECRET.encode() not in key().digest
    assert bytes.fromhex(SECRET) not in key().digest
    assert SECRET not in repr(key())


def test_a_key_works_until_it_expires_or_is_revoked() -> None:
    ends = Key("k", b"", Bounds("tests"), "", NOW, expires_at=NOW + timedelta(days=1))
    assert ends.works(NOW + timedelta(hours=23))
    assert not ends.works(NOW + timedelta(days=1))
    assert not Key("k", b"", Bounds("tests"), "", NOW, revoked_at=NOW).works(NOW)


def test_a_key_speaks_for_its_own_source_alone() -> None:
    assert refusal(coming()) is None
    assert refusal(coming(source="crm")) == "source"
    assert refusal(coming(source="crm"), source="*") is None


def test_a_key_sends_the_types_that_it_names() -> None:
    assert refusal(coming("promise.met"), types=("promise.*",)) is None
    assert refusal(coming("promise.met"), types=("bellwether.promise.met",)) is None
    assert refusal(coming("promise.met"), types=("invoice.*", "payment.*")) == "type"


def test_a_retraction_is_of_the_type_that_it_takes_back() -> None:
    taken_back = coming("promise.met", retracted=True, supersedes="other")
    assert refusal(taken_back, types=("promise.*",)) is None
    assert refusal(taken_back, types=("invoice.*",)) == "type"
    assert refusal(taken_back, customers=frozenset({"C002"})) == "subject"


def test_a_key_names_the_customers_that_it_may() -> None:
    assert refusal(coming(), customers=frozenset({"C001"})) is None
    assert refusal(coming(), customers=frozenset({"C002"})) == "subject"


def test_both_customers_of_a_merge_must_be_of_the_key() -> None:
    merge = coming("customer.merged", data={"merged_customer_id": "C002"})
    assert refusal(merge, customers=frozenset({"C001"})) == "data.merged_customer_id"
    assert refusal(merge, customers=frozenset({"C001", "C002"})) is None


def test_what_is_of_all_customers_needs_a_key_that_says_so() -> None:
    rate = coming("rate.published")
    assert refusal(rate) is None
    assert refusal(rate, customers=frozenset({"C001"})) == "type"
    assert refusal(rate, customers=frozenset({"C001"}), types=("rate.*",)) is None


def test_a_refusal_repeats_nothing_of_the_event() -> None:
    with pytest.raises(InvalidEvent) as raised:
        check_sender(coming(source="crm", subject="C777"), sender_of(key(customers=frozenset({"C001"}))))
    told = f"{raised.value.message} {raised.value.errors}"
    assert "crm" not in told
    assert "C777" not in told
    assert "C001" not in told


def test_whoever_sends_where_no_keys_are_asked_for_may_send_all() -> None:
    assert check_sender(coming(source="any"), ANYBODY).event.source == "any"


def test_patterns_find_types_with_and_without_their_prefix() -> None:
    assert types_like(["promise.met"]) == types_like(["bellwether.promise.met"]) == ["bellwether.promise.met"]
    assert len(types_like(["promise.*"])) > 1
    assert types_like(["nothing.*"]) == []
