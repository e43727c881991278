"""The oracle's calendar, held to packages that it does not use and to days that anybody can look up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.oracle.days import LUNAR_YEARS, anniversaries_reached, counts, has_working_day, in_year, lunar_day

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize("year", LUNAR_YEARS)
def test_the_table_of_chinese_years_is_what_lunar_python_says(year: int) -> None:
    lunar: Any = import_module("lunar_python")
    start, _, lengths = LUNAR_YEARS[year]

    for month in range(1, 13):
        solar = lunar.Lunar.fromYmd(year, month, 1).getSolar()
        assert lunar_day(year, month, 1) == date(solar.getYear(), solar.getMonth(), solar.getDay())
    if year + 1 in LUNAR_YEARS:
        assert start + timedelta(days=sum(29 + int(long) for long in lengths)) == LUNAR_YEARS[year + 1][0]


def test_the_thirtieth_of_a_short_month_is_its_last_day() -> None:
    assert lunar_day(2025, 12, 30) == date(2026, 2, 16) == lunar_day(2026, 1, 1) - timedelta(days=1)
    assert lunar_day(2024, 12, 30) == date(2025, 1, 28) == lunar_day(2024, 12, 29)


def test_golden_weeks_have_no_working_day_unless_it_is_made_up() -> None:
    assert not has_working_day(date(2018, 10, 1), date(2018, 10, 8))
    assert not has_working_day(date(2026, 2, 16), date(2026, 2, 23))
    assert has_working_day(date(2024, 2, 12), date(2024, 2, 19))  # Sunday the 18th is worked
    assert has_working_day(date(2040, 10, 1), date(2040, 10, 8))  # not decreed yet: Monday to Friday


def test_29_february_is_kept_on_the_28th() -> None:
    assert in_year(date(2024, 2, 29), 2025) == date(2025, 2, 28)
    assert in_year(date(2024, 2, 29), 2028) == date(2028, 2, 29)
    assert anniversaries_reached(at("2024-02-29T12:00"), at("2025-02-28T00:00"), SHANGHAI) == 1
    assert anniversaries_reached(at("2024-02-29T12:00"), at("2025-02-27T23:59"), SHANGHAI) == 0


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("24h", "2024-01-31T12:00", "2024-02-01T12:00"),
        ({"months": 1}, "2024-01-31T12:00", "2024-03-01T00:00"),
        ({"months": 12}, "2024-01-31T12:00", "2025-01-31T00:00"),
        ({"calendar": "week"}, "2024-01-31T12:00", "2024-02-05T00:00"),
        ({"calendar": "quarter"}, "2024-01-31T12:00", "2024-04-01T00:00"),
        ({"calendar": "month", "full": 2}, "2024-02-01T00:00", "2024-04-01T00:00"),
        ({"calendar": "year", "full": 1}, "2025-01-01T00:00", "2026-01-01T00:00"),
        (None, "2024-01-31T12:00", None),
    ],
)
def test_windows_on_the_last_day_of_january(window: Any, start: str, end: str | None) -> None:
    assert counts(window, at("2024-01-31T12:00"), SHANGHAI) == (at(start), at(end) if end else None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)
