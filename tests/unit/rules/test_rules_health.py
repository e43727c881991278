"""When a worker is to be replaced, and what it says until it works."""

from __future__ import annotations

from itertools import islice

from services.rules.health import (
    SILENCE_PATIENCE_S,
    STALL_PATIENCE_S,
    TELL_EVERY_S,
    Health,
    Mark,
    Recovery,
    Silence,
    Stalls,
    partition_marks,
)
from services.rules.worker import backoff_s


def test_work_that_waits_and_does_not_move_is_a_stall_once_patience_is_over() -> None:
    stalls = Stalls()
    for now_s in (0.0, 30.0, STALL_PATIENCE_S):
        stalls.update({"partition 3": Mark(17, waiting=True)}, now_s)
        assert stalls.stalled(now_s) == {}
    assert stalls.stalled(STALL_PATIENCE_S + 1) == {"partition 3": "no progress for 61 s at 17"}


def test_whoever_moves_or_has_nothing_to_do_does_not_stall() -> None:
    stalls = Stalls()
    for now in range(0, 1000, 10):
        marks = {"moving": Mark(now, waiting=True), "idle": Mark(5, waiting=False)}
        stalls.update(marks, float(now))
        assert stalls.stalled(float(now)) == {}


def test_a_partition_that_went_away_does_not_stall() -> None:
    stalls = Stalls()
    stalls.update({"partition 3": Mark(17, waiting=True)}, 0)
    stalls.update({}, 1)
    assert stalls.stalled(1000) == {}


def test_not_ready_says_why() -> None:
    health = Health("waiting for Kafka at 127.0.0.1:9092")
    assert health.ready() == {"rules": "waiting for Kafka at 127.0.0.1:9092"}
    health.phase = None
    assert health.ready() == {}


def test_the_waits_for_kafka_grow_and_stay_bounded() -> None:
    assert list(islice(backoff_s(), 8)) == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_a_partition_that_waits_for_its_turn_does_not_stall_but_a_worker_that_does_nothing_does() -> None:
    stalls = Stalls()
    for now in range(200):
        stalls.update(partition_marks({1: (now, True), 2: (7, True)}), float(now))
        assert stalls.stalled(float(now)) == {}
    for now in range(200, 262):
        stalls.update(partition_marks({1: (199, True), 2: (7, True)}), float(now))
    assert set(stalls.stalled(261.0)) == {"events"}


def test_a_recovery_tells_now_and_then_how_far_it_has_come() -> None:
    recovery = Recovery()
    assert recovery.update(0, 0) is None
    assert recovery.update(2_000, 10) is None
    assert recovery.update(1_500, 10 + TELL_EVERY_S) == "read 500 of 2,000 changelog records (25%)"
    assert recovery.update(1_400, 11 + TELL_EVERY_S) is None
    # Another partition has come.
    assert recovery.update(2_400, 12 + TELL_EVERY_S) is None
    assert (recovery.total, recovery.left) == (3_000, 2_400)
    assert recovery.update(0, 100) is None
    assert recovery.update(10, 200) is None
    assert (recovery.total, recovery.left) == (10, 10)


def test_an_idle_worker_misses_a_kafka_that_tells_nothing() -> None:
    health = Health("starting")
    health.phase = None
    health.silence.update([100.0, 130.0], 100 + SILENCE_PATIENCE_S, busy=False)
    assert health.ready() == {}
    health.silence.update([100.0, 130.0], 132.0, busy=False)
    assert health.ready() == {"kafka": "has told nothing of some partition for 32 s"}
    health.silence.update([132.0, 131.5], 133.0, busy=False)
    assert health.ready() == {}


def test_who_has_fetched_enough_is_told_nothing_and_misses_nothing() -> None:
    silence = Silence()
    silence.update([100.0], 200.0, busy=True)
    silence.update([100.0], 201.0, busy=False)
    assert silence.lasts_s == 1.0
    silence.update([], 500.0, busy=False)
    assert silence.lasts_s == 0.0
