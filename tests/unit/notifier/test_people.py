"""Who stands in for whom, and who is asked in turn: whatever the lines and absences are, somebody who is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.people import Absence, Customer, Directory, Method, Person, Quiet
from tests.unit.notifier.making import DAY, DIRECTORY, NOON

IDS = ("a", "b", "c", "d", "e")


def away(person: str, delegate: str | None = None) -> Absence:
    return Absence(person, NOON - DAY, NOON + DAY, delegate)


def absent(*absences: Absence) -> Directory:
    return replace(DIRECTORY, absences=absences)


def test_who_is_there_acts_in_person() -> None:
    assert DIRECTORY.stand_in("wang", NOON) == "wang"
    assert absent(away("li")).stand_in("wang", NOON) == "wang"


def test_an_absence_ends_at_the_instant_of_its_end() -> None:
    directory = absent(away("wang", "sun"))
    assert directory.stand_in("wang", NOON + DAY - timedelta(seconds=1)) == "sun"
    assert directory.stand_in("wang", NOON + DAY) == "wang"
    assert directory.stand_in("wang", NOON - DAY) == "sun"


@pytest.mark.parametrize(
    ("absences", "acting"),
    [
        ([away("wang", "sun")], "sun"),
        ([away("wang", "sun"), away("sun", "chen")], "chen"),
        ([away("wang")], "li"),
        ([away("wang"), away("li")], "chen"),
        ([away("wang"), away("li", "sun")], "sun"),
        ([away("wang", "sun"), away("sun", "wang")], "li"),
        ([away("wang", "nobody.known")], "li"),
        ([away("wang"), away("li"), away("chen"), away("zhao")], "sun"),
        ([away("wang"), away("wang", "sun")], "sun"),
    ],
    ids=[
        "the delegate",
        "the delegate's delegate",
        "the superior, where nobody is named",
        "the next superior who is there",
        "a superior's delegate before the one above",
        "the superior, where delegates name each other",
        "the superior, where the delegate is nobody",
        "the fallback, where all above are away",
        "whoever any of two absences names",
    ],
)
def test_the_one_who_stands_in(absences: list[Absence], acting: str) -> None:
    assert absent(*absences).stand_in("wang", NOON) == acting


def test_with_everybody_away_the_fallback_is_named_all_the_same() -> None:
    assert absent(*map(away, DIRECTORY.people)).stand_in("wang", NOON) == "sun"


def test_who_is_unknown_is_stood_in_for_by_the_fallback() -> None:
    assert DIRECTORY.stand_in("gone", NOON) == "sun"


def test_an_absent_superior_is_left_out_of_the_ladder_or_replaced() -> None:
    assert absent(away("li")).ladder("C1", NOON) == ("chen", "zhao", "sun")
    assert absent(away("li", "sun")).ladder("C1", NOON) == ("sun", "chen", "zhao")
    assert absent(away("li")).ladder("C1") == ("li", "chen", "zhao", "sun")


def test_who_acts_for_the_owner_does_not_review_either() -> None:
    assert absent(away("wang")).ladder("C1", NOON) == ("chen", "zhao", "sun")


def test_a_superior_who_delegates_to_the_owner_is_passed_over() -> None:
    assert absent(away("li", "wang")).ladder("C1", NOON) == ("chen", "zhao", "sun")


def test_an_owner_who_is_not_in_the_directory_is_no_owner() -> None:
    directory = replace(DIRECTORY, customers={"C9": Customer("C9", "X", "gone")})
    assert directory.responsible("C9") == DIRECTORY.responsible("C3")


def test_a_line_that_comes_round_ends() -> None:
    people = {id: replace(DIRECTORY.people[id], reports_to=to) for id, to in (("wang", "li"), ("li", "wang"))}
    directory = Directory(people, {"C1": Customer("C1", "X", "wang")}, "li")
    assert directory.superiors_of("wang") == ("li",)
    assert directory.ladder("C1") == ("li",)


def test_an_email_of_the_file_is_a_verified_method_and_the_other_way_round() -> None:
    assert Person("a", "A", "sales", email="a@example.com").methods == (
        Method("email", "a@example.com", verified=True),
    )
    by_method = Person("a", "A", "sales", methods=(Method("email", "a@example.com", verified=True),))
    assert by_method.email == "a@example.com"
    assert Person("a", "A", "sales", methods=(Method("email", "a@example.com"),)).email is None


def test_only_verified_methods_reach_anybody() -> None:
    person = Person("a", "A", "sales", methods=(Method("dingtalk", "x"), Method("wecom_app", "y", verified=True)))
    assert person.reached_by("dingtalk") is None
    assert person.reached_by("wecom_app") == "y"


@pytest.mark.parametrize(
    ("quiet", "hour", "holds"),
    [
        (Quiet(time(22), time(7)), 23, True),
        (Quiet(time(22), time(7)), 6, True),
        (Quiet(time(22), time(7)), 7, False),
        (Quiet(time(12), time(14)), 13, True),
        (Quiet(time(12), time(14)), 14, False),
        (Quiet(time(8), time(8)), 8, False),
    ],
)
def test_quiet_hours_run_through_midnight(quiet: Quiet, hour: int, holds: bool) -> None:
    assert quiet.holds(time(hour)) is holds


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """Five people in any lines, loops too, any of them away, with any delegates, some of them unknown."""
    people = {id: Person(id, id, "sales", reports_to=draw(st.sampled_from([*IDS, None, "x"]))) for id in IDS}
    gone = draw(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from([*IDS, None, "x"])), max_size=7))
    customers = {"C": Customer("C", "C", draw(st.sampled_from([*IDS, None, "x"])))}
    absences = tuple(away(person, delegate) for person, delegate in gone)
    return Directory(people, customers, draw(st.sampled_from(IDS)), absences)


def is_there(directory: Directory, person: str) -> bool:
    """By another way than the directory's own."""
    spans = [(one.start, one.end) for one in directory.absences if one.person == person]
    return person in directory.people and not any(start <= NOON < end for start, end in spans)


@settings(max_examples=400, deadline=None, print_blob=True)
@given(directories(), st.sampled_from([*IDS, "x"]))
def test_nobody_absent_stands_in_while_anybody_is_there(directory: Directory, person: str) -> None:
    acting = directory.stand_in(person, NOON)
    assert acting in directory.people
    assert is_there(directory, acting) or not any(is_there(directory, id) for id in IDS)
    if is_there(directory, person):
        assert acting == person


@settings(max_examples=400, deadline=None, print_blob=True)
@given(directories(), st.sampled_from(["C", "unknown"]))
def test_a_ladder_is_never_empty_and_asks_nobody_twice_and_nobody_absent(directory: Directory, customer: str) -> None:
    ladder = directory.ladder(customer, NOON)
    assert ladder
    assert len(set(ladder)) == len(ladder)
    assert set(ladder) <= directory.people.keys()
    if any(is_there(directory, id) for id in IDS):
        assert all(is_there(directory, person) for person in ladder)
    owner = directory.responsible(customer).owner
    above = [id for id in (*directory.superiors_of(owner), directory.fallback) if id != owner]
    if any(is_there(directory, id) for id in above):
        assert owner not in ladder


@settings(max_examples=200, deadline=None, print_blob=True)
@given(directories())
def test_with_everybody_there_the_ladder_at_an_instant_is_the_ladder(directory: Directory) -> None:
    everybody = replace(directory, absences=())
    assert everybody.ladder("C", NOON) == everybody.ladder("C")
