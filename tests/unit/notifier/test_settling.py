"""What was found late waits until things are calm; then people get one message about what is left of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import warnings as wire
from services.notifier.case import Case, Verdict
from services.notifier.clerk import Clerk
from services.notifier.policy import LATE_AFTER, as_seen, must_settle, on_warning, settled_since
from services.notifier.views import CaseFilter
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1
from tests.unit.notifier.office import Office

MINUTE = timedelta(minutes=1)


def late(id: str = "w1", revision: int = 1, change: str = "raised", **fields: object) -> wire.Warning:
    """A warning found a month after its start."""
    return make_warning(id, revision, change, **{"start": NOON - 30 * DAY, **fields})


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, settle=MINUTE)


def wait(office: Office, **span: float) -> int:
    """Time passes, and what has settled by then is decided: how many that were."""
    office.at += timedelta(**span)
    return sum(office.clerk.settle_down().values())


@pytest.mark.parametrize(
    ("warning", "now", "settles"),
    [
        (make_warning(start=NOON - LATE_AFTER), NOON, False),
        (make_warning(start=NOON - LATE_AFTER - timedelta(seconds=1)), NOON, True),
        (make_warning(), NOON + LATE_AFTER, False),
        (make_warning(), NOON + LATE_AFTER + timedelta(seconds=1), True),
        (late(output="task"), NOON, True),
        (late(output="suggestion"), NOON, False),
        (late(historical=True), NOON, False),
        (late(historical=True, output="task"), NOON, False),
        (late(revision=2, change="withdrawn"), NOON, False),
        (late(revision=2, change="ended", end=NOON), NOON, True),
    ],
)
def test_a_warning_settles_when_it_was_found_or_heard_of_more_than_a_day_late_and_calls_somebody(
    warning: wire.Warning, now: datetime, settles: bool
) -> None:
    assert must_settle(warning, None, now, task_is_open=False) is settles


def held(*warnings: wire.Warning) -> Case:
    case: Case | None = None
    for warning in warnings:
        case = on_warning(case, warning, NOON, DIRECTORY).case
    assert case is not None
    return case


def test_what_people_are_at_work_on_does_not_settle_again() -> None:
    worse = late(revision=2, change="amended", pages_again=True)
    assert not must_settle(worse, held(late()), NOON, task_is_open=False)
    assert not must_settle(late(output="task", revision=2, change="amended"), None, NOON, task_is_open=True)


def test_what_has_been_over_for_a_week_when_it_is_heard_of_is_the_past() -> None:
    ended = make_warning(end=NOON, change="ended", pages_again=True)
    assert not as_seen(ended, NOON + 7 * DAY).historical
    past = as_seen(ended, NOON + 7 * DAY + HOUR)
    assert (past.historical, past.pages_again) == (True, False)


@pytest.mark.parametrize(
    ("oldest_s", "newest_s", "until_s"),
    [(59, 59, None), (60, 60, 0), (899, 1, None), (900, 1, 60), (5000, 59.9, 60), (900, 60, 0)],
)
def test_a_round_begins_after_a_quiet_minute_or_leaves_the_newest_out_after_fifteen(
    oldest_s: float, newest_s: float, until_s: float | None
) -> None:
    oldest, newest = (NOON - timedelta(seconds=age) for age in (oldest_s, newest_s))
    expected = None if until_s is None else NOON - timedelta(seconds=until_s)
    assert settled_since(oldest, newest, NOON, MINUTE) == expected


def test_a_warning_found_late_pages_after_a_quiet_minute_and_not_before(office: Office) -> None:
    assert office.clerk.file([late()]) == {Verdict.SETTLING: 1}
    assert (office.desk.summary().settling, office.desk.summary().cases_open) == (1, 0)
    assert wait(office, seconds=59.9) == 0
    assert wait(office, seconds=0.1) == 1
    assert office.inbox.round() == 2
    assert (office.desk.summary().settling, office.desk.summary().cases_open) == (0, 1)


def test_what_is_withdrawn_while_it_settles_is_filed_and_nobody_ever_hears_of_it(office: Office) -> None:
    office.clerk.file([late(), late("w2", customer_id="C2")])
    revisions = [late(revision=2, change="withdrawn"), late("w2", 2, "ended", customer_id="C2", end=NOON)]
    assert office.clerk.file(revisions) == {Verdict.SETTLING: 2}
    office.at += MINUTE
    assert office.clerk.settle_down() == {Verdict.FILED_NEVER_PAGED: 1, Verdict.OPENED: 1}
    assert [line.customer_id for line in office.desk.list_cases(CaseFilter(status=None))] == ["C2"]
    assert office.desk.summary().warnings == 2


def test_a_revision_of_what_settles_starts_the_quiet_minute_again(office: Office) -> None:
    office.clerk.file([late()])
    office.at += 50 * timedelta(seconds=1)
    assert office.clerk.file([late(revision=2, change="amended")]) == {Verdict.SETTLING: 1}
    assert office.clerk.file([late(revision=2, change="amended")]) == {Verdict.REPEATED: 1}
    assert wait(office, seconds=59) == 0
    assert wait(office, seconds=1) == 1


def test_an_import_that_does_not_end_is_told_of_every_fifteen_minutes(office: Office) -> None:
    decided = []
    for number in range(31 * 60 // 30):
        office.clerk.file([late(f"w{number}", customer_id=f"N{number}")])
        decided.append(wait(office, seconds=30))
    assert [number for number in decided if number] == [29, 29]
    office.inbox.round()
    assert office.subjects("sun") == ["[Digest] 58 pages about 58 customers"]


def test_even_two_pages_of_a_round_are_one_message_for_each_person_and_channel(office: Office) -> None:
    office.clerk.file([late(), late("w2", customer_id="C2")])
    wait(office, minutes=1)
    office.inbox.round()
    office.dispatcher.round()
    assert office.subjects("wang") == ["【预警汇总】2 条通知，涉及 2 个客户"]
    assert [message.to.id for message in office.channel.sent] == ["wang", "li"]


def test_a_warning_found_in_time_pages_at_once_while_others_settle(office: Office) -> None:
    office.clerk.file([late(), make_warning("w2", customer_id="C2")])
    assert office.inbox.round() == 2
    assert office.subjects("wang")[0].startswith("【预警·中】Ångström")


def test_no_page_of_a_round_goes_out_before_all_of_it_is_decided(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.clerk.BATCH", 2)
    office.clerk.file([late(f"w{number}", customer_id=f"N{number}") for number in range(5)])
    sent: list[int] = []
    while wait(office, minutes=1):
        office.clerk.file([make_warning(f"in-time-{len(sent)}", customer_id="C1", detected_at=office.at)])
        sent.append(office.inbox.round())
    assert sent == [2, 2, 12]
    assert len(office.desk.inbox("sun")) == 1


def test_a_crash_in_the_middle_of_a_round_loses_and_repeats_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.clerk.BATCH", 2)
    office.clerk.file([late(f"w{number}", customer_id=f"N{number}") for number in range(3)])
    wait(office, minutes=1)
    after = Clerk(office.database, DIRECTORY, office.now, settle=MINUTE)
    assert office.inbox.round() == 0
    assert [sum(after.settle_down().values()) for _ in range(2)] == [1, 0]
    office.inbox.round()
    assert office.subjects("sun") == ["[Digest] 3 pages about 3 customers"]


def test_a_notifier_that_starts_with_settling_switched_off_decides_what_waits(office: Office) -> None:
    office.clerk.file([late()])
    after = Clerk(office.database, DIRECTORY, office.now)
    assert after.settle_down() == {Verdict.OPENED: 1}
    assert after.file([late("w2", customer_id="C2")]) == {Verdict.OPENED: 1}


def test_that_it_got_worse_while_it_settled_is_not_forgotten_by_a_later_revision(office: Office) -> None:
    office.clerk.file([make_warning()])
    (line,) = office.desk.list_cases(CaseFilter())
    office.desk.close(line.id, "li", "act", "visited")
    office.at = NOON + 3 * DAY
    worse = make_warning(revision=2, change="amended", severity="high", pages_again=True)
    office.clerk.file([worse, worse.model_copy(update={"revision": 3, "pages_again": False})])
    office.at += MINUTE
    assert office.clerk.settle_down() == {Verdict.REOPENED: 1}


def test_a_task_found_late_is_on_the_list_and_nudges_when_it_has_settled(office: Office) -> None:
    office.clerk.file([late(output="task"), late("gone", output="task"), late("gone", 2, "withdrawn", output="task")])
    assert office.desk.list_tasks() == []
    wait(office, minutes=1)
    assert [task.id for task in office.desk.list_tasks("wang")] == ["w1"]
    assert office.inbox.round() == 1


def test_a_finished_task_that_was_found_late_nudges_again_only_when_it_is_worse(office: Office) -> None:
    office.clerk.file([late(output="task")])
    wait(office, minutes=1)
    office.inbox.round()
    office.desk.finish_task("w1", "wang")
    office.clerk.file([late("w1", 2, "amended", output="task")])
    wait(office, minutes=1)
    assert (office.inbox.round(), office.desk.list_tasks("wang")) == (0, [])
    office.clerk.file([late("w1", 3, "amended", output="task", pages_again=True)])
    wait(office, minutes=1)
    assert (office.inbox.round(), len(office.desk.list_tasks("wang"))) == (1, 1)


def test_the_review_of_what_has_settled_is_due_by_when_it_was_found(office: Office) -> None:
    office.clerk.file([r1(start=NOON - 9 * DAY)])
    wait(office, minutes=1)
    assert office.desk.list_cases(CaseFilter())[0].due == NOON + DAY


def test_a_deadline_that_was_over_before_anybody_heard_of_it_counts_from_then_on(office: Office) -> None:
    office.at = NOON + 90 * DAY
    office.clerk.file([r1()])
    wait(office, minutes=1)
    (line,) = office.desk.list_cases(CaseFilter())
    assert (line.review, line.due) == ("waiting", office.at + DAY)
    assert office.clerk.tick() == 0


def test_two_years_told_in_a_minute_on_the_events_own_clock_page_only_what_still_stands(office: Office) -> None:
    office.at = NOON + 2 * 365 * DAY
    for number in range(50):
        found = NOON + number * 14 * DAY
        seen: dict[str, Any] = {
            "start": found - HOUR,
            "detected_at": found,
            "first_detected_at": found,
            "customer_id": f"N{number}",
        }
        office.clerk.file([make_warning(f"w{number}", **seen)])
        if number % 10:
            end = {"end": found + DAY, "detected_at": found + DAY}
            office.clerk.file([make_warning(f"w{number}", 2, "ended", **{**seen, **end})])
    office.at += MINUTE
    assert office.clerk.settle_down() == {Verdict.FILED_HISTORICAL: 45, Verdict.OPENED: 5}
    office.inbox.round()
    assert office.subjects("sun") == ["[Digest] 5 pages about 5 customers"]
