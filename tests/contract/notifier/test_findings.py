"""Tasks, tickets, suggestions, customers and rejected records hold on every database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.database import Database
from services.notifier import store
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk, NotFound, Refused, SignInFailed
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, NOON, make_warning


def test_a_nul_is_refused_or_finds_nothing_and_never_an_error_of_the_database(
    clerk: Clerk, desk: Desk, database: Database
) -> None:
    clerk.file([make_warning()])
    with pytest.raises(Refused) as caught:
        desk.comment(desk.list_cases(CaseFilter())[0].id, "wang", "before\x00after")
    assert [reason.code for reason in caught.value.reasons] == ["nul"]
    with pytest.raises(SignInFailed):
        desk.authenticate("wa\x00ng", "correct horse battery")
    with database.writing() as tx:
        store.keep_poison(tx, ("t", 0, 1), (b"\x00", b"\x00"), "no warning", NOON)
    (kept,) = desk.list_rejected()
    assert (kept.key, kept.beginning) == (" ", " ")


def test_a_ticket_is_in_the_lists_of_all_its_people_and_done_for_all_when_one_has_done_it(
    clerk: Clerk, desk: Desk
) -> None:
    legal = make_warning("t1", output="task", department="legal")
    clerk.file([legal, legal.model_copy(update={"revision": 2, "change": "amended"})])
    (task,) = desk.list_tasks("li")
    assert (task.people, task.department, task.stand_in) == (("李娜", "王强"), "legal", True)
    assert [one.id for one in desk.list_tasks("wang")] == ["t1"]
    desk.finish_task("t1", "wang")
    (done,) = desk.list_tasks("li", finished=True)
    assert (done.status, done.done_by, desk.list_tasks()) == ("done", "王强", [])


def test_what_was_done_stays_done_by_whom_when_the_task_ends_later(clerk: Clerk, clock: Clock, desk: Desk) -> None:
    clerk.file([make_warning("t1", output="task")])
    desk.finish_task("t1", "wang")
    clock.at = NOON + DAY
    clerk.file([make_warning("t1", 2, "ended", output="task", end=NOON)])
    (task,) = desk.list_tasks("wang", finished=True)
    assert (task.status, task.done_by, task.updated_at) == ("done", "王强", NOON)
    assert [one.change for one in desk.find("t1").history] == ["ended", "raised"]


def test_a_suggestion_holds_until_a_revision_ends_it_and_one_of_a_single_event_for_a_month(
    clerk: Clerk, clock: Clock, desk: Desk
) -> None:
    idea = make_warning("s1", output="suggestion")
    point = make_warning("s2", output="suggestion", kind="point", end=NOON - DAY, start=NOON - DAY)
    clerk.file([idea, point, make_warning("s3", output="suggestion", historical=True)])
    assert {one.warning.id for one in desk.list_suggestions("wang")} == {"s1", "s2"}
    assert desk.list_suggestions("li") == []
    clerk.file([make_warning("s1", 2, "amended", output="suggestion", end=NOON)])
    assert {one.warning.id for one in desk.list_suggestions()} == {"s2"}
    clock.at = NOON + 30 * DAY
    assert desk.list_suggestions() == []


def test_a_customers_page_has_its_cases_tasks_and_suggestions_and_nobody_elses(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning(), make_warning("t1", output="task"), make_warning("s1", output="suggestion")])
    clerk.file([make_warning("w2", customer_id="C2"), make_warning("t2", output="task", customer_id="C2")])
    view = desk.get_customer("C1")
    assert ([one.id for one in view.tasks], [one.warning.id for one in view.suggestions]) == (["t1"], ["s1"])
    assert [line.customer_id for line in view.cases] == ["C1"]
    assert desk.get_customer("C4").cases == ()
    with pytest.raises(NotFound):
        desk.get_customer("nobody ever heard of")


def test_tasks_and_suggestions_of_before_are_known_to_the_newer_schema_and_survive_the_way_back(
    database: Database, clerk: Clerk, desk: Desk
) -> None:
    clerk.file([make_warning("t1", output="task"), make_warning("s1", output="suggestion")])
    clerk.file([make_warning("s2", output="suggestion"), make_warning("s2", 2, "ended", output="suggestion", end=NOON)])
    before = desk.list_tasks("wang"), desk.list_suggestions()
    database.migrate("0002", down=True)
    database.migrate()
    # The older schema has no dates of tasks: what it kept comes back without them.
    kept = [replace(task, due=None) for task in before[0]]
    assert (desk.list_tasks("wang"), desk.list_suggestions()) == (kept, before[1])
    assert len(before[0]) == len(before[1]) == 1
