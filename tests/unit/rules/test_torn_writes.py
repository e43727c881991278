"""A crash between a customer's segments and its head: of episodes the segments tell only what was sent."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from services.rules.calendar import DAY, Calendar, micros
from services.rules.records import HEAD, Announced
from services.rules.state import CustomerState
from tests.support.records import START

CALENDAR = Calendar(ZoneInfo("Asia/Shanghai"))
BEGAN = micros(START)


def episode(revision: int, change: str = "raised", end: int | None = None, number: int = 1) -> Announced:
    """One of a customer's, as of a revision."""
    place = (BEGAN, end, 1, 0, 1, 0, BEGAN)
    return Announced("R1", "", f"W-{number}", revision, change, *place, historical=False, evidence=b"", number=number)


def customer() -> CustomerState:
    """One that is too large for its head to hold everything."""
    state = CustomerState.new("C-1", CALENDAR)
    state.segments.leave_head()
    return state


def write(state: CustomerState, records: dict[str, bytes], *, torn: bool = False) -> None:
    """Into the records; `torn`: without the head."""
    state.head.offset += 1
    for name, value in state.encode():
        if name == HEAD and torn:
            continue
        if value is None:
            records.pop(name, None)
        else:
            records[name] = value


def known(records: dict[str, bytes]) -> list[tuple[int, str]]:
    """What a worker that reads them takes for announced."""
    found = CustomerState.decode(records, CALENDAR).announced
    return [(one.revision, one.change) for one in sorted(found, key=lambda one: one.number)]


def test_an_end_that_only_a_lost_head_told_of_is_not_known() -> None:
    records: dict[str, bytes] = {}
    state, one = customer(), episode(1)
    state.announced.put(one)
    write(state, records)
    one.revision, one.change, one.end = 2, "ended", BEGAN + DAY
    state.announced.put(one)
    write(state, records, torn=True)
    assert known(records) == [(1, "raised")]


def test_what_a_lost_head_told_of_a_closed_episode_is_not_known_either() -> None:
    records: dict[str, bytes] = {}
    state, one = customer(), episode(1, "raised", BEGAN + DAY)
    state.announced.put(one)
    write(state, records)
    write(state, records)
    assert len(records) == 2, "it lies beside its month now"
    state.announced.put(episode(1, "raised", BEGAN + DAY, number=2))
    write(state, records)
    before = dict(records)
    one.revision, one.change = 2, "withdrawn"
    state.announced.put(one)
    write(state, records, torn=True)
    assert records != before, "the second goes beside its month, so the segment is written"
    assert known(records) == [(1, "raised"), (1, "raised")]
    write(state, records)
    assert known(records) == [(2, "withdrawn"), (1, "raised")]


def test_an_episode_that_holds_again_leaves_its_month_once_a_head_has_told_so() -> None:
    records: dict[str, bytes] = {}
    state, one = customer(), episode(1, "raised", BEGAN + DAY)
    state.announced.put(one)
    write(state, records)
    write(state, records)
    one.revision, one.end = 2, None
    state.announced.put(one)
    write(state, records)
    assert known(records) == [(2, "raised")]
    write(state, records, torn=True)
    assert known(records) == [(2, "raised")]
    write(state, records)
    assert set(records) == {HEAD}
    again = CustomerState.decode(records, CALENDAR)
    assert [one.revision for one in again.announced.open()] == [2]
