"""How long a connection may wait, and who goes when there is no room."""

from __future__ import annotations

import pytest

from services.ingest.serving_bounds import Bounds, Ending, GuestList, Phase, Standing, overdue

BOUNDS = Bounds(connections=4, by_address=3, header_s=10, idle_s=60, silent_s=20, unread_s=30)


@pytest.mark.parametrize(
    ("standing", "ends_after_s", "why"),
    [
        (Standing(Phase.STRANGER, 0, 0), 10, Ending.SLOW_HEADER),
        # Bytes do not help: a header that drips is as slow as one that does not come.
        (Standing(Phase.HEADER, 0, 9), 10, Ending.SLOW_HEADER),
        (Standing(Phase.IDLE, 0, 0), 60, Ending.IDLE),
        (Standing(Phase.BUSY, 0, 5, awaited=True), 25, Ending.SILENT),
        (Standing(Phase.BUSY, 0, 0, unread_since=4), 34, Ending.UNREAD),
        (Standing(Phase.IDLE, 0, 0, unread_since=4), 34, Ending.UNREAD),
        (Standing(Phase.DISCARDING, 0, 19), 20, Ending.ENDLESS),
    ],
)
def test_each_wait_has_its_end(standing: Standing, ends_after_s: float, why: Ending) -> None:
    assert overdue(standing, BOUNDS, ends_after_s) is None
    assert overdue(standing, BOUNDS, ends_after_s + 0.1) is why


def test_a_request_at_work_is_not_ended_however_long_it_takes() -> None:
    assert overdue(Standing(Phase.BUSY, 0, 0), BOUNDS, 10_000) is None


def test_what_is_thrown_away_is_bounded_in_bytes_too() -> None:
    assert overdue(Standing(Phase.DISCARDING, 0, 0, discarded=BOUNDS.discarded_bytes), BOUNDS, 1) is None
    assert overdue(Standing(Phase.DISCARDING, 0, 0, discarded=BOUNDS.discarded_bytes + 1), BOUNDS, 1) is Ending.ENDLESS


class Guest:
    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    def __repr__(self) -> str:
        return self.name


def guests(*names: str, address: str = "here") -> list[Guest]:
    return [Guest(name, address) for name in names]


def test_who_says_nothing_for_longest_makes_room() -> None:
    a, b, c, d = guests("a", "b", "c", "d")
    listed = GuestList[Guest](BOUNDS)
    assert [listed.come(guest) for guest in (a, b, c)] == [None, None, None]
    assert listed.come(d) is a
    assert len(listed) == 3


def test_strangers_go_before_those_who_have_sent_something() -> None:
    a, b, c, d, e = guests("a", "b", "c", "d", "e")
    listed = GuestList[Guest](BOUNDS)
    for guest in (a, b, c):
        listed.come(guest)
    for guest in (a, b):
        listed.work(guest)
        listed.rest(guest)
    assert listed.come(d) is c
    listed.work(d)
    assert listed.come(e) is a


def test_who_is_at_work_stays_and_the_newcomer_goes() -> None:
    a, b, c, d = guests("a", "b", "c", "d")
    listed = GuestList[Guest](BOUNDS)
    for guest in (a, b, c):
        listed.come(guest)
        listed.work(guest)
    assert listed.come(d) is d
    assert len(listed) == 3


def test_one_address_takes_only_its_own_room() -> None:
    bad = guests("a", "b", "c", "d", address="bad")
    listed = GuestList[Guest](BOUNDS)
    assert [listed.come(guest) for guest in bad] == [None, None, None, bad[0]]
    (good,) = guests("good", address="good")
    assert listed.come(good) is None
    (other,) = guests("other", address="other")
    assert listed.come(other) is bad[1]
    assert len(listed) == 4


def test_who_left_is_forgotten() -> None:
    a, b = guests("a", "b")
    listed = GuestList[Guest](BOUNDS)
    for _ in range(3):
        for guest in (a, b):
            listed.come(guest)
        listed.work(a)
        listed.rest(a)
        for guest in (a, b, a):
            listed.leave(guest)
    listed.work(a)
    listed.rest(a)
    assert len(listed) == 0
    assert listed._homes == {}
    assert not listed._all.strangers
    assert not listed._all.idle
