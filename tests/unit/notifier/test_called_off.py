"""A reminder that waits, for a morning or a digest, is not sent once somebody has done what it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.notifier.actions import Comment, Join, OpenReview
from services.notifier.people import Department
from services.notifier.views import PageView
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1
from tests.unit.notifier.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def pages_of(office: Office, kind: str) -> list[PageView]:
    case = office.desk.get_case(office.the_case())
    return [page for page in case.pages if page.kind == kind and page.channel == "webhook"]


def states(office: Office, kind: str) -> dict[str, str]:
    return {page.person: page.state for page in pages_of(office, kind)}


def test_that_a_review_is_due_soon_is_not_told_once_it_is_open(office: Office) -> None:
    office.clerk.file([r1(), r1("r2")])
    office.dispatcher.round()
    office.at = NOON + 12 * HOUR
    office.clerk.tick()
    assert [page.state for page in pages_of(office, "due_soon")] == ["pending", "pending"]
    office.clerk.act(office.the_case(), Comment("li", "tomorrow"))
    assert [page.state for page in pages_of(office, "due_soon")] == ["pending", "pending"]
    office.clerk.act(office.the_case(), OpenReview("li"))
    assert [page.state for page in pages_of(office, "due_soon")] == ["cancelled", "cancelled"]
    assert [page.person for page in pages_of(office, "join_due") if page.state == "pending"] == ["chen", "sun"]


def test_that_a_department_has_not_joined_is_not_told_once_it_has(office: Office) -> None:
    office.clerk.file([r1()])
    assert states(office, "join") == {"chen": "pending", "sun": "pending"}
    office.clerk.act(office.the_case(), Join("wang", "finance"))
    assert states(office, "join") == {"chen": "cancelled", "sun": "pending"}
    office.at = NOON + 12 * HOUR
    office.clerk.tick()
    assert states(office, "join_due") == {"sun": "pending"}
    office.clerk.act(office.the_case(), Join("wang", "service"))
    assert states(office, "join_due") == {"sun": "cancelled"}


def test_who_is_asked_for_two_departments_is_asked_until_both_have_joined(office: Office) -> None:
    both_his = (Department("finance", "", "chen"), Department("service", "", "chen"))
    office.clerk.people = replace(DIRECTORY, offices=both_his)
    office.clerk.file([r1()])
    office.clerk.act(office.the_case(), Join("wang", "finance"))
    assert states(office, "join") == {"chen": "pending"}
    office.clerk.act(office.the_case(), Join("wang", "service"))
    assert states(office, "join") == {"chen": "cancelled"}


def test_that_nobody_works_on_a_case_is_not_told_once_it_is_closed_and_what_was_raised_is(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.at = NOON + 14 * DAY
    office.clerk.tick()
    waiting = {kind: len(pages_of(office, kind)) for kind in ("raised", "idle", "reminder")}
    assert all(waiting.values())
    office.desk.close(office.the_case(), "li", "watch", "we talked to them")
    assert {page.state for kind in ("idle", "reminder") for page in pages_of(office, kind)} == {"cancelled"}
    assert office.dispatcher.round() == waiting["raised"]
