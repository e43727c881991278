"""Ingest seals what says something of a person, keeps the rest as it came, and takes nothing of whom it forgot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from schemas.codec import decode
from schemas.events import CUSTOMER_EVENTS, REFERENCE_EVENTS
from schemas.fields import SEALED
from schemas.personal import PERSONAL
from schemas.topics import Topics
from services.common.sealing import CustomerKey, NotSealed, UnknownMaster
from services.ingest import sealing
from services.ingest.judge import Judgement, Post, judge
from services.ingest.publisher import TryLater
from services.ingest.sealing import LOOK_EVERY_S, KeyRing, Sealing
from services.ingest.sealing_keeping import MustAsk
from services.rules.intake import judge as rules_judge
from services.rules.partitioner import partition_of
from services.rules.shortcut import heard
from tests.support.records import Rec
from tests.unit.schemas.examples import DATA, DETAILS, example

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TOPICS = Topics()
PERSONAL_KINDS = sorted(kind.removeprefix("bellwether.") for kind in PERSONAL)


def fixed_key(customer_id: str) -> bytes:
    return customer_id.encode().ljust(64, b".")


class FakeKeys:
    """A database that can be away, in which everybody has a key that tells whose it is, but for who is `new`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.added: list[dict[str, bytes]] = []
        self.new: set[str] = set()
        self.gone: set[str] = set()
        self.taken: set[str] = set()
        self.away = False
        self.unreadable: Exception | None = None

    def find(self, customer_ids: Collection[str]) -> dict[str, bytes | None]:
        self._answer()
        if self.unreadable is not None:
            raise self.unreadable
        self.asked += customer_ids
        return {one: None if one in self.gone else fixed_key(one) for one in customer_ids if one not in self.new}

    def add(self, keys: Mapping[str, bytes], now: datetime) -> frozenset[str]:
        self._answer()
        assert now == NOW
        self.added.append(dict(keys))
        return frozenset(keys.keys() & self.taken)

    def forgotten(self) -> frozenset[str]:
        self._answer()
        return frozenset(self.gone)

    def _answer(self) -> None:
        if self.away:
            raise OperationalError("SELECT", {}, OSError("gone"))


class Bench:
    """Sealing with a clock of its own."""

    def __init__(self) -> None:
        self.keys = FakeKeys()
        self.seconds = 100.0
        self.sealing = Sealing(KeyRing(self.keys, lambda: NOW, lambda: self.seconds))

    def judge(self, *events: dict[str, Any]) -> Judgement:
        post = Post(orjson.dumps(list(events)), {"content-type": "application/json"}, NOW)
        return judge(post, TOPICS, [self.sealing])

    def sent(self, event: dict[str, Any]) -> bytes:
        """The one record's value."""
        (record,) = self.judge(event).records
        return record.value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def codes(judgement: Judgement) -> list[str]:
    return [verdict.code for verdict in judgement.verdicts]


def opened(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its personal fields as they were."""
    return sealing.opened(document, CustomerKey(fixed_key(document["subject"])))


@pytest.mark.parametrize("kind", PERSONAL_KINDS)
def test_personal_fields_are_sealed_and_everything_else_is_as_it_was_sent(bench: Bench, kind: str) -> None:
    document = orjson.loads(bench.sent(example(kind)))
    assert document != example(kind)
    assert opened(document) == example(kind)


@pytest.mark.parametrize("kind", PERSONAL_KINDS)
def test_the_rules_service_takes_a_sealed_event_the_short_way(bench: Bench, kind: str) -> None:
    value = bench.sent(example(kind))
    assert heard(value) is not None
    rules_judge(Rec(0, b"C001", value), partition_of("C001", 8), 8)


@pytest.mark.parametrize("kind", sorted((CUSTOMER_EVENTS | REFERENCE_EVENTS).keys() - set(PERSONAL_KINDS)))
def test_an_event_that_says_nothing_of_people_stays_and_needs_no_key(bench: Bench, kind: str) -> None:
    assert bench.sent(example(kind)) == orjson.dumps(example(kind))
    assert bench.keys.asked == []


def test_what_its_model_writes_is_sealed_too(bench: Bench) -> None:
    """An event with an unknown field does not go on the topic as it came."""
    value = bench.sent(example("promise.made", data={**DATA["promise.made"], "colour": "red"}))
    assert DATA["promise.made"]["about"].encode() not in value
    document = orjson.loads(value)
    assert opened(document)["data"] == DATA["promise.made"]
    details = {**DETAILS, "shoe": 43}
    document = orjson.loads(
        bench.sent(example("contact.role_set", data={**DATA["contact.role_set"], "details": details}))
    )
    assert opened(document)["data"] == DATA["contact.role_set"]


def test_a_personal_field_that_is_not_given_or_null_stays_so(bench: Bench) -> None:
    for data in (
        {"contact_id": "k", "decision_role": "user"},
        {"contact_id": "k", "decision_role": "user", "details": None},
    ):
        assert orjson.loads(bench.sent(example("contact.role_set", data=data)))["data"] == data
    partly = {"contact_id": "k", "decision_role": "user", "details": {"name": None, "phone": "x"}}
    sealed = orjson.loads(bench.sent(example("contact.role_set", data=partly)))["data"]["details"]
    assert (sealed["name"], sealed["phone"][: len(SEALED)]) == (None, SEALED)


def test_a_retraction_carries_no_data_and_needs_no_key(bench: Bench) -> None:
    value = bench.sent(example("promise.made", supersedes="earlier", retracted=True))
    assert DATA["promise.made"]["about"].encode() not in value
    assert bench.keys.asked == []


def test_an_event_that_is_sent_again_has_the_same_bytes(bench: Bench) -> None:
    assert bench.sent(example("contact.changed")) == Bench().sent(example("contact.changed"))


def test_the_same_text_in_two_events_does_not_look_the_same(bench: Bench) -> None:
    one, other = (orjson.loads(bench.sent(example("promise.made", id=name)))["data"]["about"] for name in "ab")
    assert one != other


def test_an_event_that_was_kept_sealed_may_be_sent_again(bench: Bench) -> None:
    value = bench.sent(example("contact.changed"))
    assert bench.sent(orjson.loads(value)) == value


@pytest.mark.parametrize("change", [{"subject": "C002"}, {"id": "other"}, {"source": "other"}])
def test_a_sealed_value_that_was_taken_from_elsewhere_is_refused(bench: Bench, change: dict[str, str]) -> None:
    document = orjson.loads(bench.sent(example("promise.made"))) | change
    judgement = bench.judge(document)
    (verdict,) = judgement.verdicts
    assert (verdict.code, [error.field for error in verdict.errors]) == ("sealed", ["data.about"])


def test_a_key_is_asked_for_once(bench: Bench) -> None:
    bench.judge(*(example("promise.made", id=str(number)) for number in range(10)))
    bench.judge(example("contact.changed"))
    assert bench.keys.asked == ["C001"]


def test_nothing_of_a_forgotten_customer_is_taken_and_others_are(bench: Bench) -> None:
    bench.keys.gone.add("C001")
    judgement = bench.judge(
        example("promise.made"), example("payment.received"), example("payment.received", subject="C002")
    )
    assert codes(judgement) == ["forgotten", "forgotten", "ok"]


def test_whom_another_process_forgot_is_known_after_a_moment_and_its_key_is_gone_from_memory(bench: Bench) -> None:
    assert codes(bench.judge(example("promise.made"))) == ["ok"]
    bench.keys.gone.add("C001")
    bench.seconds += LOOK_EVERY_S
    assert codes(bench.judge(example("promise.made"))) == ["forgotten"]
    bench.keys.gone.clear()
    bench.seconds += LOOK_EVERY_S
    assert codes(bench.judge(example("promise.made"))) == ["ok"]
    assert bench.keys.asked == ["C001", "C001"]


def test_without_a_key_nothing_is_accepted_and_the_sender_is_told_to_come_back(bench: Bench) -> None:
    bench.keys.away = True
    with pytest.raises(TryLater) as caught:
        bench.judge(example("promise.made"))
    assert caught.value.code == "keys_unavailable"


def test_what_is_sealed_stays_valid(bench: Bench) -> None:
    for kind in PERSONAL_KINDS:
        assert decode(bench.sent(example(kind))).kind == kind


def test_new_keys_of_a_whole_batch_are_kept_at_once_before_anything_is_published(bench: Bench) -> None:
    ring, ids = bench.sealing.ring, [f"N{number}" for number in range(50)]
    bench.keys.new |= set(ids)
    mark = ring.mark()
    assert set(codes(bench.judge(*(example("promise.made", subject=one) for one in ids * 2)))) == {"ok"}
    assert (bench.keys.added, ring.has_new) == ([], True)
    ring.keep(mark)
    (added,) = bench.keys.added
    assert sorted(added) == sorted(ids)
    assert len(set(added.values())) == len(ids)
    assert not ring.has_new
    ring.keep(mark)
    assert len(bench.keys.added) == 1


def test_a_key_that_could_not_be_kept_is_kept_by_the_next_who_asks(bench: Bench) -> None:
    ring = bench.sealing.ring
    bench.keys.new.add("C001")
    mark = ring.mark()
    first = bench.sent(example("promise.made"))
    bench.keys.away = True
    with pytest.raises(TryLater):
        ring.keep(mark)
    bench.keys.away = False
    assert bench.sent(example("promise.made")) == first
    ring.keep(mark)
    assert [sorted(added) for added in bench.keys.added] == [["C001"]]


def test_of_two_who_made_the_same_key_one_starts_again_and_all_who_sealed_with_it(bench: Bench) -> None:
    ring = bench.sealing.ring
    bench.keys.new.add("C001")
    mine, others = ring.mark(), ring.mark()
    lost = bench.sent(example("promise.made"))
    bench.keys.taken.add("C001")
    for mark in (mine, others):
        with pytest.raises(TryLater, match="again"):
            ring.keep(mark)
    bench.keys.new.clear()
    mark = ring.mark()
    again = bench.sent(example("promise.made"))
    ring.keep(mark)
    assert again != lost
    assert opened(orjson.loads(again)) == example("promise.made")


def test_who_was_forgotten_a_moment_ago_has_no_key(bench: Bench) -> None:
    """Ingest does not yet know it; the key is gone all the same."""
    bench.judge(example("payment.received"))
    bench.keys.gone.add("C001")
    assert codes(bench.judge(example("promise.made"))) == ["forgotten"]


@pytest.mark.parametrize("problem", [UnknownMaster("the key of C001 is wrapped by the master key 00"), NotSealed()])
def test_a_key_that_cannot_be_unwrapped_makes_senders_wait_and_its_customer_is_not_in_the_log(
    bench: Bench, problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bench.keys.unreadable = problem
    with pytest.raises(TryLater) as caught:
        bench.judge(example("contact.changed"))
    assert caught.value.code == "keys_unavailable"
    assert type(problem).__name__ in caplog.text
    assert "C001" not in caplog.text + caught.value.message
    bench.keys.unreadable = None
    assert codes(bench.judge(example("contact.changed"))) == ["ok"]


def test_from_memory_nothing_is_asked_of_the_database(bench: Bench) -> None:
    ring = bench.sealing.ring

    def from_memory() -> str:
        try:
            with ring.from_memory():
                (code,) = codes(bench.judge(example("contact.changed")))
        except MustAsk:
            return "must ask"
        return code

    bench.keys.away = True
    assert from_memory() == "must ask"
    bench.keys.away = False
    assert not ring.is_forgotten("C002")
    bench.keys.away = True
    # Who was forgotten is known, the key is not.
    assert from_memory() == "must ask"
    bench.keys.away = False
    assert codes(bench.judge(example("contact.changed"))) == ["ok"]
    bench.keys.away = True
    assert from_memory() == "ok"
    bench.seconds += LOOK_EVERY_S
    assert from_memory() == "must ask"


def test_from_memory_nobody_is_waited_for_who_asks_the_database(bench: Bench) -> None:
    ring, asking, may_end = bench.sealing.ring, Event(), Event()
    bench.judge(example("contact.changed"))

    def slow(customer_ids: Collection[str]) -> dict[str, bytes | None]:
        asking.set()
        assert may_end.wait(30)
        return {one: fixed_key(one) for one in customer_ids}

    bench.keys.find = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(ring.key_of, "C009")
        assert asking.wait(30)
        with pytest.raises(MustAsk), ring.from_memory():
            ring.key_of("C001")
        may_end.set()
        assert other.result(30) is not None
    with ring.from_memory():
        assert ring.key_of("C001") is not None
