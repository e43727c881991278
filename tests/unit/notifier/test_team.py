"""The departments of a review are asked to join: whom that means, that each hears of it once, and when again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from schemas import warnings as wire
from schemas.warnings import Review
from services.notifier.actions import Join, OpenReview, Reopen, on_action
from services.notifier.case import Case, Outcome
from services.notifier.handing import Delegate
from services.notifier.house import House
from services.notifier.people import Absence, Department, Directory, Person
from services.notifier.policy import HOUSE, on_tick, on_warning
from services.notifier.routing_file import RoutesInvalid, parse_routes
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1, review

HEADS = replace(
    DIRECTORY,
    people={**DIRECTORY.people, "he": Person("he", "何洁", "service"), "gao": Person("gao", "高远", "service")},
    offices=(Department("sales", "", "zhao"), Department("finance", "", "chen"), Department("service", "", "he")),
)
"""Above Wang are Li, Chen (who heads finance) and Zhao (who heads sales); He heads service."""


def take(
    warning: wire.Warning,
    case: Case | None = None,
    directory: Directory = HEADS,
    now: datetime = NOON,
    house: House = HOUSE,
    known: int = 0,
) -> Outcome:
    return on_warning(case, warning, now, directory, known, house)


def joins(outcome: Outcome) -> list[str]:
    return [page.person for page in outcome.pages if page.kind == "join"]


def reminded(outcome: Outcome) -> list[str]:
    return [page.person for page in outcome.pages if page.kind == "join_due"]


def asked(outcome: Outcome) -> dict[str, tuple[str, ...]]:
    assert outcome.case is not None
    return {one.department: one.people for one in outcome.case.asked}


def after(outcome: Outcome) -> Case:
    assert outcome.case is not None, outcome.refusals
    return outcome.case


def joined(case: Case, *departments: str, now: datetime = NOON) -> Case:
    for department in departments:
        case = after(on_action(case, Join("wang", department), now, HEADS))
    return case


def tree(text: str) -> House:
    return House(routes=parse_routes(text.encode(), Path("routes.yaml")))


def demanding(*departments: str, **fields: object) -> wire.Warning:
    demand = Review(within_hours=24, due=NOON + DAY, departments=list(departments), quorum=1)
    return r1(**{"review": demand, **fields})  # type: ignore[arg-type]


def test_the_heads_of_the_departments_are_asked_beside_owner_and_superior() -> None:
    outcome = take(r1())
    told = [(page.person, page.kind, page.role) for page in outcome.pages]
    assert told == [
        ("wang", "raised", "owner"),
        ("li", "raised", "superior"),
        ("zhao", "join", "department"),
        ("chen", "join", "department"),
        ("he", "join", "department"),
    ]
    assert {page.due for page in outcome.pages} == {NOON + DAY}
    entries = [(one.department, one.person) for one in outcome.events if one.type == "intervention.asked"]
    assert entries == [("sales", "zhao"), ("finance", "chen"), ("service", "he")]


def test_a_warning_without_a_review_asks_no_department() -> None:
    assert joins(take(make_warning())) == []


def test_nobody_is_asked_because_of_what_is_past_or_never_held() -> None:
    assert take(r1(historical=True)).pages == ()
    assert take(r1(change="withdrawn")).pages == ()


def test_who_is_told_anyway_has_one_page_and_is_on_record_as_asked() -> None:
    heads_sales = replace(HEADS, offices=(Department("sales", "", "li"), *HEADS.offices[1:]))
    outcome = take(r1(), directory=heads_sales)
    assert [page.kind for page in outcome.pages if page.person == "li"] == ["raised"]
    assert asked(outcome)["sales"] == ("li",)


def test_who_heads_two_departments_has_one_page_for_both() -> None:
    both = replace(HEADS, offices=(Department("finance", "", "he"), Department("service", "", "he")))
    outcome = take(demanding("finance", "service"), directory=both)
    assert joins(outcome) == ["he"]
    assert asked(outcome) == {"finance": ("he",), "service": ("he",)}


def test_who_is_away_is_stood_in_for_and_who_asked_somebody_else_in_the_case_too() -> None:
    away = replace(HEADS, absences=(Absence("he", NOON - DAY, NOON + DAY, "gao"),))
    page = take(demanding("service"), directory=away).pages[-1]
    assert (page.person, page.kind, page.role) == ("gao", "join", "stand_in")
    case = after(on_action(after(take(make_warning())), Delegate("he", "gao", NOON + DAY), NOON, HEADS))
    assert joins(take(demanding("service"), case)) == ["gao"]


LEADS = {
    "the head that is named": (HEADS, ("he",)),
    "without one, whoever has nobody of the department above": (
        replace(HEADS, offices=(), people={**HEADS.people, "gao": Person("gao", "高远", "service", reports_to="he")}),
        ("he", "sun"),
    ),
    "a head who has left counts as none": (
        replace(DIRECTORY, offices=(Department("service", "", "gone"),)),
        ("sun",),
    ),
    "nobody, where there is nobody": (
        replace(DIRECTORY, people={one: who for one, who in DIRECTORY.people.items() if who.department != "service"}),
        (),
    ),
    "nobody, where it would be a crowd": (
        replace(DIRECTORY, people={**DIRECTORY.people, **{f"s{n}": Person(f"s{n}", "S", "service") for n in range(5)}}),
        (),
    ),
}


@pytest.mark.parametrize("said", LEADS)
def test_a_department_is_asked_by(said: str) -> None:
    directory, leads = LEADS[said]
    assert directory.leads_of("service") == leads


def test_a_department_is_asked_once_and_not_when_another_warning_joins_or_one_gets_worse() -> None:
    first = take(r1())
    second = take(r1("r2"), first.case)
    worse = take(r1(revision=2, change="amended", severity="critical", pages_again=True), second.case, known=1)
    assert (joins(second), joins(worse)) == ([], [])
    assert len(after(worse).asked) == 3


def test_a_warning_that_wants_others_asks_only_those() -> None:
    case = take(demanding("finance")).case
    assert joins(take(demanding("finance", "service", id="r2"), case)) == ["he"]


def test_who_has_joined_unasked_is_not_asked() -> None:
    case = joined(after(take(make_warning())), "finance", "service")
    assert joins(take(r1(), case)) == ["zhao"]


def test_for_whom_there_was_nobody_is_asked_when_the_next_warning_calls() -> None:
    nobody = replace(
        HEADS,
        offices=HEADS.offices[:2],
        people={**DIRECTORY.people, "sun": replace(DIRECTORY.people["sun"], department="legal")},
    )
    first = take(r1(), directory=nobody)
    assert "service" not in asked(first)
    assert joins(take(r1("r2"), first.case)) == ["he"]


def test_a_case_that_is_opened_again_asks_anew() -> None:
    case = replace(joined(after(take(r1())), "finance"), status="closed", stage="closed")
    worse = r1(revision=2, change="amended", severity="critical", pages_again=True)
    assert joins(take(worse, case, known=1)) == ["zhao", "chen", "he"]
    by_hand = on_action(case, Reopen("wang", "too early"), NOON, HEADS)
    assert (by_hand.pages, after(by_hand).asked) == ((), ())
    assert joins(take(worse, by_hand.case, known=1)) == ["zhao", "chen", "he"]


def test_those_who_do_not_join_are_reminded_once_when_half_of_the_time_is_over() -> None:
    case = joined(after(take(r1())), "finance")
    assert reminded(on_tick(case, NOON + 11.9 * HOUR, HEADS)) == []
    half = on_tick(case, NOON + 12 * HOUR, HEADS)
    assert reminded(half) == ["zhao", "he"]
    assert {page.due for page in half.pages} == {NOON + DAY}
    assert reminded(on_tick(after(half), NOON + 23 * HOUR, HEADS)) == []


def test_they_are_reminded_whether_or_not_the_review_is_held_but_not_when_the_case_is_closed() -> None:
    reviewed = after(on_action(after(take(r1())), OpenReview("li"), NOON, HEADS))
    assert reminded(on_tick(reviewed, NOON + 12 * HOUR, HEADS)) == ["zhao", "chen", "he"]
    closed = replace(reviewed, status="closed", stage="closed")
    assert on_tick(closed, NOON + 12 * HOUR, HEADS).pages == ()


def test_the_half_of_working_hours_is_counted_in_those() -> None:
    demand = Review(within_hours=8, due=NOON + 8 * HOUR, departments=["service"], quorum=1, hours="working")
    case = after(take(r1(review=demand)))
    # Monday 12:00, of which the first hour is a break: four hours are over at 17:00.
    assert reminded(on_tick(case, NOON + 4.9 * HOUR, HEADS)) == []
    assert reminded(on_tick(case, NOON + 5 * HOUR, HEADS)) == ["he"]


def test_who_leads_the_department_by_then_is_reminded_and_on_record() -> None:
    changed = replace(HEADS, offices=(Department("service", "", "gao"),))
    half = on_tick(after(take(demanding("service"))), NOON + 12 * HOUR, changed)
    assert reminded(half) == ["gao"]
    assert asked(half) == {"service": ("he", "gao")}


def test_who_stands_in_at_half_of_the_time_is_reminded() -> None:
    away = replace(HEADS, absences=(Absence("he", NOON + HOUR, NOON + DAY, "gao"),))
    half = on_tick(after(take(demanding("service"))), NOON + 12 * HOUR, away)
    assert [(page.person, page.role) for page in half.pages if page.kind == "join_due"] == [("gao", "stand_in")]


def test_who_is_told_of_the_warning_at_that_instant_anyway_needs_no_second_page() -> None:
    heads_sales = replace(HEADS, offices=(Department("sales", "", "li"),))
    half = on_tick(after(take(demanding("sales"), directory=heads_sales)), NOON + 12 * HOUR, heads_sales)
    assert [(page.person, page.kind) for page in half.pages] == [("li", "due_soon")]
    assert after(half).awaited == ()


def test_when_the_warning_is_withdrawn_those_who_were_asked_hear_of_it_and_another_one_asks_by_itself() -> None:
    case = take(demanding("service", "finance", id="r2"), take(demanding("service")).case).case
    outcome = take(r1(revision=2, change="withdrawn"), case, known=1, now=NOON + HOUR)
    told = [(page.person, page.kind, page.warning_id, page.role) for page in outcome.pages]
    assert ("he", "withdrawn", "r1", "department") in told
    assert ("he", "join", "r2", "department") in told
    assert joins(outcome) == ["he"]
    assert [one.department for one in after(outcome).asked] == ["finance", "service"]


def test_a_closed_case_asks_nobody_when_one_of_its_warnings_is_withdrawn() -> None:
    case = after(take(demanding("service", id="r2"), take(demanding("service")).case))
    outcome = take(r1(revision=2, change="withdrawn"), replace(case, status="closed", stage="closed"), known=1)
    assert {page.kind for page in outcome.pages} == {"withdrawn"}


def test_a_review_that_was_held_long_ago_gives_who_is_asked_now_the_whole_time() -> None:
    case = after(on_action(after(take(demanding("service", id="r2"))), OpenReview("li"), NOON, HEADS))
    case = after(take(demanding("service"), replace(case, asked=())))
    outcome = take(r1(revision=2, change="withdrawn"), case, known=1, now=NOON + 3 * DAY)
    assert [page.due for page in outcome.pages if page.kind == "join"] == [NOON + 4 * DAY]


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("{}", ["zhao", "chen", "he"]),
        ("tell: audience", []),
        ("tell: [owner, team]", ["zhao", "chen", "he"]),
        ("tell: team", ["zhao", "chen", "he"]),
        ("{tell: team, routes: [{name: a, when: {rule: R1}, tell: owner}]}", []),
        ("{tell: owner, routes: [{name: a, when: {rule: R1}, tell: [owner, team]}]}", ["zhao", "chen", "he"]),
        ("routes: [{name: a, tell: owner, continue: true}, {name: b, tell: team}]", ["zhao", "chen", "he"]),
    ],
)
def test_a_file_of_routes_says_whether_departments_are_asked(text: str, people: list[str]) -> None:
    outcome = take(r1(), house=tree(text))
    assert joins(outcome) == people
    assert reminded(on_tick(after(outcome), NOON + 12 * HOUR, HEADS, tree(text))) == people
    assert "wang" in {page.person for page in outcome.pages}


def test_who_is_asked_is_told_by_the_channels_of_the_route() -> None:
    pages = take(r1(), house=tree("channels: [wecom_app, email]")).pages
    assert {page.channels for page in pages if page.kind == "join"} == {("wecom_app", "email")}


def test_nobody_is_asked_to_review_as_a_team() -> None:
    with pytest.raises(RoutesInvalid, match="who is asked in turn to review are others"):
        tree("escalate: [superior, team]")


def test_a_page_waits_for_no_quiet_hours_to_end_where_the_matter_does_not() -> None:
    assert {page.critical for page in take(r1(severity="critical")).pages} == {True}
    assert {page.critical for page in take(r1(severity="high")).pages} == {False}


def test_a_case_that_an_older_release_wrote_asks_when_its_warning_gets_worse() -> None:
    before = replace(after(take(r1())), asked=())
    worse = r1(revision=2, change="amended", severity="critical", pages_again=True, review=review())
    assert joins(take(worse, before, known=1)) == ["zhao", "chen", "he"]
