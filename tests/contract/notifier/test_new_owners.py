"""Whoever owns a customer from now on hears of its open case, once, on every database and whoever looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text

from schemas import warnings as wire
from services.common.database import Database
from services.notifier import auditing, outbox, store
from services.notifier.calling import task_to_new_owner
from services.notifier.case import Verdict
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.handing import Assign
from services.notifier.messages import Letters, Notice
from services.notifier.new_owners import NewOwners
from services.notifier.people import Absence, Directory
from services.notifier.routing import Plan, Target
from services.notifier.tables import ledger, pages, tasks
from services.notifier.views import CaseFilter, CaseView
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning, r1


class Office:
    """Two notifiers on one database, of which each looks at the directory."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.people, self.clock, self.database = DIRECTORY, clock, database
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

    def lists(self, *people: str) -> list[bool]:
        """Whether a task is in each one's list."""
        return [bool(self.desk.list_tasks(person)) for person in people]

    def told_of_tasks(self) -> list[tuple[str, str, str]]:
        with self.database.reading() as tx:
            found = outbox.select_pages(tx, pages.c.case_id.is_(None), pages.c.channel == "inbox")
        return [(page.person, page.kind, page.role) for page in found]

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


def task(**fields: Any) -> wire.Warning:
    """R29's, say: in its owner's list."""
    return make_warning("t1", output="task", **fields)


def owner_of(office: Office) -> str | None:
    with office.database.reading() as tx:
        return tx.execute(select(tasks.c.owner).where(tasks.c.id == "t1")).scalar()


def test_an_open_task_goes_to_the_new_owner_who_is_told_once(office: Office) -> None:
    office.clerks[0].file([task()])
    due = office.desk.list_tasks("wang")[0].due
    office.clock.at += timedelta(hours=3)
    office.give("zhao")
    assert [office.look(), office.look()] == [1, 0]
    assert office.lists("wang", "zhao") == [False, True]
    assert office.told_of_tasks() == [("wang", "nudge", "owner"), ("zhao", "assigned", "owner")]
    assert office.desk.list_tasks("zhao")[0].due == due
    office.give("wang")
    assert office.look() == 1
    assert office.lists("wang", "zhao") == [True, False]


def test_the_ledger_says_whose_task_it_is_and_holds(office: Office) -> None:
    office.clerks[0].file([task()])
    office.give("zhao")
    office.look()
    with office.database.reading() as tx:
        query = select(ledger.c.body).where(ledger.c.kind == "task.open").order_by(ledger.c.sequence)
        people = [orjson.loads(body)["people"] for body in tx.execute(query).scalars()]
    assert people == [["wang"], ["zhao"]]
    assert auditing.verify(office.database).findings == []


def test_a_task_goes_over_after_a_restart_too(office: Office) -> None:
    office.clerks[0].file([task()])
    office.give("zhao")
    assert NewOwners(office.clerks[1]).look(office.people) == 1
    assert office.lists("wang", "zhao") == [False, True]


def test_a_superior_who_owns_the_customer_now_is_told_and_the_next_one_up_has_it_too(office: Office) -> None:
    office.clerks[0].file([task(audience=["owner", "superior"])])
    assert office.lists("wang", "li", "chen") == [True, True, False]
    office.give("li")
    office.look()
    assert office.lists("wang", "li", "chen") == [False, True, True]
    assert office.told_of_tasks()[2:] == [("li", "assigned", "owner"), ("chen", "assigned", "superior")]


def test_who_stands_in_for_the_new_owner_has_it_and_keeps_it_until_the_customer_moves_again(office: Office) -> None:
    office.clerks[0].file([task()])
    office.give("zhao")
    away = Absence("zhao", office.clock.at, office.clock.at + DAY, "chen")
    office.people = replace(office.people, absences=(away,))
    assert office.look() == 1
    assert office.told_of_tasks()[1:] == [("chen", "assigned", "stand_in")]
    assert NewOwners(office.clerks[1]).look(office.people) == 0
    office.give("wang")
    office.look()
    assert office.lists("wang", "chen", "zhao") == [True, False, False]


def finished(office: Office) -> None:
    office.desk.finish_task("t1", "wang")


def over(office: Office) -> None:
    office.clerks[0].file([task(revision=2, change="ended")])


@pytest.mark.parametrize("what", [finished, over])
def test_a_task_that_is_over_goes_to_nobody(office: Office, what: Callable[[Office], None]) -> None:
    office.clerks[0].file([task()])
    what(office)
    office.give("zhao")
    assert office.look() == 0
    assert office.told_of_tasks() == [("wang", "nudge", "owner")]


@pytest.mark.parametrize("fields", [{"audience": ["superior"]}, {"department": "service"}])
def test_a_task_that_did_not_come_to_the_owner_stays_where_it_is(office: Office, fields: dict[str, object]) -> None:
    office.clerks[0].file([task(**fields)])
    before = office.lists("wang", "li", "sun", "zhao")
    assert owner_of(office) is None
    office.give("zhao")
    assert office.look() == 0
    assert office.lists("wang", "li", "sun", "zhao") == before


def test_a_task_that_a_route_took_from_the_owner_meanwhile_stays_where_it_is(office: Office) -> None:
    office.clerks[0].file([task()])
    office.give("zhao")
    with office.database.writing() as tx:
        aside = Plan((Target("chen", "department"),), ("chen",))
        warning = store.current_warnings(tx, ["t1"])["t1"]
        outcome = task_to_new_owner(warning, ["wang"], aside, office.clock(), office.people)
    assert (outcome.verdict, outcome.pages, outcome.task) == (Verdict.NOT_DUE, (), None)


def test_a_task_of_an_older_schema_that_one_person_has_is_the_owners_and_follows_the_customer(office: Office) -> None:
    several = make_warning("t2", output="task", customer_id="C2", audience=["owner", "superior"])
    office.clerks[0].file([task(), several, make_warning("t3", output="task")])
    office.desk.finish_task("t3", "wang")
    office.database.migrate("0040", down=True)
    office.database.migrate()
    with office.database.reading() as tx:
        assert dict(tx.execute(select(tasks.c.id, tasks.c.owner)).all()) == {"t1": "wang", "t2": None, "t3": None}
    office.give("zhao")
    assert NewOwners(office.clerks[0]).look(office.people) == 1
    assert office.lists("zhao") == [True]


def test_a_revision_that_calls_nobody_hands_nothing_over_unheard(office: Office) -> None:
    office.clerks[0].file([task()])
    office.give("zhao")
    office.clerks[0].file([task(revision=2, change="amended")])
    assert office.look() == 1
    assert ("zhao", "assigned", "owner") in office.told_of_tasks()


def test_downwards_what_asks_a_department_is_what_the_older_release_knows(office: Office) -> None:
    office.clerks[0].file([r1()])
    kinds = select(pages.c.kind).distinct()
    with office.database.reading() as tx:
        assert "join" in tx.execute(kinds).scalars().all()
    office.database.migrate("0040", down=True)
    with office.database.reading() as tx:
        assert tx.execute(kinds).scalars().all() == ["raised"]
        assert tx.execute(text("SELECT count(*) FROM deadlines WHERE kind = 'team'")).scalar_one() == 0


def test_the_page_says_that_a_task_was_given_and_not_a_case(office: Office) -> None:
    notice = Notice("k", "assigned", "owner", None, task(), at=NOON)
    letters = Letters(office.people, "http://console", UTC)
    assert "Something to do for the customer" in letters.single(notice, office.people.people["chen"]).text
    assert "待办交给您处理" in letters.single(notice, office.people.people["wang"]).text
    of_case = replace(notice, case_id="c1")
    assert "案件交给您处理" in letters.single(of_case, office.people.people["wang"]).text
