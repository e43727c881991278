"""What comes on the topic and cannot be kept is rejected in plain sight, and the rest is filed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from kafka.errors import KafkaTimeoutError
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import DataError, OperationalError

from schemas import warnings as wire
from schemas.topics import Topics
from services.notifier import group_reader, store
from services.notifier.bounds import MAX_DEPTH, MAX_NUMBER, MAX_REVIEW_HOURS
from services.notifier.intake import Intake, read_batch
from services.notifier.metrics import IntakeMetrics
from services.notifier.views import CaseFilter, CaseLine
from tests.unit.notifier.making import make_warning, r1
from tests.unit.notifier.office import Office

HUGE = 10**30


@dataclass(frozen=True)
class Record:
    value: bytes | None
    offset: int
    key: bytes | None = b"C1"
    topic: str = "t.warnings"
    partition: int = 0


def records(*values: bytes) -> list[Record]:
    return [Record(value, offset) for offset, value in enumerate(values)]


def said(warning: wire.Warning, change: Callable[[dict[str, Any]], None] = lambda _: None) -> bytes:
    """The warning's JSON, changed into something that no encoder of ours would write."""
    document = json.loads(wire.encode_warning(warning))
    change(document)
    return json.dumps(document).encode()


def nested(depth: int) -> dict[str, Any]:
    branch: dict[str, Any] = {"mode": "leaf", "leaf": 0}
    for _ in range(depth - 1):
        branch = {"mode": "all", "of": [branch]}
    return branch


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda one: one.update(revision=HUGE), "revision"),
        (lambda one: one.update(revision=MAX_NUMBER + 1), "revision"),
        (lambda one: one.update(run=-HUGE), "run"),
        (lambda one: one["evidence"].update(events_total=HUGE), "events_total"),
        (lambda one: one["evidence"]["compared"][0].update(events_total=HUGE), "compared"),
        (lambda one: one["evidence"].update(tree={"mode": "leaf", "leaf": HUGE}), "tree.leaf"),
        (lambda one: one["evidence"].update(tree=nested(MAX_DEPTH + 1)), "deeper"),
        (lambda one: one["review"].update(within_hours=MAX_REVIEW_HOURS + 1), "within_hours"),
        (lambda one: one["review"].update(quorum=HUGE), "quorum"),
        (lambda one: one.update(department="tech\x00nical"), "NUL"),
        (lambda one: one["name"].update(zh="\x00"), "NUL"),
    ],
)
def test_what_no_database_can_keep_is_rejected_with_its_reason(
    change: Callable[[dict[str, Any]], None], named: str
) -> None:
    batch = read_batch(records(said(r1(), change), said(make_warning())))
    assert [warning.id for warning in batch.warnings] == ["w1"]
    ((record, reason),) = batch.poison
    assert (record.offset, named in reason) == (0, True)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(revision=MAX_NUMBER),
        lambda one: one["review"].update(within_hours=MAX_REVIEW_HOURS),
        lambda one: one["evidence"].update(tree=nested(MAX_DEPTH)),
        lambda one: one["name"].update(zh="\\u0000 in a text about texts"),
        lambda one: one["evidence"].update(tree={"mode": "leaf", "leaf": -1}),
    ],
)
def test_what_is_only_odd_is_filed(change: Callable[[dict[str, Any]], None]) -> None:
    assert len(read_batch(records(said(r1(), change))).warnings) == 1


@dataclass
class Counter:
    """An intake without Kafka, in an office."""

    office: Office
    registry: CollectorRegistry

    def take(self, *values: bytes) -> None:
        metrics = IntakeMetrics(self.registry)
        Intake("", Topics("t"), self.office.clerk, metrics).keep(read_batch(records(*values)))

    def rejected(self) -> list[tuple[int, str]]:
        return [(one.position, one.error) for one in self.office.desk.list_rejected()]


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(Office(tmp_path), CollectorRegistry())


def test_the_rejected_are_listed_and_counted_and_do_not_hold_up_the_others(counter: Counter) -> None:
    counter.take(said(r1(), lambda one: one.update(revision=HUGE)), b"{", said(make_warning("w2")))
    assert counter.office.desk.summary().warnings == 1
    assert [position for position, _ in counter.rejected()] == [1, 0]
    assert counter.office.desk.summary().rejected == 2
    assert b"bellwether_notifier_poison_total 2.0" in generate_latest(counter.registry)
    shown = counter.office.desk.list_rejected()[1]
    assert (shown.key, shown.topic, "Collections late" in shown.beginning) == ("C1", "t.warnings", True)


def test_a_reason_with_a_nul_in_it_can_be_kept_on_every_database(counter: Counter) -> None:
    counter.take(said(make_warning(), lambda one: one.update(start="2026-03-01\x00Z")))
    ((_, reason),) = counter.rejected()
    assert reason.startswith("start: ")
    assert reason.isprintable()


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The database takes everything but w1."""
    warning_row = store.warning_row

    def fail(warning: wire.Warning, *rest: Any) -> dict[str, Any]:
        if warning.id == "w1":
            raise error
        return warning_row(warning, *rest)

    monkeypatch.setattr(store, "warning_row", fail)


@pytest.mark.parametrize("error", [OverflowError("too large"), DataError("INSERT", None, Exception("too large"))])
def test_a_warning_that_the_database_refuses_is_rejected_alone(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing(monkeypatch, error)
    counter.take(said(make_warning()), said(make_warning("w2", customer_id="C2")))
    assert counter.rejected() == [(0, f"cannot be stored: {type(error).__name__}")]
    assert [line.customer_id for line in _open(counter)] == ["C2"]


@pytest.mark.parametrize("error", [OperationalError("INSERT", None, Exception("gone")), LookupError("a bug")])
def test_a_database_that_is_away_or_a_bug_rejects_nothing(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing(monkeypatch, error)
    with pytest.raises(type(error)):
        counter.take(said(make_warning("w2")), said(make_warning()))
    assert (counter.rejected(), _open(counter)) == ([], [])


def _open(counter: Counter) -> Sequence[CaseLine]:
    return counter.office.desk.list_cases(CaseFilter())


def test_a_consumer_that_never_gets_partitions_is_given_up_for_a_new_one(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Mock] = []

    def consumer(*_: object, **__: object) -> Mock:
        made.append(Mock(**{"poll.return_value": {}, "assignment.return_value": set()}))
        return made[-1]

    monkeypatch.setattr(group_reader, "KafkaConsumer", consumer)
    now_s = iter([0.0, 19.0, 21.0, 22.0, 23.0])
    one = Intake("", Topics("t"), counter.office.clerk, IntakeMetrics(CollectorRegistry()), lambda: next(now_s))
    assert not one.step()
    with pytest.raises(KafkaTimeoutError, match=r"no partition of t\.warnings"):
        one.step()
    made[0].close.assert_called_once()
    assert not one.step(), "the next step begins with another"
    assert (len(made), one.assigned) == (2, False)
