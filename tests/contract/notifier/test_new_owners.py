"""Whoever owns a customer from now on hears of its open case, once, on every database and whoever looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.common.database import Database
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.handing import Assign
from services.notifier.new_owners import NewOwners
from services.notifier.people import Directory
from services.notifier.views import CaseFilter, CaseView
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning, r1


class Office:
    """Two notifiers on one database, of which each looks at the directory."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.people, self.clock = DIRECTORY, clock
        self.clerks = [Clerk(database, lambda: self.people, clock, channels=("webhook",)) for _ in range(2)]
        self.looking = [NewOwners(clerk) for clerk in self.clerks]
        self.desk = Desk(self.clerks[0])
        self.look()

    def look(self) -> int:
        return sum(one.look(self.people) for one in self.looking)

    def give(self, owner: str | None, customer: str = "C1") -> None:
        given = {**self.people.customers, customer: replace(self.people.customers[customer], owner=owner)}
        self.people = Directory(self.people.people, given, "sun")

    def case(self, status: str | None = None) -> CaseView:
        (line,) = self.desk.list_cases(CaseFilter(status=status))  # type: ignore[arg-type]  # a word of the test's
        return self.desk.get_case(line.id)

    def told(self) -> list[tuple[str, str, str]]:
        return [(page.person, page.kind, page.role) for page in self.case().pages if page.channel == "inbox"]


@pytest.fixture
def office(database: Database, clock: Clock) -> Office:
    return Office(database, clock)


def test_the_new_owner_is_told_once_and_has_what_the_former_one_had_still_to_do(office: Office) -> None:
    office.clerks[0].file([make_warning()])
    office.give("zhao")
    assert office.look() == 1
    assert office.look() == 0
    assert office.told()[2:] == [("zhao", "assigned", "owner")]
    case = office.case()
    assert (case.timeline[-1].type, case.timeline[-1].actor, case.timeline[-1].person) == (
        "case.assigned",
        None,
        "zhao",
    )
    assert case.work is not None
    assert [todo.person for todo in case.work.todos] == ["zhao"]
    assert [line.id for line in office.desk.list_cases(CaseFilter(person="zhao"))] == [case.line.id]


def test_whatever_else_happens_to_the_case_in_between_does_not_hide_the_handover(office: Office) -> None:
    office.clerks[0].file([r1()])
    office.clock.at = NOON + DAY
    office.give("li")
    office.clerks[0].tick()
    office.clerks[0].act(office.case().line.id, Assign("chen", "zhao"))
    assert office.look() == 1
    assert ("li", "assigned", "owner") in office.told()


def test_it_is_told_after_a_restart_too_and_what_is_nobodys_is_the_fallbacks(office: Office) -> None:
    office.clerks[0].file([make_warning()])
    office.give(None)
    assert NewOwners(office.clerks[1]).look(office.people) == 1
    assert office.told()[2:] == [("sun", "assigned", "fallback")]


def test_it_gives_nobody_more_time(office: Office) -> None:
    office.clerks[0].file([r1()])
    before = office.case()
    office.clock.at += timedelta(hours=3)
    office.give("zhao")
    office.look()
    after = office.case()
    assert (after.line.due, after.work and after.work.idle_at) == (before.line.due, before.work and before.work.idle_at)


def closed(office: Office) -> None:
    office.desk.close(office.case().line.id, "li", "accept", "we know")


def withdrawn(office: Office) -> None:
    office.clerks[0].file([make_warning(revision=2, change="withdrawn")])


@pytest.mark.parametrize("over", [closed, withdrawn])
def test_of_a_case_that_is_over_nobody_is_told_until_it_is_opened_again(
    office: Office, over: Callable[[Office], None]
) -> None:
    office.clerks[0].file([make_warning()])
    over(office)
    office.give("zhao")
    assert office.look() == 0
    office.clerks[0].file([make_warning(revision=3, pages_again=True)])
    assert ("zhao", "raised", "owner") in office.told()
    assert office.case().line.owner == "zhao"
    office.give("wang")
    assert office.look() == 1, "the next change of owner is told again"
