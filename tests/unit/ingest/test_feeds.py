"""When a feed is late."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest

from schemas.topics import Topics
from services.common.workdays import is_working_date
from services.ingest.feeds import Calendar, Expected, Feed, Heard, heard_in, late_by
from services.ingest.judge import Post, judge
from tests.unit.schemas.examples import example

SHANGHAI = Calendar(ZoneInfo("Asia/Shanghai"), is_working_date)
BERLIN = Calendar(ZoneInfo("Europe/Berlin"), lambda day: day.isoweekday() < 6)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TOPICS = Topics("t")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def feed(last: str | None, since: str = "2026-01-01 00:00", *, working_days: bool = False) -> Feed:
    heard = Heard(event_at=at(last)) if last else Heard()
    return Feed("erp", heard, Expected(DAY, at(since), working_days))


def test_a_feed_is_late_once_its_period_has_passed_and_not_a_moment_before() -> None:
    assert late_by(feed("2026-03-03 09:00"), at("2026-03-04 09:00"), SHANGHAI) is None
    assert late_by(feed("2026-03-03 09:00"), at("2026-03-04 09:01"), SHANGHAI) == timedelta(minutes=1)


def test_the_later_of_event_and_heartbeat_counts() -> None:
    heard = Heard(event_at=at("2026-03-01 09:00"), heartbeat_at=at("2026-03-03 09:00"))
    assert late_by(Feed("erp", heard, Expected(DAY, at("2026-01-01 00:00"))), at("2026-03-04 08:00"), SHANGHAI) is None


def test_one_that_was_never_heard_is_late_from_when_it_was_expected() -> None:
    never = feed(None, "2026-03-03 09:00")
    assert late_by(never, at("2026-03-04 08:59"), SHANGHAI) is None
    assert late_by(never, at("2026-03-04 10:00"), SHANGHAI) == HOUR


def test_nothing_is_late_of_which_nothing_is_expected() -> None:
    assert late_by(Feed("erp", Heard(event_at=at("2020-01-01 00:00"))), NOW, SHANGHAI) is None


@pytest.mark.parametrize(
    ("last", "now", "late"),
    [
        # Friday evening to Monday: six hours of Friday and eighteen of Monday.
        ("2026-03-06 18:00", "2026-03-09 18:00", None),
        ("2026-03-06 18:00", "2026-03-09 19:00", HOUR),
        # Heard on a Saturday: only Monday counts.
        ("2026-03-07 12:00", "2026-03-09 23:59", None),
        ("2026-03-07 12:00", "2026-03-10 00:30", HOUR / 2),
        # The National Day holidays of 2026, 1 to 7 October; Saturday the 10th is worked.
        ("2026-09-30 12:00", "2026-10-08 11:00", None),
        ("2026-09-30 12:00", "2026-10-08 13:00", HOUR),
        ("2026-10-09 20:00", "2026-10-10 21:00", HOUR),
    ],
)
def test_only_the_time_of_the_companys_working_days_counts_where_that_is_wanted(
    last: str, now: str, late: timedelta | None
) -> None:
    assert late_by(feed(last, working_days=True), at(now), SHANGHAI) == late


def test_a_day_on_which_the_clock_is_moved_has_its_own_length() -> None:
    # All days count here, and on 29 March 2026 the clocks of Berlin go forward.
    every = Calendar(ZoneInfo("Europe/Berlin"), lambda _day: True)
    start, end = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)
    assert every.working_time(start, end) == 2 * DAY
    assert BERLIN.working_time(start, end) == 14 * HOUR, "Monday from midnight, which is 22 o'clock in UTC"


def test_years_of_silence_are_not_counted_day_by_day() -> None:
    asked: list[date] = []

    def works(day: date) -> bool:
        asked.append(day)
        return True

    calendar = Calendar(ZoneInfo("UTC"), works)
    assert calendar.working_time(datetime(1970, 1, 1, tzinfo=UTC), NOW) > 300 * DAY
    assert len(asked) <= 401


def heard(*events: object) -> dict[str, Heard]:
    post = Post(orjson.dumps(events), {"content-type": "application/json"}, NOW)
    return heard_in(judge(post, TOPICS), TOPICS.reference, NOW)


def test_events_are_heard_by_their_source_and_refused_ones_not_at_all() -> None:
    assert heard(
        example("promise.met", source="crm"),
        example("promise.met", source="crm", id="2"),
        example("promise.met", source="erp", data={}),
    ) == {"crm": Heard(event_at=NOW)}


def test_a_heartbeat_is_heard_by_the_feed_that_it_names() -> None:
    until = "2026-03-01T08:00:00+08:00"
    beat = example("feed.heartbeat", source="bridge", data={"feed": "erp", "complete_until": until})
    rate = example("rate.published", source="a/feed.heartbeat/b")
    assert heard(beat, rate) == {
        "bridge": Heard(event_at=NOW),
        "a/feed.heartbeat/b": Heard(event_at=NOW),
        "erp": Heard(heartbeat_at=NOW, complete_until=datetime.fromisoformat(until)),
    }
