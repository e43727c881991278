"""Working time and quiet hours, against a count of every minute and against days that are known."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.common.workdays import OwnDays
from services.notifier.people import Quiet
from services.notifier.worktime import Hours, WorkCalendar, quiet_until

SHANGHAI, BERLIN, NEW_YORK = (ZoneInfo(name) for name in ("Asia/Shanghai", "Europe/Berlin", "America/New_York"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_a_deadline_before_spring_festival_falls_after_it() -> None:
    calendar = WorkCalendar(SHANGHAI, OwnDays())
    # Saturday 14 February is worked in the place of a day of the festival, which ends on Monday 23 February.
    assert calendar.add(china("2026-02-13T17:00"), 10 * HOUR) == china("2026-02-24T10:00")
    assert calendar.between(china("2026-02-15T00:00"), china("2026-02-24T00:00")) == timedelta()
    assert calendar.add_days(china("2026-02-14T15:00"), 1) == china("2026-02-24T15:00")


def test_own_days_go_before_the_announced_ones() -> None:
    calendar = WorkCalendar(SHANGHAI, OwnDays(frozenset({date(2026, 3, 16)}), frozenset({date(2026, 2, 18)})))
    assert calendar.add_days(china("2026-02-14T15:00"), 1) == china("2026-02-18T15:00")
    assert calendar.add_days(china("2026-03-13T15:00"), 1) == china("2026-03-17T15:00")


def test_what_comes_on_a_day_off_has_as_long_as_what_is_there_when_work_begins() -> None:
    calendar = WorkCalendar(SHANGHAI)
    assert calendar.add_days(china("2026-03-07T22:00"), 1) == china("2026-03-10T09:00")
    assert calendar.morning(china("2026-03-07T22:00")) == china("2026-03-09T09:00")
    assert calendar.morning(china("2026-03-09T09:00")) == china("2026-03-09T09:00")
    assert calendar.morning(china("2026-03-09T09:01")) == china("2026-03-10T09:00")


@pytest.mark.parametrize("zone", [SHANGHAI, BERLIN, NEW_YORK], ids=str)
def test_working_time_is_what_a_count_of_minutes_says(zone: ZoneInfo) -> None:
    """Also over the nights in which clocks are changed, with shifts that lie in them."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for start in (
        datetime(2026, 3, 6, tzinfo=UTC),
        datetime(2026, 3, 27, tzinfo=UTC),
        datetime(2026, 10, 23, tzinfo=UTC),
    ):
        shifts = dice.choice(
            [(Hours(time(9), time(17)),), (Hours(time(0, 30), time(4)), Hours(time(20), time(23, 30)))]
        )
        days_off = {start.date() + DAY * dice.randrange(8) for _ in range(2)}
        calendar = WorkCalendar(zone, lambda day, off=days_off: day not in off, shifts)  # type: ignore[misc]
        minutes = [start + MINUTE * n for n in range(6 * 1440)]
        worked = [any(s.start <= at.astimezone(zone).time() < s.end for s in shifts)
                  and at.astimezone(zone).date() not in days_off for at in minutes]  # fmt: skip
        first, last = sorted(dice.sample(range(len(minutes)), 2))
        counted = sum(worked[first:last])
        assert calendar.between(minutes[first], minutes[last]) == MINUTE * counted, (start, shifts, days_off)
        if counted:
            reached = calendar.add(minutes[first], MINUTE * counted)
            assert calendar.between(minutes[first], reached) == MINUTE * counted
            assert reached <= minutes[last]


def test_a_calendar_in_which_nobody_ever_works_is_not_searched_for_ever() -> None:
    calendar = WorkCalendar(SHANGHAI, lambda _: False)
    at = china("2026-03-02T12:00")
    assert calendar.add(at, HOUR) == at + HOUR
    assert calendar.add_days(at, 1) > at


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-02T21:59", None),
        ("2026-03-02T22:00", "2026-03-03T07:00"),
        ("2026-03-03T03:00", "2026-03-03T07:00"),
        ("2026-03-03T07:00", None),
    ],
)
def test_quiet_hours_go_over_midnight(at: str, until: str | None) -> None:
    expected = china(until) if until else None
    assert quiet_until(Quiet(time(22), time(7)), SHANGHAI, china(at)) == expected


def test_quiet_hours_are_those_of_the_day_also_when_it_has_23_hours() -> None:
    night = datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN)
    end = quiet_until(Quiet(time(22), time(7)), BERLIN, night)
    assert end == datetime(2026, 3, 29, 7, 0, tzinfo=BERLIN)
    assert end is not None
    assert end - night.astimezone(UTC) == timedelta(hours=5, minutes=30)


def test_quiet_hours_that_begin_when_they_end_are_none() -> None:
    assert quiet_until(Quiet(time(7), time(7)), SHANGHAI, china("2026-03-03T07:00")) is None
    assert quiet_until(None, SHANGHAI, china("2026-03-03T07:00")) is None
