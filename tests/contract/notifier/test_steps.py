"""What happens by itself stands in the database: a restart, two notifiers, or an older schema lose none of it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import select

from services.common.database import Database
from services.notifier.actions import Reopen
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk, Refused
from services.notifier.metrics import DatabaseCollector
from services.notifier.people import Absence, Directory, Person, Quiet
from services.notifier.tables import deadlines, pages, tasks
from services.notifier.views import CaseFilter, Drawn
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1


def kinds(database: Database) -> Counter[tuple[str, str]]:
    """How often each was told what, in the inbox."""
    with database.reading() as tx:
        query = select(pages.c.kind, pages.c.person).where(pages.c.channel == "inbox")
        return Counter((kind, person) for kind, person in tx.execute(query))


def steps(database: Database) -> list[tuple[str, datetime]]:
    with database.reading() as tx:
        query = select(deadlines.c.name, deadlines.c.next_at).order_by(deadlines.c.next_at, deadlines.c.name)
        return [(name, at) for name, at in tx.execute(query)]


def only_case(desk: Desk) -> str:
    (line,) = desk.list_cases(CaseFilter(status=None))
    return line.id


def test_the_next_step_of_everything_is_there(database: Database, clerk: Clerk, clock: Clock, desk: Desk) -> None:
    clerk.file([r1()])
    asked = ["team:0", "team:1", "team:2"]
    assert [name for name, _ in steps(database)] == ["review:r1", *asked, "task:r1"]
    assert {at for _, at in steps(database)[:4]} == {NOON + 12 * HOUR}
    clock.at = NOON + 12 * HOUR
    assert (clerk.tick(), clerk.tick()) == (1, 0)
    assert steps(database)[0][1] == NOON + 23 * HOUR
    desk.open_review(only_case(desk), "li")
    assert [name for name, _ in steps(database)] == ["idle", "task:r1"]


def test_departments_that_were_asked_stand_in_the_database_until_they_join_or_were_reminded(
    database: Database, clerk: Clerk, clock: Clock, desk: Desk
) -> None:
    clerk.file([r1()])
    desk.join(only_case(desk), "wang", "finance")
    assert [name for name, _ in steps(database) if name.startswith("team")] == ["team:0", "team:1"]
    clock.at = NOON + 13 * HOUR
    assert (clerk.tick(), clerk.tick()) == (1, 0)
    assert [name for name, _ in steps(database) if name.startswith("team")] == []
    assert kinds(database)["join_due", "sun"] == 1
    assert kinds(database)["join_due", "chen"] == 0


def test_a_case_says_who_was_asked_for_which_department(clerk: Clerk, desk: Desk) -> None:
    clerk.file([r1()])
    desk.join(only_case(desk), "wang", "finance")
    view = desk.get_case(only_case(desk))
    assert view.team == (
        Drawn("sales", joined=False, people=("li",), due=NOON + DAY),
        Drawn("finance", joined=True, people=("chen",), due=NOON + DAY),
        Drawn("service", joined=False, people=("sun",), due=NOON + DAY),
    )


def test_a_notifier_that_was_away_takes_each_step_once(database: Database, clerk: Clerk, clock: Clock) -> None:
    clerk.file([r1(), make_warning("w2", customer_id="C2"), make_warning("t1", output="task")])
    clock.at = NOON + 9 * DAY
    returned = Clerk(database, DIRECTORY, clock)
    assert returned.tick() > 0
    assert returned.tick() == 0
    told = kinds(database)
    assert told[("breached", "chen")] == 1
    assert told[("idle", "wang")] == 1
    assert told[("reminder", "wang")] == 3


def test_two_notifiers_at_once_take_each_step_once(database: Database, clerk: Clerk, clock: Clock) -> None:
    clerk.file([r1(f"r{n}", customer_id=f"new-{n}") for n in range(15)])
    clock.at = NOON + DAY
    clerks = [Clerk(database, DIRECTORY, clock) for _ in range(2)]
    together = threading.Barrier(2)

    def work(one: Clerk) -> None:
        together.wait(20)
        while one.tick():
            pass

    threads = [threading.Thread(target=work, args=(one,)) for one in clerks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as tx:
        breached = tx.execute(select(pages.c.case_id).where(pages.c.kind == "breached")).scalars().all()
    assert len(breached) == len(set(breached)) == 15


def test_an_older_schema_and_back_keeps_deadlines_and_what_was_done(
    database: Database, clerk: Clerk, clock: Clock, desk: Desk
) -> None:
    clerk.file([r1()])
    desk.acknowledge(only_case(desk), "wang")
    database.migrate("0010", down=True)
    database.migrate()
    view = desk.get_case(only_case(desk))
    assert (view.line.due, view.line.stage) == (NOON + DAY, "acknowledged")
    clock.at = NOON + DAY
    assert clerk.tick() == 1
    assert kinds(database)[("breached", "chen")] == 1


def test_a_case_of_an_older_schema_comes_back_too_when_nobody_works_on_it(database: Database, clerk: Clerk) -> None:
    clerk.file([make_warning(), r1("r2", customer_id="C2")])
    database.migrate("0010", down=True)
    database.migrate()
    assert sorted(name for name, _ in steps(database)) == ["idle", "review:r2"]


def test_a_page_that_is_not_critical_waits_in_the_outbox_for_the_morning(database: Database, clock: Clock) -> None:
    wang = replace(DIRECTORY.people["wang"], quiet=Quiet(time(11), time(14)))
    directory = replace(DIRECTORY, people={**DIRECTORY.people, "wang": wang})
    clerk = Clerk(database, directory, clock)
    clerk.file([make_warning(), make_warning("w2", customer_id="C2", severity="critical")])
    with database.reading() as tx:
        query = select(pages.c.warning_id, pages.c.next_at).where(pages.c.person == "wang")
        assert dict(tx.execute(query).all()) == {"w1": NOON + 2 * HOUR, "w2": NOON}


def test_a_task_in_an_owners_list_is_told_of_until_it_is_done(
    database: Database, clerk: Clerk, clock: Clock, desk: Desk
) -> None:
    clerk.file([make_warning("t1", output="task", act_within_days=2)])
    (task,) = desk.list_tasks("wang")
    assert task.due == NOON + 2 * DAY + 6 * HOUR
    for hours in (44, 45, 46, 69):
        clock.at = NOON + hours * HOUR
        clerk.tick()
    assert kinds(database)[("reminder", "wang")] == 2
    desk.finish_task("t1", "wang")
    clock.at = NOON + 20 * DAY
    assert clerk.tick() == 0


def test_a_task_that_is_back_has_its_time_anew(database: Database, clerk: Clerk, clock: Clock, desk: Desk) -> None:
    clerk.file([make_warning("t1", output="task", act_within_days=1)])
    clock.at = NOON + DAY
    clerk.tick()
    desk.finish_task("t1", "wang")
    clock.at = NOON + 2 * DAY
    clerk.file([make_warning("t1", 2, output="task", act_within_days=1)])
    with database.reading() as tx:
        due, reminders = tx.execute(select(tasks.c.due_at, tasks.c.reminders)).one()
    assert (due, reminders) == (NOON + 3 * DAY + 6 * HOUR, 0)


def test_who_goes_away_hands_over_at_once_and_who_comes_back_is_asked_again(database: Database, clock: Clock) -> None:
    absence = Absence("li", NOON + HOUR, NOON + 3 * HOUR, "sun")
    directories = [replace(DIRECTORY, absences=(absence,))]
    clerk = Clerk(database, lambda: directories[0], clock)
    clerk.file([r1()])
    for hours, holder in ((0.5, "li"), (1, "sun"), (2, "sun")):
        clock.at = NOON + hours * HOUR
        clerk.tick()
        with database.reading() as tx:
            assert tx.execute(select(deadlines.c.holder).where(deadlines.c.kind == "review")).scalar() == holder
    directories[0] = moved(directories[0])
    clerk.tick()
    assert kinds(database)[("due_soon", "zhao")] == 1


def moved(directory: Directory) -> Directory:
    """The customer is now 陈杰's, above whom there is only 赵敏; and the fallback has taken its own leave."""
    people = {**directory.people, "wang": replace(directory.people["wang"], reports_to="zhao")}
    absences = (*directory.absences, Absence("sun", NOON, NOON + 10 * DAY))
    return replace(directory, people=people, absences=absences)


def test_a_closed_case_stays_closed_where_the_customer_has_another(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning()])
    closed = only_case(desk)
    desk.close(closed, "wang", "watch", "seen")
    clerk.file([make_warning("w2")])
    with pytest.raises(Refused) as caught:
        desk.do(closed, Reopen("wang", "once more"))
    assert [reason.code for reason in caught.value.reasons] == ["open_case"]


def test_the_latest_step_that_nobody_takes_is_a_metric(database: Database, clerk: Clerk, clock: Clock) -> None:
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(database, clock))

    def late(step: str) -> float:
        name = f'bellwether_notifier_step_late_seconds{{step="{step}"}} '
        lines = generate_latest(registry).decode().splitlines()
        return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    clerk.file([r1(), make_warning("t1", output="task", act_within_days=1)])
    assert (late("review"), late("task"), late("idle")) == (0, 0, 0)
    clock.at = NOON + 23 * HOUR
    assert (late("review"), late("team"), late("task")) == (11 * 3600, 11 * 3600, 2 * 3600)
    while clerk.tick():
        pass
    assert (late("review"), late("team"), late("task")) == (0, 0, 0)


def test_the_clock_that_stood_still_is_made_up_for_when_it_goes_on(
    database: Database, clerk: Clerk, clock: Clock
) -> None:
    clerk.file([r1()])
    for _ in range(3):
        clerk.tick()
    assert kinds(database)[("due_soon", "li")] == 0
    clock.at = NOON + timedelta(hours=12, seconds=1)
    clerk.tick()
    assert kinds(database)[("due_soon", "li")] == 1


def test_of_two_absences_that_overlap_the_delegate_of_each_is_asked_in_its_time(
    database: Database, clock: Clock
) -> None:
    first = Absence("li", NOON - DAY, NOON + HOUR, "ada")
    people = {**DIRECTORY.people, "ada": Person("ada", "Ada", "sales")}
    directory = replace(DIRECTORY, people=people, absences=(first, Absence("li", NOON - HOUR, NOON + 5 * HOUR)))
    clerk = Clerk(database, directory, clock)
    clerk.file([r1()])
    for at, asked in ((NOON, "ada"), (NOON + HOUR, "chen")):
        clock.at = at
        clerk.tick()
        with database.reading() as tx:
            holder = tx.execute(select(deadlines.c.holder).where(deadlines.c.kind == "review")).scalar()
        assert holder == asked
