"""The check of routes: what ends in nobody is an error, what is odd is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.notifier.people import Customer, Directory, Method
from services.notifier.routing import Routes, When
from services.notifier.routing_file import parse_routes
from services.notifier.routing_lint import covers, lint
from tests.unit.notifier.making import DIRECTORY, NOON

FULL = replace(DIRECTORY, people={id: replace(one, email=f"{id}@example.com") for id, one in DIRECTORY.people.items()})


NO_SERVICE = replace(FULL, people={**FULL.people, "sun": replace(FULL.people["sun"], department="legal")})


def found(text: str, directory: Directory = FULL, channels: dict[str, str | None] | None = None) -> list[str]:
    routes = parse_routes(text.encode(), Path("routes.yaml"))
    return [f"{one.level}: {one.route}: {one.said}" for one in lint(routes, directory, NOON, channels)]


def test_a_tree_in_order_has_no_findings() -> None:
    assert found("routes: [{name: east, when: {region: 华东}, tell: [owner, person:li], channels: [email]}]") == []


def test_no_tree_is_checked_for_what_there_is_without_one() -> None:
    assert lint(Routes(), FULL, NOON) == []
    mute = replace(FULL, people={id: replace(one, email=None, methods=()) for id, one in FULL.people.items()})
    assert [one.level for one in lint(Routes(), mute, NOON)][:1] == ["error"]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("tell: [person:gone]", 'error: all: "person:gone": there is nobody of that id in the directory'),
        ("tell: [department:legal]", 'error: all: "department:legal": nobody works in that department'),
        ("tell: [owner, team]", 'warning: all: "team": the directory does not tell who leads service'),
        ("tell: [head:sales]", 'error: all: "head:sales": the directory names no head of that department'),
        ("routes: [{name: a, when: {region: 火星}}]", 'warning: all > a: no customer has the region "火星"'),
        ("routes: [{name: a, when: {department: law}}]", 'warning: all > a: nobody works in "law"'),
        (
            "routes: [{name: a, when: {value: ['>= 5', '< 5']}}]",
            "warning: all > a: no value is 5 or more and below 5",
        ),
        ("routes: [{name: a, when: {rule: R1}}, {name: a}]", 'error: a: "a" is the name of 2 routes'),
        (
            "routes: [{name: a}, {name: b, when: {rule: R1}}]",
            'error: all > b: nothing comes here: "a" before it takes all of it and does not continue',
        ),
        (
            "routes: [{name: a, when: {severity: high}, routes: [{name: b, when: {severity: low}}]}]",
            "error: all > a > b: nothing can come here",
        ),
        ("channels: [dingtalk]", "error: all: ends in nobody: no verified address by dingtalk of "),
    ],
)
def test_what_is_wrong_is_said(text: str, finding: str) -> None:
    lines = found(text, NO_SERVICE if "team" in text else FULL)
    assert any(line.startswith(finding) for line in lines), lines


def test_a_branch_after_one_that_goes_on_is_reached() -> None:
    assert found("routes: [{name: a, continue: true}, {name: b, when: {rule: R1}}]") == []


def test_a_channel_that_is_not_set_up_reaches_nobody() -> None:
    text = "channels: [wecom_app]"
    people = {id: replace(one, methods=(Method("wecom_app", id, verified=True),)) for id, one in FULL.people.items()}
    directory = replace(FULL, people=people)
    assert found(text, directory, {"wecom_app": "wecom_app"}) == []
    lines = found(text, directory, {"email": "email"})
    assert 'error: all: the channel "wecom_app" is not set up here: there are email' in lines


def test_an_address_that_nobody_verified_reaches_nobody() -> None:
    people = {**FULL.people, "zhao": replace(FULL.people["zhao"], email=None, methods=(Method("email", "z@x"),))}
    lines = found("routes: [{name: top, when: {rule: R3}, tell: [person:zhao]}]", replace(FULL, people=people))
    assert "error: all > top: ends in nobody: no verified address of zhao (customer C1)" in lines


def test_a_route_is_tried_with_every_kind_of_customer_that_comes_there() -> None:
    mute = replace(FULL.people["chen"], email=None, methods=())
    lonely = Customer("C9", "X", "chen", region="西北")
    directory = replace(FULL, people={**FULL.people, "chen": mute}, customers={**FULL.customers, "C9": lonely})
    lines = found("routes: [{name: west, when: {region: 西北}, tell: owner}, {name: rest, tell: owner}]", directory)
    ended = [line for line in lines if "ends in nobody" in line]
    assert ended == [
        f"error: {route}: ends in nobody: no verified address of chen (customer C9)"
        for route in ("all > west", "all > rest")
    ]


def test_escalations_that_reach_nobody_are_an_error() -> None:
    people = {id: replace(one, email=None, methods=()) for id, one in FULL.people.items() if id in ("zhao", "sun")}
    directory = replace(FULL, people={**FULL.people, **people})
    lines = found("routes: [{name: up, when: {rule: R1}, escalate: [top]}]", directory)
    assert "error: all > up: escalates to nobody: no verified address of zhao, sun (customer C1)" in lines


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (When(), When(rules=("R1",)), True),
        (When(rules=("R1",)), When(), False),
        (When(rules=("R1", "R2")), When(rules=("R1",)), True),
        (When(severities=("high",)), When(severities=("high", "low")), False),
        (When(least=5), When(least=6), True),  # type: ignore[arg-type]
        (When(least=6), When(least=5), False),  # type: ignore[arg-type]
        (When(below=6), When(below=5), True),  # type: ignore[arg-type]
    ],
)
def test_one_condition_covers_another(wide: When, narrow: When, covered: bool) -> None:
    assert covers(wide, narrow) is covered
