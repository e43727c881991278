"""Whoever owns a customer by its events does so in whatever order they came, and however often."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn
from unittest.mock import Mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.errors import TopicAuthorizationFailedError

from schemas.topics import Topics
from services.notifier import group_reader
from services.notifier.owners import OwnerEvent, owner_by_events
from services.notifier.owners_follower import DENIED_S, OwnersFollower, owner_events_in
from services.notifier.tables import open_database
from tests.unit.notifier.making import DAY, NOON
from tests.unit.notifier.test_intake import Record


def told(id: str, owner: str | None, days: int, supersedes: str | None = None) -> OwnerEvent:
    at = NOON + days * DAY
    return OwnerEvent("crm", id, "C1", at, at, owner, supersedes)


LATE = NOON + 100 * DAY


def owner(*events: OwnerEvent) -> str | None:
    """The owner, and that no order of the events gives another."""
    found = {
        None if (chosen := owner_by_events(order, LATE)) is None else chosen.owner
        for order in itertools.permutations(events)
    }
    assert len(found) == 1
    return found.pop()


def test_the_newest_by_its_own_time_wins() -> None:
    assert owner(told("1", "wang", 1), told("2", "li", 3), told("3", "chen", 2)) == "li"


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    assert owner(told("1", "wang", 1), told("2", "li", 3), told("3", "chen", 2, supersedes="2")) == "chen"


def test_of_two_corrections_the_later_counts_and_the_other_is_no_event_of_its_own() -> None:
    first, second = told("2", "li", 9, supersedes="1"), told("3", "chen", 2, supersedes="1")
    assert owner(told("1", "wang", 1), first, second) == "li"
    assert owner(told("1", "wang", 1), replace(first, time=NOON), second) == "chen"


def test_what_is_taken_back_never_was() -> None:
    assert owner(told("1", "wang", 1), told("2", "li", 3), told("3", None, 4, supersedes="2")) == "wang"
    assert owner(told("1", "wang", 1), told("3", None, 4, supersedes="1")) is None


def test_events_that_correct_each_other_say_nothing() -> None:
    assert owner(told("1", "wang", 1, supersedes="2"), told("2", "li", 3, supersedes="1")) is None


def test_what_is_announced_is_not_true_yet() -> None:
    events = [told("1", "wang", 1), told("2", "li", 30)]
    before, after = (owner_by_events(events, NOON + days * DAY) for days in (29, 30))
    assert (before and before.owner, after and after.owner) == ("wang", "li")


@settings(max_examples=200, deadline=None, print_blob=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("1234"),
            st.sampled_from(["wang", "li", None]),
            st.integers(1, 4),
            st.sampled_from([None, *"1234"]),
        ),
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_make_no_difference(
    rows: list[tuple[str, str | None, int, str | None]], random: object
) -> None:
    events = [told(*row) for row in rows if row[0] != row[3]]
    shuffled = [*events, *events[:2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert owner_by_events(shuffled, LATE) == owner_by_events(events, LATE)


def event(id: str = "e1", **changes: object) -> bytes:
    document = {
        "specversion": "1.0",
        "id": id,
        "source": "crm",
        "type": "bellwether.customer.owner_changed",
        "time": "2026-03-01T09:00:00+08:00",
        "subject": "C1",
        "data": {"new": "li", "old": "wang"},
    }
    return orjson.dumps({**document, **changes})


class Sent(Record):
    headers: tuple[tuple[str, bytes], ...] = ()


def read(*values: bytes) -> list[OwnerEvent]:
    return list(owner_events_in(Sent(value, offset) for offset, value in enumerate(values)))


def test_only_events_of_owners_are_taken_from_the_topic() -> None:
    other = event(type="bellwether.activity.logged", data={"kind": "call", "note": "owner_changed"})
    (found,) = read(b"not json: owner_changed", other, event(), b"{}")
    assert (found.source, found.id, found.customer_id, found.owner) == ("crm", "e1", "C1", "li")


def test_an_owner_from_another_time_on_is_one_from_then_on() -> None:
    (found,) = read(event(data={"new": "li", "at": "2026-03-05T00:00:00+08:00"}))
    assert found.at - found.time == timedelta(days=3, hours=15)


def test_a_retraction_names_what_it_takes_back() -> None:
    (found,) = read(event("e2", supersedes="e1", retracted=True, data=None))
    assert (found.owner, found.supersedes) == (None, "e1")


def test_an_event_in_binary_mode_is_read_by_its_headers() -> None:
    document = orjson.loads(event())
    data = orjson.dumps(document.pop("data"))
    headers = tuple((f"ce_{name}", str(value).encode()) for name, value in document.items())
    record = Sent(data, 0)
    object.__setattr__(record, "headers", (*headers, ("content-type", b"application/json")))
    (found,) = owner_events_in([record])
    assert found.owner == "li"


def test_where_the_topic_may_not_be_read_the_notifier_goes_on_and_tries_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    asked: list[float] = []

    def denied(*_: object, **__: object) -> NoReturn:
        asked.append(now_s[0])
        raise TopicAuthorizationFailedError("t.events")

    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    follower = OwnersFollower("127.0.0.1:1", Topics("t"), database, lambda: NOON, lambda: now_s[0])
    monkeypatch.setattr(group_reader, "KafkaConsumer", lambda *_, **__: Mock(**{"poll.side_effect": denied}))
    for second in (0.0, 1.0, DENIED_S):
        now_s[0] = 1000.0 + second
        assert follower.step() is False
    assert asked == [1000.0, 1000.0 + DENIED_S]
