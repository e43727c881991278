"""What `bellwether routes test` shows is what the policy would do if nobody did anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from services.notifier.case import PageKind
from services.notifier.house import House
from services.notifier.people import Absence, Directory
from services.notifier.routing_file import parse_routes
from services.notifier.routing_preview import Preview, Supposed, preview, suppose, with_customer
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON


def shown(
    directory: Directory = DIRECTORY, text: str = "{}", channels: dict[str, str | None] | None = None, **what: object
) -> Preview:
    supposed = Supposed(**{"rule": "R1", "severity": "high", "customer": "C1", **what})  # type: ignore[arg-type]
    house = House(routes=parse_routes(text.encode(), Path("routes.yaml")))
    return preview(suppose(supposed, NOON), directory, house, NOON, channels)


def steps(found: Preview, *kinds: PageKind) -> list[tuple[float, str, str]]:
    """Hours from the beginning, kind, person."""
    return [((s.at - NOON) / HOUR, s.page.kind, s.page.person) for s in found.steps if s.page.kind in kinds]


def test_a_review_that_nobody_holds_goes_up_the_line_to_the_fallback() -> None:
    found = steps(shown(), "raised", "due_soon", "breached")
    assert found[:7] == [
        (0, "raised", "wang"),
        (0, "raised", "li"),
        (12, "due_soon", "li"),
        (23, "due_soon", "li"),
        (24, "breached", "chen"),
        (36, "due_soon", "chen"),
        (47, "due_soon", "chen"),
    ]
    assert [person for _, kind, person in found if kind == "breached"][:4] == ["chen", "zhao", "sun", "sun"]


def test_a_rule_without_a_review_pages_once_and_then_comes_back_when_idle() -> None:
    assert steps(shown(rule="R7"), "raised", "due_soon", "breached") == [(0, "raised", "wang"), (0, "raised", "li")]


def test_channels_are_those_of_the_route_that_reach_the_person_and_else_all_that_do() -> None:
    found = shown(text="channels: [dingtalk, email]").steps
    reviews = [step for step in found if step.page.person == "li" and step.page.kind in ("raised", "due_soon")]
    assert {(step.channels, step.in_turn) for step in reviews} == {(("email",), True)}
    robot = {"email": "email", "dingtalk": None}
    first = shown(text="channels: [dingtalk, email]", channels=robot).steps[0]
    assert (first.channels, first.in_turn) == (("dingtalk", "email"), True)
    other = shown(text="channels: [slack]", channels=robot).steps[0]
    assert (other.channels, other.in_turn) == (("email", "dingtalk"), False)
    assert {step.channels for step in shown(channels={"wecom_app": "wecom_app"}).steps} == {()}


def test_why_says_who_is_meant_and_for_whom_they_stand_in() -> None:
    away = replace(DIRECTORY, absences=(Absence("wang", NOON, NOON + DAY, "sun"),))
    first = shown(away).steps[0]
    assert (first.page.person, first.why) == ("sun", "told as owner, for wang, who is away, asked for service")


def test_who_is_asked_for_a_department_is_shown_and_for_whom() -> None:
    away = replace(DIRECTORY, absences=(Absence("chen", NOON, NOON + DAY, "zhao"),))
    found = shown(away)
    assert steps(found, "join", "join_due") == [
        (0, "join", "zhao"),
        (0, "join", "sun"),
        (12, "join_due", "zhao"),
        (12, "join_due", "sun"),
    ]
    why = {step.page.person: step.why for step in found.steps if step.page.kind == "join"}
    assert why == {"zhao": "asked for finance, for chen, who is away", "sun": "asked for service"}
    assert steps(shown(text="tell: audience"), "join") == []


def test_a_ticket_goes_to_its_department() -> None:
    assert steps(shown(department="service", output="task"), "nudge") == [(0, "nudge", "sun")]


def test_a_customer_may_be_supposed_to_be_another() -> None:
    directory = with_customer(DIRECTORY, "new", category="A", region="华东", value=None)
    found = shown(directory, "routes: [{name: a, when: {class: A, region: 华东}}]", customer="new")
    assert found.plan.routes == (("all", "a"),)
    assert "new" not in DIRECTORY.customers
