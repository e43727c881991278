"""Case events are sent in order, forgotten once all are acknowledged, and all sent again by another producer if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.cases import decode_case_event
from schemas.topics import Topics
from services.common.kafka_admin import BrokerUnreachable
from services.notifier import publisher, store
from services.notifier.publisher import Publisher
from tests.unit.notifier.making import make_warning
from tests.unit.notifier.office import Office


@dataclass
class Scripted:
    """Of librdkafka's producer what the publisher uses. It acknowledges all, but for the record number `fails`, or
    nothing at all where it is `mute`; from the record number `full` on it takes none."""

    fails: int | None = None
    full: int | None = None
    mute: bool = False
    got: list[tuple[bytes, bytes]] = field(default_factory=list)
    waiting: list[Callable[[KafkaError | None, None], None]] = field(default_factory=list)
    ended: bool = False

    def list_topics(self, topic: str, timeout: float) -> None:
        """The topic is there."""

    def produce(
        self, topic: str, value: bytes, key: bytes, on_delivery: Callable[[KafkaError | None, None], None]
    ) -> None:
        assert topic == "t.cases"
        if len(self.got) == self.full:
            raise KafkaException(KafkaError(KafkaError._FATAL))
        self.got.append((key, value))
        self.waiting.append(on_delivery)

    def flush(self, _timeout: float) -> int:
        if self.mute:
            return len(self.waiting)
        for number, told in enumerate(self.waiting):
            told(KafkaError(KafkaError._MSG_TIMED_OUT) if number == self.fails else None, None)
        self.waiting.clear()
        return 0

    def purge(self) -> None:
        """What waits is let go of."""

    def poll(self, _timeout: float) -> int:
        return 0

    def close(self) -> None:
        self.ended = True


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    office.clerk.file([make_warning("w-1"), make_warning("w-2", customer_id="C2")])
    yield office
    office.database.close()


def waiting(office: Office) -> list[bytes]:
    with office.database.reading() as tx:
        return [row["body"] for row in store.unsent_case_events(tx)]


def publishing(office: Office, monkeypatch: pytest.MonkeyPatch, *producers: Scripted) -> Publisher:
    """With these, in turn, where it makes a new one."""
    left = list(producers)
    monkeypatch.setattr(publisher, "is_reachable", lambda _: True)
    monkeypatch.setattr(publisher, "new_producer", lambda *_: left.pop(0))
    return Publisher("kafka:1", Topics("t"), office.database)


def test_events_are_sent_in_their_order_under_their_customer_and_forgotten(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, good = waiting(office), Scripted()
    ours = publishing(office, monkeypatch, good)
    assert (ours.step(), ours.step()) == (False, False)
    assert len(before) > 2
    assert [value for _, value in good.got] == before
    assert all(key.decode() == decode_case_event(value).customer_id for key, value in good.got)
    assert waiting(office) == []


@pytest.mark.parametrize("bad", [Scripted(fails=1), Scripted(mute=True), Scripted(full=1)], ids=["one", "all", "full"])
def test_unless_every_one_is_acknowledged_all_wait_on_and_another_producer_sends_them_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, bad: Scripted
) -> None:
    before, good = waiting(office), Scripted()
    ours = publishing(office, monkeypatch, bad, good)
    with pytest.raises(BrokerUnreachable, match="not acknowledged"):
        ours.step()
    assert (waiting(office), bad.ended) == (before, True)
    assert not ours.step()
    assert [value for _, value in good.got] == before
    assert (waiting(office), good.ended) == ([], False)


def test_where_nobody_answers_no_producer_is_made(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    before = waiting(office)
    ours = publishing(office, monkeypatch)
    monkeypatch.setattr(publisher, "is_reachable", lambda _: False)
    with pytest.raises(BrokerUnreachable, match="no Kafka answers"):
        ours.step()
    assert waiting(office) == before


def test_there_may_be_more_than_was_sent_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    before, good = waiting(office), Scripted()
    monkeypatch.setattr(publisher, "BATCH", len(before) - 1)
    ours = publishing(office, monkeypatch, good)
    assert (ours.step(), ours.step()) == (True, False)
    assert [value for _, value in good.got] == before


def test_it_ends_with_its_producer(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Scripted()
    ours = publishing(office, monkeypatch, good)
    ours.step()
    ours.close()
    ours.close()
    assert good.ended
