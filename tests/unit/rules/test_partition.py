"""One partition, without a broker: batches, dead letters, forwarding, poison, restoring."""

from __future__ import annotations

import orjson
import pytest

from schemas.control import CONTROL_KEY
from services.rules.batch import ASKING, MAX_WORK
from services.rules.calendar import micros
from services.rules.intake import PART_BYTES, code_of
from services.rules.partition import Partition
from services.rules.port import Outgoing
from tests.support.records import Rec, apply_all, at, customer_on, paid, partition, restore
from tests.support.standin_core import payment

A, B = customer_on(0), customer_on(0, 1)
ELSEWHERE = customer_on(2)


def head(part: Partition, customer_id: str) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(part.records_of(customer_id)[""])
    return found


def rules_of(warnings: list[Outgoing]) -> list[str]:
    return [orjson.loads(warning.value or b"")["rule"] for warning in warnings]


def headers_of(letter: Outgoing) -> dict[str, bytes]:
    return dict(letter.headers)


def test_a_batch_opens_and_writes_each_customer_once_segments_before_the_head() -> None:
    part = partition()
    result = part.apply_batch([paid(0, A), paid(1, B), paid(2, A, 24 * 40)], 0)
    keys = [record.key for record in result.writes]
    assert keys == [
        f"{A}\x1f2026-03".encode(),
        f"{A}\x1f2026-04".encode(),
        A.encode(),
        f"{B}\x1f2026-03".encode(),
        B.encode(),
    ]
    assert result.next_offset == 3
    assert head(part, A)["count"] == 2


def test_memory_is_what_was_written() -> None:
    part = partition()
    written = [
        record for result in apply_all(part, [paid(n, (A, B)[n % 2], n) for n in range(30)]) for record in result.writes
    ]
    again = partition(changelog=written)
    assert again.records_of(A) == part.records_of(A)
    assert again.records_of(B) == part.records_of(B)
    assert again.state_bytes == part.state_bytes > 0


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_states_do_not_depend_on_where_batches_end(size: int) -> None:
    records = [paid(n, (A, B)[n % 3 == 0], n) for n in range(40)]
    whole, cut = partition(), partition()
    apply_all(whole, records)
    for start in range(0, len(records), size):
        cut.apply_batch(records[start : start + size], 0)
    for customer_id in (A, B):
        whole_head, cut_head = head(whole, customer_id), head(cut, customer_id)
        # What this write announced is the only thing that a batch's end decides.
        assert {**whole_head, "unsent": 0} == {**cut_head, "unsent": 0}


MAX_OF_ONE = MAX_WORK - ASKING
"""Events of one customer in one batch."""


def test_a_batch_is_bounded_and_says_how_far_it_came() -> None:
    part = partition()
    records = [paid(n, A) for n in range(MAX_OF_ONE + 5)]
    first, second = apply_all(part, records)
    assert (first.consumed, first.next_offset) == (MAX_OF_ONE, MAX_OF_ONE)
    assert (second.consumed, second.next_offset) == (5, MAX_OF_ONE + 5)


def test_redelivered_events_change_nothing() -> None:
    part = partition()
    records = [paid(n, A, n) for n in range(10)]
    part.apply_batch(records, 0)
    before = head(part, A)
    again = part.apply_batch(records, 0)
    assert again.warnings == []
    assert head(part, A) == {**before, "unsent": []}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Rec(0, A.encode(), b"{"), "not_json"),
        (Rec(0, A.encode(), None), "empty"),
        (Rec(0, None, b'{"type": "bellwether.nothing"}'), "unknown_type"),
        (Rec(0, A.encode(), b"{}", (("ce_specversion", b"\xff"),)), "invalid"),
        (Rec(0, CONTROL_KEY, b'{"type": "other"}'), "unknown_control"),
        (Rec(0, CONTROL_KEY, b'{"type": "bellwether.clock.advance", "to": "2026-03-01"}'), "invalid"),
    ],
)
def test_what_cannot_be_read_goes_to_the_dead_letters_as_it_came(record: Rec, reason: str) -> None:
    result = partition().apply_batch([record], 0)
    (letter,) = result.dead_letters
    assert code_of(letter) == reason
    assert (letter.key, letter.value) == (record.key, record.value or b"")
    assert headers_of(letter)["offset"] == b"0"
    assert (result.next_offset, result.writes) == (1, [])


def test_an_event_of_no_customer_is_on_the_wrong_topic() -> None:
    beat = {
        "specversion": "1.0",
        "id": "H-1",
        "source": "erp",
        "type": "bellwether.feed.heartbeat",
        "time": at(0).isoformat(),
        "data": {"feed": "invoices", "complete_until": at(0).isoformat()},
    }
    result = partition().apply_batch([Rec(0, b"erp", orjson.dumps(beat))], 0)
    (letter,) = result.dead_letters
    assert code_of(letter) == "wrong_topic"
    assert headers_of(letter)["event_id"] == b"H-1"


def test_what_the_core_refuses_is_a_dead_letter_and_remembered_as_seen() -> None:
    part = partition()
    result = part.apply_batch([paid(0, A), paid(1, A, payment_id="refused"), paid(2, A)], 0)
    assert [code_of(letter) for letter in result.dead_letters] == ["id_reused"]
    assert head(part, A)["count"] == 2
    assert result.applied == 2


def test_a_dead_letter_fits_even_where_the_record_was_as_large_as_kafka_allows() -> None:
    value = bytes(range(256)) * 4_000
    result = partition().apply_batch([Rec(0, A.encode(), value)], 0)
    assert b"".join(letter.value or b"" for letter in result.dead_letters) == value
    assert [(headers_of(letter)["part"], headers_of(letter)["parts"]) for letter in result.dead_letters] == [
        (b"1", b"2"),
        (b"2", b"2"),
    ]
    assert max(len(letter.value or b"") for letter in result.dead_letters) == PART_BYTES


def test_a_binary_mode_event_is_applied() -> None:
    document = orjson.loads(payment(A, "E-1", at(0)))
    data = orjson.dumps(document.pop("data"))
    headers = tuple((f"ce_{name}", value.encode()) for name, value in document.items())
    part = partition()
    part.apply_batch([Rec(0, A.encode(), data, headers)], 0)
    assert head(part, A)["count"] == 1


@pytest.mark.parametrize("key", [ELSEWHERE.encode(), None, A.encode()])
def test_an_event_that_lies_on_the_wrong_partition_is_forwarded_with_its_own_key(key: bytes | None) -> None:
    part = partition()
    value = payment(ELSEWHERE, "E-1", at(0))
    result = part.apply_batch([Rec(0, key, value, (("trace", b"1"),))], 0)
    assert result.forwards == [(2, Outgoing(ELSEWHERE.encode(), value, (("trace", b"1"),)))]
    assert part.customers == 0
    assert result.next_offset == 1


def test_an_event_with_another_key_than_its_customer_comes_again_with_the_right_one() -> None:
    result = partition().apply_batch([Rec(0, B.encode(), payment(A, "E-1", at(0)))], 0)
    assert [(number, record.key) for number, record in result.forwards] == [(0, A.encode())]


@pytest.mark.parametrize("poison", ["poison", "mine"])
@pytest.mark.parametrize("event_clock", [True, False])
def test_a_poisonous_event_costs_itself_and_nothing_else(poison: str, event_clock: bool) -> None:
    part, clean = partition(event_clock=event_clock), partition(event_clock=event_clock)
    records = [paid(0, A), paid(1, B), paid(2, A, payment_id=poison), paid(3, A), paid(4, B)]
    result = part.apply_batch(records, 0)
    assert result.applied == 4
    clean.apply_batch([record for record in records if record.offset != 2], 0)
    (letter,) = result.dead_letters
    assert code_of(letter) == "poison"
    assert b"ArithmeticError" in headers_of(letter)["traceback"]
    assert letter.value == records[2].value
    assert [part.records_of(A), part.records_of(B)] == [clean.records_of(A), clean.records_of(B)]


@pytest.mark.parametrize("poison", ["poison", "mine"])
def test_a_customer_with_nothing_but_poison_is_not_written(poison: str) -> None:
    part = partition()
    result = part.apply_batch([paid(0, A, payment_id=poison)], 0)
    assert (result.writes, part.customers, result.next_offset, result.applied) == ([], 0, 1, 0)


def test_poison_that_shows_when_the_rules_are_asked_is_told_before_a_wake_up_and_after_a_refusal() -> None:
    part = partition()
    names = [None, "mine", "refused", "mine", None, "poison"]
    result = part.apply_batch([paid(n, A, n, payment_id=name) for n, name in enumerate(names)], 0)
    assert sorted((headers_of(letter)["offset"], code_of(letter)) for letter in result.dead_letters) == [
        (b"1", "poison"),
        (b"2", "id_reused"),
        (b"3", "poison"),
        (b"5", "poison"),
    ]
    assert head(part, A)["count"] == 2


def test_many_broken_events_of_one_customer_end_the_batch_early() -> None:
    part = partition()
    records = [paid(n, A, payment_id="mine" if n % 2 else None) for n in range(600)]
    results = apply_all(part, records)
    assert sum(len(result.dead_letters) for result in results) == 300
    assert head(part, A)["count"] == 300
    assert len(results) > 1


def test_an_event_that_only_breaks_the_writing_is_found_out() -> None:
    part, clean = partition(), partition()
    records = [paid(0, A), paid(1, A), paid(2, A, name="bomb"), paid(3, A), paid(4, B)]
    result = part.apply_batch(records, 0)
    clean.apply_batch([record for record in records if record.offset != 2], 0)
    assert [headers_of(letter)["offset"] for letter in result.dead_letters] == [b"2"]
    assert [part.records_of(A), part.records_of(B)] == [clean.records_of(A), clean.records_of(B)]


def test_records_that_cannot_be_opened_are_no_events_fault_and_stop_the_worker() -> None:
    broken = b'{"version": [0, 0], "clock": 0, "wake_at": null, "book": "", "unsent": []}'
    part = partition(changelog=[Outgoing(A.encode(), broken)])
    with pytest.raises(KeyError):
        part.apply_batch([paid(1, A)], 0)


def test_of_two_versions_the_higher_stays_whoever_wrote_last() -> None:
    owner = partition()
    early = owner.apply_batch([paid(0, A)], 0).writes
    late = owner.apply_batch([paid(1, A)], 0).writes
    part = partition()
    assert restore(part, [*late, *early]) == 2
    assert part.records_of(A) == owner.records_of(A)


def test_a_tombstone_removes_a_segment_and_an_empty_customer() -> None:
    part = partition(changelog=partition().apply_batch([paid(0, A)], 0).writes)
    restore(part, [Outgoing(f"{A}\x1f2026-03".encode(), None)])
    assert set(part.records_of(A)) == {""}
    restore(part, [Outgoing(A.encode(), None)])
    assert (part.customers, part.state_bytes) == (0, 0)


def test_after_a_recovery_unsent_warnings_come_again_and_customers_are_woken() -> None:
    owner = partition()
    written = owner.apply_batch([paid(n, A) for n in range(10)], 0)
    part = partition(changelog=written.writes)
    assert part.recovered() == written.warnings
    assert len(written.warnings) == 1
    woken = part.fire_due(micros(at(24)), 10)
    assert rules_of(woken.warnings) == ["silence"]


def test_a_second_recovery_does_not_send_what_was_sent_in_the_first() -> None:
    written = partition().apply_batch([paid(n, A) for n in range(10)], 0)
    part = partition(changelog=written.writes)
    part.recovered()
    part.sent(len(written.writes) - 1)
    assert part.recovered() == []


def test_warnings_that_were_sent_before_the_next_states_were_written_are_not_sent_again() -> None:
    owner = partition()
    first = owner.apply_batch([paid(n, A) for n in range(10)], 0)
    owner.sent(1)
    second = owner.apply_batch([paid(n, B) for n in range(10, 20)], 0)
    assert partition(changelog=[*first.writes, *second.writes]).recovered() == second.warnings
    assert partition(changelog=first.writes).recovered() == first.warnings
