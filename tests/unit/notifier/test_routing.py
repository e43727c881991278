"""The tree of routes: which branch takes a matter, who is told then, and what stays as it is without a tree."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.warnings import SEVERITIES
from services.notifier.people import Absence, Department
from services.notifier.routing import Matter, Plan, Route, Routes, When, matter_of
from services.notifier.routing_file import RoutesInvalid, parse_routes
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning

HERE = replace(
    DIRECTORY,
    offices=(Department("finance", "财务部", "chen"), Department("service")),
    customers={
        **DIRECTORY.customers,
        "C1": replace(DIRECTORY.customers["C1"], category="A", value=Decimal(1200000)),
    },
)
MATTER = matter_of(make_warning(severity="high"), HERE)


def tree(text: str) -> Routes:
    return parse_routes(text.encode(), Path("routes.yaml"))


def told(plan: Plan) -> dict[str, str]:
    return {target.person: target.role for target in plan.targets}


def plan(text: str, about: Matter = MATTER) -> Plan:
    return tree(text).plan(about, HERE, NOON)


def test_without_a_tree_the_rules_audience_is_told() -> None:
    found = Routes().plan(MATTER, HERE, NOON)
    assert told(found) == {"wang": "owner", "li": "superior"}
    assert (found.ladder, found.critical, found.clock) == (("li", "chen", "zhao", "sun"), False, "wall")
    assert plan("{}") == replace(found, routes=(("all",),))


def test_a_ticket_without_a_tree_is_its_departments() -> None:
    about = replace(MATTER, ticket="service", department="service")
    assert told(Routes().plan(about, HERE, NOON)) == {"sun": "department"}
    nobodys = replace(MATTER, ticket="legal", department="legal")
    assert told(Routes().plan(nobodys, HERE, NOON)) == {"wang": "owner", "li": "superior"}


def test_a_customer_that_nobody_owns_is_the_fallbacks() -> None:
    assert told(Routes().plan(replace(MATTER, customer="C3"), HERE, NOON))["sun"] == "fallback"


KEY = """
tell: owner
routes:
  - name: key accounts
    when: {class: [A, B], value: ">= 1000000", severity: ">= high", rule: [R7, "R2*"], region: 华东, department: sales}
    tell: [owner, superior, "head:finance", "department:service", "person:zhao"]
    channels: [wecom_app, email]
    critical: high
    clock: working
    escalate: ["head:finance", top]
"""


def test_a_route_that_takes_the_matter_says_who_how_and_by_which_clock() -> None:
    found = plan(KEY)
    roles = {"wang": "owner", "li": "superior", "chen": "department", "sun": "department", "zhao": "department"}
    assert told(found) == roles
    assert {target.channels for target in found.targets} == {("wecom_app", "email")}
    assert (found.critical, found.clock, found.routes) == (True, "working", (("all", "key accounts"),))
    assert found.ladder == ("chen", "zhao", "sun")


@pytest.mark.parametrize(
    "change",
    [
        {"category": "C"},
        {"value": Decimal("999999.99")},
        {"value": None},
        {"severity": "medium"},
        {"rule": "R1"},
        {"region": "华南"},
        {"department": "finance"},
    ],
)
def test_what_differs_in_anything_goes_to_the_route_above(change: dict[str, Any]) -> None:
    found = plan(KEY, replace(MATTER, **change))
    assert found.routes == (("all",),)
    assert told(found) == {"wang": "owner"}


@pytest.mark.parametrize("rule", ["R7", "R2", "R28a"])
def test_a_rule_is_taken_by_its_name_or_a_pattern(rule: str) -> None:
    assert plan(KEY, replace(MATTER, rule=rule)).routes == (("all", "key accounts"),)


@pytest.mark.parametrize(
    ("bounds", "value", "taken"),
    [
        ('">= 10"', "10", True),
        ('">= 10"', "9.99", False),
        ('"< 10"', "9.99", True),
        ('"< 10"', "10", False),
        ('[">= 10", "< 20"]', "15", True),
        ('[">= 10", "< 20"]', "20", False),
    ],
)
def test_bounds_of_value(bounds: str, value: str, taken: bool) -> None:
    routes = tree(f"routes: [{{name: a, when: {{value: {bounds}}}}}]")
    assert (len(routes.paths(replace(MATTER, value=Decimal(value)))[0]) == 2) is taken


def test_the_first_branch_takes_it_unless_it_goes_on() -> None:
    text = "routes: [{name: a, tell: owner%s}, {name: b, tell: superior}, {name: c, tell: fallback}]"
    assert told(plan(text % "")) == {"wang": "owner"}
    assert told(plan(text % ", continue: true")) == {"wang": "owner", "li": "superior"}


def test_branches_together_tell_each_person_once_by_all_their_channels() -> None:
    text = """
    routes:
      - {name: a, tell: [owner], channels: [email], clock: working, continue: true}
      - {name: b, tell: [owner, superior], channels: [wecom_app], critical: low}
    """
    found = plan(text)
    assert [(one.person, one.channels) for one in found.targets] == [
        ("wang", ("email", "wecom_app")),
        ("li", ("wecom_app",)),
    ]
    assert (found.critical, found.clock) == (True, "wall")
    assert found.routes == (("all", "a"), ("all", "b"))


def test_a_branch_within_a_branch_has_what_it_does_not_say_from_above() -> None:
    text = """
    channels: [email]
    routes:
      - name: east
        when: {region: 华东}
        tell: superior
        routes: [{name: east high, when: {severity: high}, channels: [dingtalk]}, {name: never, when: {rule: X}}]
    """
    found = plan(text)
    assert found.routes == (("all", "east", "east high"),)
    assert [(one.person, one.channels) for one in found.targets] == [("li", ("dingtalk",))]
    low = plan(text, replace(MATTER, severity="low"))
    assert [(one.person, one.channels) for one in low.targets] == [("li", ("email",))]


def test_who_is_away_is_stood_in_for_and_said_so() -> None:
    away = replace(HERE, absences=(Absence("chen", NOON, NOON + DAY, "sun"),))
    (target,) = tree("tell: head:finance").plan(MATTER, away, NOON).targets
    assert (target.person, target.instead_of, target.why) == ("sun", "chen", "head:finance")


def test_a_route_that_names_nobody_who_is_there_tells_whom_the_rule_names() -> None:
    assert told(plan("tell: [person:gone, head:service]")) == {"wang": "owner", "li": "superior"}


def test_the_owner_does_not_review_though_a_route_names_them() -> None:
    assert plan("escalate: [owner, person:wang, superior]").ladder == ("li", "sun")
    assert plan("escalate: [owner]", replace(MATTER, customer="C3")).ladder == HERE.ladder("C3", NOON)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: [{when: {}}]", "the file > route 1: name: Field required"),
        ("routes: [{name: a, whom: owner}]", 'the file > "a": whom: Extra inputs are not permitted'),
        ("tell: everybody", '"everybody" tells nobody'),
        ("tell: []", "tell: Value should have at least 1 item"),
        ("tell: 'person:'", "tells nobody"),
        ("routes: [{name: a, when: {severity: '>= severe'}}]", "the severities are low, medium, high, critical"),
        ("routes: [{name: a, when: {value: many}}]", '"many" is no bound such as'),
        ("routes: [{name: a, routes: [{name: b, clock: moon}]}]", 'the file > "a" > "b": clock: '),
        ("when: {rule: R1}", "the file: when: Extra inputs"),
        ("[", "it cannot be read"),
        ("- 1", "the file: Input should be"),
        ("routes: [{name: a, mute: true}]", "mute: Extra inputs"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_route(text: str, problem: str) -> None:
    with pytest.raises(RoutesInvalid) as caught:
        tree(text)
    assert problem in caught.value.problems[0]


def test_a_tree_too_deep_to_read_is_refused() -> None:
    text = "routes: [{name: a, " * 20 + "tell: owner" + "}]" * 20
    with pytest.raises(RoutesInvalid, match="deep"):
        tree(text)


WORD = st.sampled_from(["audience", "owner", "superior", "top", "fallback", "ticket", "person:sun", "person:gone"])
TELL = st.one_of(st.none(), st.lists(WORD, min_size=1, max_size=3).map(tuple))
WHEN = st.builds(
    When,
    severities=st.lists(st.sampled_from(SEVERITIES), max_size=2).map(tuple),
    regions=st.lists(st.sampled_from(["华东", "华南"]), max_size=2).map(tuple),
    least=st.one_of(st.none(), st.integers(0, 3).map(Decimal)),
)


def node(branches: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Route]:
    below: st.SearchStrategy[Any] = st.just(()) if branches is None else st.lists(branches, max_size=3).map(tuple)
    return st.builds(
        Route,
        name=st.sampled_from("abc"),
        when=WHEN,
        tell=TELL,
        escalate=TELL,
        goes_on=st.booleans(),
        routes=below,
    )


TREES = st.recursive(node(), node, max_leaves=8)
MATTERS = st.builds(
    Matter,
    rule=st.just("R1"),
    severity=st.sampled_from(SEVERITIES),
    customer=st.sampled_from(["C1", "C3", "unknown"]),
    region=st.sampled_from(["华东", "华南", ""]),
    value=st.one_of(st.none(), st.integers(0, 3).map(Decimal)),
)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(TREES, MATTERS, st.lists(st.sampled_from(list(DIRECTORY.people)), max_size=4))
def test_whatever_the_tree_somebody_is_told_and_nobody_twice_and_nobody_absent(
    root: Route, about: Matter, gone: list[str]
) -> None:
    directory = replace(HERE, absences=tuple(Absence(person, NOON, NOON + DAY) for person in gone))
    found = Routes(replace(root, when=When())).plan(about, directory, NOON)
    people = [target.person for target in found.targets]
    assert people
    assert len(set(people)) == len(people)
    assert found.ladder
    assert len(set(found.ladder)) == len(found.ladder)
    assert not {*people, *found.ladder} & set(gone)
