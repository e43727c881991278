"""Whoever has waited longest for a turn gets it next, also before whoever had the last one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from services.common.turns import Turns

DEADLINE_S = 20.0


def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


def test_turns_come_in_the_order_in_which_they_were_asked_for_and_the_last_holder_waits_like_all() -> None:
    turns, order = Turns(), list[str]()
    threads = []

    def take(name: str) -> None:
        with turns.turn(DEADLINE_S):
            order.append(name)

    with turns.turn(DEADLINE_S):
        for place, name in enumerate("abcde"):
            threads.append(threading.Thread(target=take, args=(name,)))
            threads[-1].start()
            until(lambda place=place: turns.waiting == place + 1)  # type: ignore[misc]
    take("again")
    for thread in threads:
        thread.join(DEADLINE_S)
    assert order == [*"abcde", "again"]


def test_one_at_a_time_however_many_ask_at_once() -> None:
    turns, inside, most = Turns(), list[int](), list[int]()

    def work() -> None:
        for _ in range(200):
            with turns.turn(DEADLINE_S) as ours:
                assert ours
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert (len(most), max(most), turns.waiting) == (1200, 1, 0)


def test_a_turn_that_does_not_come_in_time_is_not_ours_and_is_in_nobodys_way() -> None:
    turns = Turns()
    with turns.turn(DEADLINE_S) as ours, turns.turn(0.001) as late:
        assert (ours, late, turns.waiting) == (True, False, 0)
    with turns.turn(0.0) as free:
        assert free


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn(DEADLINE_S):
        1 / 0  # noqa: B018
    with turns.turn(0.0) as free:
        assert free
