"""A warning that is taken back: whoever was told of it, by whatever page, is told that it is off."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.notifier.handing import Assign, Delegate
from tests.unit.notifier.making import DAY, NOON, make_warning, r1
from tests.unit.notifier.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def let_pass(office: Office, span: timedelta) -> None:
    """All steps up to then, each when it is due, and every page sent."""
    until = office.at + span
    while office.at < until:
        office.at += timedelta(hours=6)
        office.clerk.tick()
        office.dispatcher.round()
        office.inbox.round()


def told_that_it_is_off(office: Office) -> set[str]:
    case = office.desk.get_case(office.the_case())
    return {page.person for page in case.pages if page.kind == "withdrawn" and page.channel == "webhook"}


def test_who_was_given_the_case_is_told(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.clerk.act(office.the_case(), Assign("li", "zhao"))
    let_pass(office, timedelta(hours=6))
    office.clerk.file([make_warning(revision=2, change="withdrawn")])
    assert told_that_it_is_off(office) == {"wang", "li", "zhao"}


def test_who_acts_in_somebodys_place_is_told(office: Office) -> None:
    office.clerk.file([r1()])
    office.clerk.act(office.the_case(), Delegate("wang", "sun", NOON + 5 * DAY))
    let_pass(office, timedelta(hours=6))
    office.clerk.file([r1(revision=2, change="withdrawn")])
    assert told_that_it_is_off(office) == {"wang", "li", "sun", "chen"}


def test_whoever_heard_of_it_when_it_came_back_or_was_left_undone_is_told(office: Office) -> None:
    office.clerk.file([make_warning()])
    let_pass(office, timedelta(days=14))
    heard = {page.person for page in office.desk.get_case(office.the_case()).pages if page.kind != "raised"}
    assert heard >= {"wang", "li", "chen"}
    office.clerk.file([make_warning(revision=2, change="withdrawn")])
    assert told_that_it_is_off(office) == heard


def test_whom_no_page_about_it_has_reached_is_not_told(office: Office) -> None:
    office.clerk.file([make_warning()])
    office.dispatcher.round()
    office.clerk.act(office.the_case(), Assign("li", "zhao"))
    office.clerk.file([make_warning(revision=2, change="withdrawn")])
    assert told_that_it_is_off(office) == {"wang", "li"}
