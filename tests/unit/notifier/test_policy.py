"""Who is paged, what becomes of a case, and when a review escalates."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from schemas import warnings as wire
from services.notifier.case import Case, Outcome, Page, Verdict
from services.notifier.house import House
from services.notifier.people import Absence, Person
from services.notifier.policy import case_for, on_tick, on_warning
from services.notifier.routing_file import parse_routes
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, both, make_warning, r1, review


def take(warning: wire.Warning, case: Case | None = None, known: int = 0, now: datetime = NOON) -> Outcome:
    return on_warning(case, warning, now, DIRECTORY, known)


def opened(*warnings: wire.Warning) -> Case:
    """The case after these warnings, each new."""
    case: Case | None = None
    for warning in warnings:
        case = take(warning, case).case
    assert case is not None
    return case


def tick(case: Case, now: datetime) -> Outcome:
    return on_tick(case, now, DIRECTORY)


def paged(outcome: Outcome) -> list[tuple[str, str, str]]:
    """But for the departments: test_team.py."""
    return [(page.person, page.role, page.kind) for page in outcome.pages if page.kind not in ("join", "join_due")]


def told(outcome: Outcome) -> list[str]:
    return [entry.type for entry in outcome.events]


def test_a_warning_opens_a_case_and_pages_owner_and_superior_at_once() -> None:
    outcome = take(make_warning())
    assert outcome.verdict is Verdict.OPENED
    assert paged(outcome) == [("wang", "owner", "raised"), ("li", "superior", "raised")]
    assert told(outcome) == ["case.opened", "case.warning_joined"]


@pytest.mark.parametrize(
    ("audience", "people"), [(["owner"], ["wang"]), (["superior"], ["li"]), (["owner", "superior"], ["wang", "li"])]
)
def test_only_the_warnings_audience_is_paged(audience: list[str], people: list[str]) -> None:
    assert [page.person for page in take(make_warning(audience=audience)).pages] == people


def test_a_second_warning_of_the_customer_joins_the_case_and_raises_its_severity() -> None:
    case = opened(make_warning(severity="medium"))
    outcome = take(make_warning("w2", severity="critical"), case)
    assert outcome.verdict is Verdict.JOINED
    assert outcome.case is not None
    assert (outcome.case.id, outcome.case.severity, len(outcome.case.warnings)) == (case.id, "critical", 2)
    assert len(outcome.pages) == 2


@pytest.mark.parametrize(("known", "verdict"), [(2, Verdict.REPEATED), (3, Verdict.OUT_OF_ORDER)])
def test_a_revision_already_known_changes_nothing(known: int, verdict: Verdict) -> None:
    case = opened(make_warning())
    assert take(make_warning(revision=2, change="amended", pages_again=True), case, known) == Outcome(verdict)


def test_a_historical_warning_is_filed_and_pages_nobody() -> None:
    assert take(make_warning(historical=True)) == Outcome(Verdict.FILED_HISTORICAL)


def test_a_historical_revision_of_a_warning_that_a_case_holds_pages_nobody() -> None:
    case = opened(make_warning())
    outcome = take(make_warning(revision=2, change="amended", pages_again=True, historical=True), case, 1)
    assert (outcome.verdict, outcome.pages) == (Verdict.UPDATED, ())


@pytest.mark.parametrize(("again", "people"), [(False, []), (True, ["wang", "li"])])
def test_an_amended_warning_pages_again_only_when_it_is_worse_than_before(again: bool, people: list[str]) -> None:
    case = opened(make_warning())
    outcome = take(make_warning(revision=2, change="amended", severity="high", pages_again=again), case, 1)
    assert [page.person for page in outcome.pages] == people
    assert outcome.case is not None
    assert outcome.case.severity == "high"
    assert told(outcome) == ["case.warning_amended"]


def test_an_ended_warning_is_on_the_timeline_and_the_case_stays_for_people() -> None:
    outcome = take(make_warning(revision=2, change="ended", end=NOON), opened(make_warning()), 1)
    assert (outcome.verdict, outcome.pages, told(outcome)) == (Verdict.ENDED, (), ["case.warning_ended"])
    assert outcome.case is not None
    assert (outcome.case.status, outcome.case.warnings[0].state) == ("open", "ended")


def test_an_ended_warning_that_goes_on_again_stands_again() -> None:
    ended = take(make_warning(revision=2, change="ended", end=NOON), opened(make_warning()), 1).case
    still = take(make_warning(revision=3, change="amended", end=NOON - HOUR), ended, 2).case
    again = take(make_warning(revision=4, change="amended"), still, 3).case
    assert still is not None
    assert again is not None
    assert (still.warnings[0].state, again.warnings[0].state) == ("ended", "standing")


def test_a_withdrawn_warning_is_told_to_those_who_were_paged_and_the_case_closes_by_itself() -> None:
    outcome = take(make_warning(revision=2, change="withdrawn"), opened(make_warning()), 1)
    assert outcome.verdict is Verdict.WITHDRAWN_AND_CLOSED
    assert paged(outcome) == [("wang", "owner", "withdrawn"), ("li", "superior", "withdrawn")]
    assert told(outcome) == ["case.warning_withdrawn", "case.closed"]
    assert outcome.case is not None
    assert (outcome.case.status, outcome.case.decision) == ("closed", "withdrawn")


def test_who_was_paged_by_escalation_is_told_of_the_withdrawal_too() -> None:
    late = tick(opened(r1()), NOON + DAY).case
    outcome = take(r1(revision=2, change="withdrawn"), late, 1, NOON + DAY)
    assert [page.person for page in outcome.pages] == ["wang", "li", "chen", "sun"]


def test_a_case_that_another_warning_holds_stays_open_when_one_is_withdrawn() -> None:
    case = opened(make_warning(), make_warning("w2"))
    ended = take(make_warning("w2", 2, "ended", end=NOON), case, 1).case
    outcome = take(make_warning(revision=2, change="withdrawn", merged_into="w2"), ended, 1)
    assert outcome.verdict is Verdict.WITHDRAWN
    assert outcome.case is not None
    assert outcome.case.status == "open"
    assert outcome.events[0].note == "已并入 / merged into: w2"


def test_a_case_of_a_customer_who_turned_out_to_be_another_closes_with_that_as_the_reason() -> None:
    outcome = take(make_warning(revision=2, change="withdrawn", customer_merged_into="C-7"), opened(make_warning()), 1)
    assert outcome.verdict is Verdict.WITHDRAWN_AND_CLOSED
    assert outcome.events[0].note == "客户已并入 / the customer was merged into: C-7"


def test_a_withdrawn_warning_that_nobody_was_paged_for_is_only_filed() -> None:
    assert take(make_warning(revision=2, change="withdrawn")) == Outcome(Verdict.FILED_NEVER_PAGED)


def test_a_warning_first_seen_when_it_has_ended_opens_a_case_all_the_same() -> None:
    outcome = take(make_warning(revision=2, change="ended", end=NOON))
    assert (outcome.verdict, len(outcome.pages)) == (Verdict.OPENED, 2)


def test_a_warning_raised_again_after_its_withdrawal_reopens_its_case_and_pages() -> None:
    closed = take(make_warning(revision=2, change="withdrawn"), opened(make_warning()), 1).case
    outcome = take(make_warning(revision=3), closed, 2)
    assert (outcome.verdict, told(outcome)) == (Verdict.REOPENED, ["case.reopened", "case.warning_joined"])
    assert outcome.case is not None
    assert (outcome.case.status, outcome.case.decision, len(outcome.pages)) == ("open", None, 2)


def test_a_closed_case_is_reopened_by_its_warning_only_when_that_is_worse_than_before() -> None:
    closed = replace(opened(r1()), status="closed", departments_joined=("sales",))
    quiet = take(r1(revision=2, change="amended"), closed, 1)
    worse = take(r1(revision=2, change="amended", pages_again=True), closed, 1)
    assert (quiet.verdict, quiet.pages) == (Verdict.UPDATED, ())
    assert worse.verdict is Verdict.REOPENED
    assert worse.case is not None
    assert (worse.case.departments_joined, len(worse.case.running)) == ((), 1)


def test_a_new_warning_after_the_case_was_closed_opens_a_new_case() -> None:
    closed = replace(opened(make_warning()), status="closed")
    outcome = take(make_warning("w2"), case_for(None, None, make_warning("w2")))
    assert outcome.verdict is Verdict.OPENED
    assert outcome.case is not None
    assert outcome.case.id != closed.id


@pytest.mark.parametrize(
    ("warning", "to_open"),
    [
        (make_warning(revision=2, change="amended", pages_again=True), True),
        (make_warning(revision=2, change="amended"), False),
        (make_warning(revision=2, change="ended", end=NOON), False),
        (make_warning(revision=2, change="withdrawn"), False),
    ],
)
def test_a_warning_of_a_closed_case_goes_to_the_open_one_only_when_it_must_be_acted_on(
    warning: wire.Warning, to_open: bool
) -> None:
    closed, still_open = replace(opened(make_warning()), status="closed"), opened(make_warning("w2"))
    assert case_for(closed, still_open, warning) is (still_open if to_open else closed)


def test_a_customer_without_an_owner_pages_the_fallback_and_says_so() -> None:
    for customer in ("C3", "not in the directory"):
        outcome = take(make_warning(customer_id=customer.replace(" ", "-")))
        assert paged(outcome)[0] == ("sun", "fallback", "raised")
        assert paged(outcome)[1] == ("zhao", "superior", "raised")
        assert "no owner" in (outcome.events[0].note or "")


def test_an_owner_at_the_top_has_the_fallback_for_a_superior() -> None:
    assert paged(take(make_warning(customer_id="C4"))) == [("zhao", "owner", "raised"), ("sun", "superior", "raised")]


def test_a_task_nudges_the_owner_alone_and_has_no_case() -> None:
    outcome = take(make_warning(output="task"))
    assert (outcome.verdict, outcome.case, paged(outcome)) == (Verdict.TASK_SET, None, [("wang", "owner", "nudge")])
    assert outcome.task is not None
    assert (outcome.task.people, outcome.task.status) == (("wang",), "open")


def test_a_task_that_is_amended_nudges_no_second_time_and_ends_without_a_word() -> None:
    amended = take(make_warning(revision=2, change="amended", output="task"), known=1)
    ended = take(make_warning(revision=3, change="ended", output="task", end=NOON, historical=True), known=2)
    assert (amended.verdict, amended.pages) == (Verdict.TASK_SET, ())
    assert (ended.verdict, ended.pages) == (Verdict.TASK_ENDED, ())


def test_a_task_of_the_past_is_filed_and_nudges_nobody() -> None:
    assert take(make_warning(output="task", historical=True)) == Outcome(Verdict.FILED_HISTORICAL)


def test_a_suggestion_is_only_filed() -> None:
    assert take(make_warning(output="suggestion")) == Outcome(Verdict.FILED_SUGGESTION)


def test_a_review_that_nobody_opens_is_breached_at_24_hours_and_the_next_manager_is_paged() -> None:
    case = opened(r1())
    assert tick(case, NOON + DAY - HOUR / 3600).verdict is Verdict.NUDGED
    outcome = tick(case, NOON + DAY)
    assert paged(outcome) == [("chen", "escalation", "breached")]
    assert (told(outcome), outcome.events[0].person) == (["review.breached"], "li")
    assert outcome.pages[0].due == NOON + 2 * DAY


def test_it_escalates_to_the_top_then_to_the_fallback_and_the_last_is_asked_again_each_day() -> None:
    case, people = opened(r1()), []
    for day in range(1, 6):
        outcome = tick(case, NOON + day * DAY)
        assert outcome.case is not None
        case = outcome.case
        people += [page.person for page in outcome.pages if page.kind == "breached"]
    assert people == ["chen", "zhao", "sun", "sun", "sun"]


def test_a_service_that_was_away_for_a_week_breaches_once_and_gives_the_next_manager_the_whole_time() -> None:
    outcome = tick(opened(r1()), NOON + 7 * DAY)
    assert [kind for _, _, kind in paged(outcome)] == ["breached", "reminder"]
    assert outcome.case is not None
    assert outcome.case.wake_at == NOON + 8 * DAY
    assert tick(outcome.case, NOON + 7 * DAY).verdict is Verdict.NOT_DUE


def test_a_later_warning_that_demands_a_review_starts_a_clock_of_its_own() -> None:
    case = opened(r1(), r1("r2", review=review(NOON + 6 * HOUR)))
    assert case.wake_at == NOON + DAY
    first = tick(case, NOON + DAY)
    found = [(page.warning_id, page.kind) for page in first.pages if page.kind != "join_due"]
    assert found == [("r1", "breached"), ("r2", "due_soon")]
    assert first.case is not None
    second = tick(first.case, NOON + DAY + 6 * HOUR)
    assert [(page.warning_id, page.kind) for page in second.pages] == [("r2", "breached")]


def test_what_gets_worse_after_its_review_was_opened_is_reviewed_again() -> None:
    case = opened(r1())
    held = case.warnings[0]
    assert held.review is not None
    case = case.with_held(replace(held, review=replace(held.review, opened_by="li", decided_by="li", decision="watch")))
    # The wire's own deadline always counts from the first finding; 20 hours later it leaves four.
    later = NOON + 20 * HOUR
    worse = take(r1(revision=2, change="amended", pages_again=True, detected_at=later), case, 1, later).case
    quiet = take(r1(revision=2, change="amended", detected_at=later), case, 1, later).case
    assert worse is not None
    assert quiet is not None
    assert (worse.wake_at, quiet.wake_at) == (later + DAY, None)


@pytest.mark.parametrize("over", ["withdrawn", "closed"])
def test_what_is_back_is_reviewed_within_the_whole_time_from_its_coming_back(over: str) -> None:
    case: Case | None = replace(opened(r1()), status="closed")
    if over == "withdrawn":
        case = take(r1(revision=2, change="withdrawn"), opened(r1()), 1).case
    later = NOON + 20 * HOUR
    back = take(r1(revision=3, pages_again=True, detected_at=later), case, 2, later)
    assert back.verdict is Verdict.REOPENED
    assert {page.due for page in back.pages} == {later + DAY}


def test_whoever_is_asked_for_the_review_is_called_although_a_route_tells_others_only() -> None:
    tree = parse_routes(b"tell: [owner]\nescalate: ['person:zhao']\nchannels: [email]\n", Path("routes.yaml"))
    outcome = on_warning(None, r1(), NOON, DIRECTORY, 0, House(routes=tree))
    assert paged(outcome) == [("wang", "owner", "raised"), ("zhao", "superior", "raised")]
    assert on_warning(None, make_warning(), NOON, DIRECTORY, 0, House(routes=tree)).pages[1:] == ()


def test_what_gets_worse_while_its_review_has_gone_up_calls_whoever_is_asked_now() -> None:
    late = tick(opened(r1()), NOON + DAY).case
    outcome = take(r1(revision=2, change="amended", pages_again=True, severity="high"), late, 1, NOON + DAY)
    assert paged(outcome) == [
        ("wang", "owner", "amended"),
        ("li", "superior", "amended"),
        ("chen", "escalation", "amended"),
    ]


def test_a_warning_without_a_review_has_no_deadline() -> None:
    assert opened(make_warning()).wake_at is None


def test_a_withdrawn_warnings_clock_runs_no_more() -> None:
    case = take(r1(revision=2, change="withdrawn"), opened(r1(), make_warning()), 1).case
    assert case is not None
    assert tick(case, NOON + 2 * DAY).verdict is Verdict.NOT_DUE


def test_the_page_says_the_deadline_that_really_runs() -> None:
    late = tick(opened(r1()), NOON + DAY).case
    worse = r1(revision=2, change="amended", pages_again=True, name=both("更糟", "worse"), review=review(NOON + DAY))
    assert {page.due for page in take(worse, late, 1, NOON + DAY).pages} == {NOON + 2 * DAY}


def test_every_page_of_a_case_has_a_step_of_its_own_for_its_reader() -> None:
    case, pages = opened(r1()), list(take(r1()).pages)
    for day in range(1, 6):
        outcome = tick(case, NOON + day * DAY)
        assert outcome.case is not None
        case = outcome.case
        pages += outcome.pages
    assert len({(page.step, page.person) for page in pages}) == len(pages)


def test_a_review_that_comes_to_somebody_again_is_another_page_for_them() -> None:
    case, pages = opened(r1()), list[Page]()
    for hour, away in enumerate((["li"], ["li", "chen"], ["li", "chen", "zhao"], ["li", "chen", "sun"], ["zhao"]), 1):
        now = NOON + hour * HOUR
        absent = tuple(Absence(person, now, now + HOUR) for person in away)
        outcome = on_tick(case, now, replace(DIRECTORY, absences=absent))
        assert outcome.case is not None
        case = outcome.case
        pages += outcome.pages
    assert [page.person for page in pages] == ["chen", "zhao", "sun", "zhao", "sun"]
    assert len({(page.step, page.person) for page in pages}) == 5, "the outbox takes a page with a known key for known"


def ticket(revision: int = 1, change: str = "raised", **fields: object) -> wire.Warning:
    return make_warning("t1", revision, change, output="task", **{"department": "finance", **fields})


def test_a_ticket_is_for_everybody_of_its_department() -> None:
    staffed = replace(DIRECTORY, people={**DIRECTORY.people, "ada": Person("ada", "Ada", "finance", "en", "zhao")})
    outcome = on_warning(None, ticket(), NOON, staffed)
    assert [(page.person, page.role, page.kind) for page in outcome.pages] == [
        ("ada", "department", "nudge"),
        ("chen", "department", "nudge"),
    ]
    assert outcome.task is not None
    assert (outcome.task.people, outcome.task.status, outcome.task.department) == (("ada", "chen"), "open", "finance")


def test_a_ticket_of_a_department_without_people_is_the_owners_and_the_superiors() -> None:
    outcome = on_warning(None, ticket(department="legal"), NOON, DIRECTORY)
    assert [(page.person, page.role) for page in outcome.pages] == [("wang", "owner"), ("li", "superior")]
    assert outcome.task is not None
    assert (outcome.task.people, outcome.task.status, outcome.task.department) == (("wang", "li"), "open", "legal")


def test_a_ticket_calls_once_however_often_it_is_amended_and_again_only_when_it_is_back() -> None:
    amended = [ticket(n, "amended", pages_again=True, severity="high") for n in (2, 3)]
    assert [on_warning(None, one, NOON, DIRECTORY, one.revision - 1).pages for one in amended] == [(), ()]
    assert len(on_warning(None, ticket(4), NOON, DIRECTORY, 3).pages) == 1


@pytest.mark.parametrize(
    ("audience", "people"),
    [(["owner"], ["wang"]), (["superior"], ["li"]), (["owner", "superior"], ["wang", "li"]), ([], ["wang"])],
)
def test_a_task_is_in_the_lists_of_its_audience_and_always_somebodys(audience: list[str], people: list[str]) -> None:
    outcome = on_warning(None, make_warning(output="task", audience=audience), NOON, DIRECTORY)
    assert outcome.task is not None
    assert list(outcome.task.people) == people
    assert [page.person for page in outcome.pages] == people


def test_an_escalation_that_adds_the_superior_pages_the_superior_then() -> None:
    first = take(make_warning(audience=["owner"]))
    assert [page.person for page in first.pages] == ["wang"]
    worse = make_warning(
        revision=2, change="amended", severity="high", pages_again=True, audience=["owner", "superior"]
    )
    assert [page.person for page in take(worse, first.case, 1).pages] == ["wang", "li"]
