"""The times by which people act, and what happens by itself when they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import warnings as wire
from schemas.warnings import Review
from services.notifier.actions import Acknowledge, Comment, DecideReview, OpenReview, on_action
from services.notifier.case import Case, Outcome, Page, Verdict
from services.notifier.clocks import Clocks, held_back
from services.notifier.handing import Delegate
from services.notifier.house import House
from services.notifier.people import Absence, Directory, Person, Quiet
from services.notifier.policy import on_tick, on_warning
from services.notifier.worktime import WorkCalendar
from services.notifier.worktime_file import WorktimeInvalid, load_clocks
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1, review

SHANGHAI = ZoneInfo("Asia/Shanghai")


def opened(*warnings: wire.Warning, directory: Directory = DIRECTORY) -> Case:
    case: Case | None = None
    for warning in warnings:
        case = on_warning(case, warning, NOON, directory).case
    assert case is not None
    return case


def tick(case: Case, now: datetime, directory: Directory = DIRECTORY) -> Outcome:
    return on_tick(case, now, directory)


def told(outcome: Outcome) -> list[tuple[str, str, str]]:
    """But for the departments: test_team.py."""
    return [(page.kind, page.person, page.role) for page in outcome.pages if page.kind != "join_due"]


def after(outcome: Outcome) -> Case:
    assert outcome.case is not None, outcome.refusals
    return outcome.case


def test_who_is_asked_is_reminded_at_half_of_the_time_and_an_hour_before_its_end() -> None:
    case = opened(r1())
    assert tick(case, NOON + 12 * HOUR - timedelta(seconds=1)).verdict is Verdict.NOT_DUE
    half = tick(case, NOON + 12 * HOUR)
    assert told(half) == [("due_soon", "li", "superior")]
    assert half.pages[0].due == NOON + DAY
    assert tick(after(half), NOON + 13 * HOUR).verdict is Verdict.NOT_DUE
    last = tick(after(half), NOON + 23 * HOUR)
    assert told(last) == [("due_soon", "li", "superior")]
    assert last.pages[0].step != half.pages[0].step


def test_nudges_that_were_slept_through_are_one_and_none_once_the_deadline_has_passed() -> None:
    assert told(tick(opened(r1()), NOON + 23.5 * HOUR)) == [("due_soon", "li", "superior")]
    assert told(tick(opened(r1()), NOON + DAY)) == [("breached", "chen", "escalation")]


def test_a_review_that_was_opened_reminds_nobody() -> None:
    case = after(on_action(opened(r1()), OpenReview("li"), NOON, DIRECTORY))
    assert told(tick(case, NOON + 23 * HOUR)) == []


def test_working_hours_are_counted_by_the_rule_that_says_so() -> None:
    demand = Review(within_hours=8, due=NOON + 8 * HOUR, departments=["sales"], quorum=1, hours="working")
    case = opened(r1(review=demand))
    # Monday 12:00: five hours until 18:00, and three on Tuesday from 9:00.
    assert case.wake_at == NOON + DAY
    assert told(tick(case, NOON + 5 * HOUR)) == [("due_soon", "li", "superior")]
    assert tick(case, NOON + 5 * HOUR - timedelta(minutes=1)).verdict is Verdict.NOT_DUE


AWAY = Absence("li", NOON - DAY, NOON + 10 * DAY)


def away(*absences: Absence) -> Directory:
    return replace(DIRECTORY, absences=absences)


def test_a_superior_who_is_away_is_not_asked_but_the_next_one_up_or_a_delegate() -> None:
    assert told(on_warning(None, r1(), NOON, away(AWAY)))[1] == ("raised", "chen", "stand_in")
    deputy = away(replace(AWAY, delegate="sun"))
    case = opened(r1(), directory=deputy)
    assert [clock.holder for clock in case.clocks] == ["sun"]
    assert on_action(case, OpenReview("sun"), NOON, deputy).verdict is Verdict.DONE


def test_a_review_is_handed_over_when_its_holder_goes_away_and_its_deadline_stays() -> None:
    outcome = tick(opened(r1()), NOON + HOUR, away(Absence("li", NOON + HOUR, NOON + DAY)))
    assert told(outcome) == [("due_soon", "chen", "escalation")]
    assert [entry.type for entry in outcome.events] == ["review.handed_over"]
    assert after(outcome).wake_at == NOON + DAY


def test_a_superior_who_comes_to_own_the_customer_hands_the_review_to_the_next_one_up() -> None:
    moved = replace(DIRECTORY, customers={"C1": replace(DIRECTORY.customers["C1"], owner="li")})
    outcome = tick(opened(r1()), NOON + HOUR, moved)
    assert told(outcome) == [("due_soon", "chen", "escalation")]
    refusals = on_action(after(outcome), OpenReview("li"), NOON + HOUR, moved).refusals
    assert [refusal.code for refusal in refusals] == ["not_a_reviewer"]


def test_who_left_the_company_is_replaced() -> None:
    people = {name: person for name, person in DIRECTORY.people.items() if name != "li"}
    people["wang"] = replace(people["wang"], reports_to="chen")
    outcome = tick(opened(r1()), NOON + HOUR, replace(DIRECTORY, people=people))
    assert told(outcome) == [("due_soon", "chen", "escalation")]


def test_what_was_delegated_comes_back_when_its_time_is_over() -> None:
    case = after(on_action(opened(r1()), Delegate("li", "sun", NOON + 2 * HOUR), NOON, DIRECTORY))
    assert [clock.holder for clock in case.clocks] == ["sun"]
    assert tick(case, NOON + 2 * HOUR - timedelta(seconds=1)).verdict is Verdict.NOT_DUE
    assert min(deadline.next_at for deadline in case.deadlines) == NOON + 2 * HOUR
    back = after(tick(case, NOON + 2 * HOUR))
    # The fallback is on the ladder by right, so it keeps what it was asked for.
    assert (back.delegations, back.clocks[0].holder) == ((), "sun")


def test_an_acknowledged_case_on_which_nobody_works_comes_back_after_three_working_days() -> None:
    case = after(on_action(opened(make_warning()), Acknowledge("wang"), NOON, DIRECTORY))
    assert (case.stage, case.idle_at) == ("acknowledged", NOON + 3 * DAY)
    assert tick(case, NOON + 3 * DAY - timedelta(seconds=1)).verdict is Verdict.NOT_DUE
    outcome = tick(case, NOON + 3 * DAY)
    assert outcome.verdict is Verdict.CAME_BACK
    assert told(outcome) == [("idle", "wang", "owner"), ("idle", "li", "escalation")]
    assert (after(outcome).stage, after(outcome).acknowledged_by) == ("opened", ())


def test_each_time_it_comes_back_one_more_of_those_above_is_told() -> None:
    case, people = opened(make_warning()), []
    for days in (3, 8, 11, 16):
        outcome = tick(case, NOON + days * DAY)
        case = after(outcome)
        people += [page.person for page in outcome.pages if page.kind == "idle" and page.role == "escalation"]
    assert people == ["li", "chen", "zhao", "sun"]


def test_whatever_people_do_gives_a_case_its_days_anew() -> None:
    case = after(on_action(opened(make_warning()), Comment("wang", "called them"), NOON + 2 * DAY, DIRECTORY))
    assert tick(case, NOON + 3 * DAY).verdict is Verdict.NOT_DUE
    # Two working days after Wednesday is Friday; the third is Monday.
    assert case.idle_at == NOON + 7 * DAY


def test_a_case_whose_review_is_waited_for_is_not_idle_but_escalates() -> None:
    kinds = {page.kind for page in tick(opened(r1(review=review(NOON + 5 * DAY))), NOON + 4 * DAY).pages}
    assert "idle" not in kinds


def test_what_a_rule_advises_is_due_by_its_days_or_its_severity() -> None:
    urgent = opened(make_warning(severity="critical")).todos[0]
    own = opened(make_warning(act_within_days=2)).todos[0]
    assert urgent.due == datetime(2026, 3, 3, 18, tzinfo=SHANGHAI)
    assert own.due == datetime(2026, 3, 4, 18, tzinfo=SHANGHAI)
    assert own.remind_at == datetime(2026, 3, 4, 9, tzinfo=SHANGHAI)


def test_a_task_is_told_of_on_its_day_then_daily_then_weekly_and_to_the_superior() -> None:
    case, seen = opened(make_warning(act_within_days=1)), []
    case = replace(case, idle_at=None)
    for day in range(1, 22):
        outcome = tick(case, datetime(2026, 3, 2, 9, tzinfo=SHANGHAI) + day * DAY)
        case = outcome.case or case
        if outcome.pages:
            seen.append((day, sorted(page.person for page in outcome.pages)))
    assert seen == [(1, ["wang"]), (2, ["wang"]), (3, ["wang"]), (10, ["li", "wang"]), (17, ["li", "wang"])]


def quiet(person: str, zone: str | None = None) -> Directory:
    night = Quiet(time(22), time(7))
    made = replace(DIRECTORY.people[person], quiet=night, timezone=zone)
    return replace(DIRECTORY, people={**DIRECTORY.people, person: made})


def page(critical: bool = False, due: datetime | None = None) -> Page:
    return Page("raised:w:1", "raised", "wang", "owner", "w", 1, due, critical)


NIGHT = datetime(2026, 3, 3, 1, 30, tzinfo=SHANGHAI)
MORNING = datetime(2026, 3, 3, 7, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("one", "until"),
    [
        (page(), MORNING),
        (page(critical=True), None),
        (page(due=MORNING - HOUR), None),
        (page(due=MORNING + HOUR), MORNING),
    ],
)
def test_what_is_not_critical_waits_for_the_end_of_quiet_hours_unless_it_came_too_late_then(
    one: Page, until: datetime | None
) -> None:
    (held,) = held_back([one], Clocks(), quiet("wang"), NIGHT)
    assert held.not_before == until


def test_quiet_hours_are_by_the_clock_of_the_person() -> None:
    (held,) = held_back([page()], Clocks(), quiet("wang", "America/New_York"), NIGHT)
    assert held.not_before is None


def test_the_companys_quiet_hours_are_those_of_who_has_none() -> None:
    (held,) = held_back([page()], Clocks(quiet=Quiet(time(0), time(6))), DIRECTORY, NIGHT)
    assert held.not_before == MORNING - HOUR


FILE = """
hours: [08:30-12:00, 13:30-17:30]
quiet: 22:00-07:00
days_off: [2026-03-03]
working_days: [2026-03-07]
idle_days: 2
act_within_days: {critical: 2}
"""


def test_the_companys_working_time_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "work.yaml").write_text(FILE, encoding="utf-8")
    clocks = load_clocks(tmp_path / "work.yaml", SHANGHAI)
    assert clocks.idle_at(NOON) == NOON + 3 * DAY
    assert clocks.calendar.add_days(NOON + 4 * DAY, 1) == NOON + 5 * DAY
    assert clocks.act_by(NOON, "critical", None) == datetime(2026, 3, 5, 17, 30, tzinfo=SHANGHAI)
    assert clocks.quiet == Quiet(time(22), time(7))
    assert clocks == load_clocks(tmp_path / "work.yaml", SHANGHAI)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hours: [9-12]", "9-12"),
        ("hours: [09:00-12:00, 11:00-18:00]", "begins after"),
        ("quiet: 25:00-07:00", "25:00"),
        ("days_off: [2026-03-03]\nworking_days: [2026-03-03]", "2026-03-03"),
        ("idle_days: 0", "idle_days"),
        ("holidays: []", "holidays"),
        ("hours: [", "work.yaml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "work.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(WorktimeInvalid, match=said):
        load_clocks(tmp_path / "work.yaml", SHANGHAI)


def test_a_decision_of_each_superior_is_recorded_and_the_first_one_counts() -> None:
    case = after(on_action(opened(r1()), DecideReview("li", "watch", "we wait"), NOON, DIRECTORY))
    second = on_action(case, DecideReview("chen", "act", "we do not"), NOON, DIRECTORY)
    assert [(entry.type, entry.actor) for entry in second.events] == [("review.decided", "chen")]
    clock = after(second).clocks[0]
    assert (clock.decided_by, clock.decision, clock.decided_all) == ("li", "watch", ("li", "chen"))
    assert on_action(after(second), DecideReview("chen", "act", "again"), NOON, DIRECTORY).case is None


def test_a_company_elsewhere_works_by_its_own_clock() -> None:
    house = House(Clocks(WorkCalendar(ZoneInfo("America/New_York"))))
    demand = Review(within_hours=8, due=NOON + 8 * HOUR, departments=["sales"], quorum=1, hours="working")
    case = on_warning(None, r1(review=demand), NOON, DIRECTORY, 0, house).case
    assert case is not None
    # 04:00 UTC is Sunday night there, and the eight hours of Monday end at 18:00, which is 23:00 UTC.
    assert case.wake_at == datetime(2026, 3, 2, 23, tzinfo=NOON.tzinfo)


def test_somebody_unknown_has_no_quiet_hours() -> None:
    assert next(iter(held_back([replace(page(), person="gone")], Clocks(), DIRECTORY, NIGHT))).not_before is None
    assert Person("x", "X", "sales").quiet is None
