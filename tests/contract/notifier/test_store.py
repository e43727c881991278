"""Filing warnings: everything one causes is there, or nothing of it; repeated it changes nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from schemas.cases import decode_case_event
from services.common.database import Database
from services.notifier import lists, outbox, store
from services.notifier.case import Verdict
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk, NotFound, Refused
from services.notifier.handing import Delegate
from services.notifier.people import Absence, Directory
from services.notifier.policy import HOUSE
from services.notifier.tables import cases, deadlines, metadata, pages, timeline, warnings
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning, r1


def only_case(desk: Desk) -> str:
    (line,) = desk.list_cases(CaseFilter(status=None))
    return line.id


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.reading() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_migrating_twice_and_down_and_up_again_ends_in_the_same_schema(database: Database) -> None:
    database.migrate()
    database.migrate("base", down=True)
    with database.reading() as tx:
        assert inspect(tx).get_table_names() == ["alembic_version"]
    database.migrate()
    with database.reading() as tx:
        assert set(inspect(tx).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_warning_brings_its_case_pages_timeline_deadline_and_events_together(
    database: Database, clerk: Clerk, desk: Desk
) -> None:
    assert clerk.file([r1()]) == {Verdict.OPENED: 1}
    view = desk.get_case(only_case(desk))
    assert [(page.person, page.channel) for page in view.pages] == [
        ("wang", "inbox"),
        ("wang", "email"),
        ("wang", "webhook"),
        ("li", "inbox"),
        ("li", "email"),
        ("li", "webhook"),
        ("chen", "inbox"),
        ("chen", "email"),
        ("chen", "webhook"),
        ("sun", "inbox"),
        ("sun", "webhook"),
    ]
    assert [entry.sequence for entry in view.timeline] == [1, 2, 3, 4, 5]
    assert view.line.due == NOON + DAY
    assert view.warnings[0].warning == r1()
    with database.reading() as tx:
        events = [decode_case_event(row["body"]).type for row in store.unsent_case_events(tx)]
        assert events == ["case.opened", "case.warning_joined", *["intervention.asked"] * 3]
        review = select(deadlines.c.holder, deadlines.c.due_at).where(deadlines.c.kind == "review")
        assert tx.execute(review).one() == ("li", NOON + DAY)


def test_a_repeated_or_older_revision_changes_nothing(database: Database, clerk: Clerk) -> None:
    clerk.file([r1(revision=2)])
    with database.reading() as tx:
        before = [tx.execute(select(table)).all() for table in (cases, warnings, timeline, pages)]
    assert clerk.file([r1(revision=2), r1(revision=1)]) == {Verdict.REPEATED: 1, Verdict.OUT_OF_ORDER: 1}
    with database.reading() as tx:
        assert [tx.execute(select(table)).all() for table in (cases, warnings, timeline, pages)] == before


def test_a_crash_before_the_end_of_a_batch_leaves_nothing_of_it(
    database: Database, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = outbox.put_down, [0]

    def crash_at_the_end(*arguments: Any) -> None:
        calls[0] += 1
        original(*arguments)
        raise KeyboardInterrupt

    def rows() -> dict[str, int]:
        with database.reading() as tx:
            counting = {name: select(func.count()).select_from(table) for name, table in metadata.tables.items()}
            return {name: tx.execute(query).scalar_one() for name, query in counting.items()}

    before = rows()
    monkeypatch.setattr(outbox, "put_down", crash_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        clerk.file([r1(), make_warning("w2", customer_id="C2")])
    assert calls == [1]
    # The ledger has its beginning, and nothing else has anything.
    assert rows() == before
    assert {name for name, number in before.items() if number} == {"ledger", "ledger_head"}


def test_what_settles_is_kept_and_decided_once_also_by_the_next_process(
    database: Database, clock: Clock, desk: Desk
) -> None:
    clerk = Clerk(database, DIRECTORY, clock, settle=timedelta(minutes=1))
    found = make_warning(start=NOON - DAY * 3)
    task = make_warning("t1", output="task", start=NOON - DAY * 3)
    assert clerk.file([found, task]) == {Verdict.SETTLING: 2}
    assert clerk.file([make_warning(revision=2, change="amended", start=NOON - DAY * 3)]) == {Verdict.SETTLING: 1}
    assert (desk.summary().settling, desk.summary().pages) == (2, 0)
    clock.at = NOON + timedelta(minutes=1)
    returned = Clerk(database, DIRECTORY, clock, settle=timedelta(minutes=1))
    assert returned.settle_down() == {Verdict.OPENED: 1, Verdict.TASK_SET: 1}
    assert returned.settle_down() == {}
    (held,) = desk.get_case(only_case(desk)).warnings
    assert (held.warning.revision, len(desk.list_tasks()), desk.summary().settling) == (2, 1, 0)
    with database.reading() as tx:
        verdicts = tx.execute(select(warnings.c.verdict).where(warnings.c.current).order_by(warnings.c.id)).scalars()
        assert list(verdicts) == [Verdict.TASK_SET, Verdict.OPENED]


def test_pages_sent_before_the_newer_schema_are_known_as_sent_and_survive_the_way_back(
    database: Database, clerk: Clerk, desk: Desk
) -> None:
    clerk.file([make_warning()])
    with database.writing() as tx:
        tx.execute(update(pages).where(pages.c.channel == "inbox").values(state="accepted"))
    database.migrate("0001", down=True)
    database.migrate()
    sent = {(page.channel, page.sent_at) for page in desk.get_case(only_case(desk)).pages}
    assert sent == {("inbox", NOON), ("email", None), ("webhook", None)}


def test_every_entry_of_a_timeline_is_published_so_that_sequences_have_no_gap(database: Database, clerk: Clerk) -> None:
    clerk.file([make_warning(), make_warning(revision=2, change="amended")])
    clerk.file([make_warning(revision=3, change="ended", end=NOON), make_warning(revision=4, change="withdrawn")])
    with database.reading() as tx:
        events = [decode_case_event(row["body"]) for row in store.unsent_case_events(tx)]
    assert [event.sequence for event in events] == list(range(1, 7))
    assert [event.type for event in events][2:4] == ["case.warning_amended", "case.warning_ended"]


def test_every_revision_is_kept_and_the_newest_is_current(database: Database, clerk: Clerk) -> None:
    clerk.file([make_warning(), make_warning(revision=2, change="amended", severity="high")])
    with database.reading() as tx:
        assert tx.execute(select(warnings.c.revision, warnings.c.current).order_by("revision")).all() == [
            (1, False),
            (2, True),
        ]
        assert store.find_warning(tx, "w1", 1) == make_warning()


def test_a_customer_has_at_most_one_open_case_whoever_writes(database: Database, clerk: Clerk) -> None:
    clerk.file([make_warning()])
    with database.reading() as tx:
        row = dict(tx.execute(select(cases)).mappings().one())
    with pytest.raises(IntegrityError), database.writing() as tx:
        tx.execute(insert(cases).values({**row, "id": "another"}))


def test_a_new_warning_after_closing_opens_a_second_case(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning()])
    desk.close(only_case(desk), "wang", "act", "called")
    assert clerk.file([make_warning("w2")]) == {Verdict.OPENED: 1}
    assert len(desk.list_cases(CaseFilter(status=None))) == 2


def test_a_deadline_missed_while_the_service_was_away_is_breached_when_it_is_back(
    database: Database, clock: Clock, clerk: Clerk, desk: Desk
) -> None:
    clerk.file([r1()])
    clock.at = NOON + DAY
    returned = Clerk(database, DIRECTORY, clock)
    assert (returned.tick(), returned.tick()) == (1, 0)
    view = desk.get_case(only_case(desk))
    assert [entry.type for entry in view.timeline][-1] == "review.breached"
    told = [(page.kind, page.person) for page in view.pages if page.kind in ("breached", "join_due")]
    assert set(told) == {("breached", "chen"), ("join_due", "li"), ("join_due", "sun")}
    assert view.line.review == "overdue"


def test_the_timeline_counts_up_without_a_gap_when_many_write_at_once(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning()])
    case_id = only_case(desk)
    work: list[Callable[[], None]] = [
        lambda number=number: desk.comment(case_id, "wang", f"note {number}")  # type: ignore[misc]
        for number in range(12)
    ]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.sequence for entry in desk.get_case(case_id).timeline] == list(range(1, 15))


def test_two_who_file_at_once_about_a_new_customer_open_one_case(clerk: Clerk, desk: Desk) -> None:
    """The ticker decides what has settled while the consumer files what comes in."""
    customers, together, verdicts = range(20), threading.Barrier(2), Counter[Verdict]()

    def work(name: str) -> None:
        for number in customers:
            together.wait(20)
            verdicts.update(clerk.file([make_warning(f"{name}{number}", customer_id=f"new-{number}")]))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == {Verdict.OPENED: len(customers), Verdict.JOINED: len(customers)}
    assert len(desk.list_cases(CaseFilter())) == len(customers)


def test_a_task_is_listed_until_it_is_done_and_listed_again_when_it_is_back(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning(output="task")])
    (task,) = desk.list_tasks("wang")
    desk.finish_task(task.id, "wang")
    assert desk.list_tasks() == []
    assert [task.status for task in desk.list_tasks("wang", finished=True)] == ["done"]
    with pytest.raises(NotFound):
        desk.finish_task(task.id, "wang")
    clerk.file([make_warning(revision=2, change="amended", output="task")])
    assert desk.list_tasks() == []
    clerk.file([make_warning(revision=3, output="task")])
    assert len(desk.list_tasks()) == 1


def test_a_task_is_finished_by_its_person_or_a_superior_and_nobody_else(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning(output="task"), make_warning("w2", output="task")])
    for stranger in ("sun", "nobody"):
        with pytest.raises(Refused) as caught:
            desk.finish_task("w1", stranger)
        assert [reason.code for reason in caught.value.reasons] == ["not_your_task"]
    desk.finish_task("w1", "wang")
    desk.finish_task("w2", "zhao")
    assert desk.list_tasks() == []


def test_whoever_is_reminded_of_a_task_may_finish_it(database: Database, clock: Clock) -> None:
    away = Absence("wang", NOON - DAY, NOON + 30 * DAY, "sun")
    people = Directory(DIRECTORY.people, DIRECTORY.customers, "sun", absences=(away,))
    clerk = Clerk(database, people, clock)
    clerk.file([make_warning(output="task")])
    told = lists.remind(["wang"], lists.SUPERIOR_AFTER, None, NOON, people, HOUSE)
    assert {person for person, _ in told.people} == {"sun", "zhao"}
    for person, _ in told.people:
        assert person in lists.may_finish("wang", NOON, people)
    Desk(clerk).finish_task("w1", "sun")
    assert Desk(clerk).list_tasks() == []


def test_in_place_of_who_has_nobody_above_the_fallback_may_finish() -> None:
    assert "sun" in lists.may_finish("zhao", NOON, DIRECTORY)


@pytest.mark.parametrize(
    ("wanted", "customers"),
    [
        (CaseFilter(), ["C2", "C1"]),
        (CaseFilter(severity="high"), ["C2"]),
        (CaseFilter(text="江南"), ["C1"]),
        (CaseFilter(text="c2"), ["C2"]),
        (CaseFilter(text="%"), []),
        (CaseFilter(person="li"), ["C2", "C1"]),
        (CaseFilter(person="zhao"), []),
        (CaseFilter(status="closed"), []),
        (CaseFilter(limit=1), ["C2"]),
    ],
)
def test_the_list_is_filtered_newest_first(
    clock: Clock, clerk: Clerk, desk: Desk, wanted: CaseFilter, customers: list[str]
) -> None:
    clerk.file([make_warning()])
    clock.at = NOON + DAY
    clerk.file([make_warning("w2", customer_id="C2", severity="high")])
    assert [line.customer_id for line in desk.list_cases(wanted)] == customers


def test_a_refused_action_lists_its_reasons_and_changes_nothing(clerk: Clerk, desk: Desk) -> None:
    clerk.file([r1()])
    case_id = only_case(desk)
    before = desk.get_case(case_id)
    with pytest.raises(Refused, match="review") as caught:
        desk.close(case_id, "wang", "act", "")
    assert [reason.code for reason in caught.value.reasons] == ["review_not_opened", "quorum", "reason"]
    assert desk.get_case(case_id) == before


def test_a_case_that_does_not_exist_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.get_case("nowhere")
    with pytest.raises(NotFound):
        desk.acknowledge("nowhere", "wang")


def test_instants_come_back_with_their_zone(database: Database, clerk: Clerk) -> None:
    clerk.file([make_warning()])
    with database.reading() as tx:
        opened_at = tx.execute(select(cases.c.opened_at)).scalar_one()
    assert opened_at == NOON
    assert opened_at.utcoffset() is not None
    with pytest.raises(Exception, match="without a zone"), database.writing() as tx:
        tx.execute(update(cases).values(opened_at=NOON.replace(tzinfo=None)))


def test_a_poison_record_is_kept_once(database: Database) -> None:
    for _ in range(2):
        with database.writing() as tx:
            store.keep_poison(tx, ("t", 0, 2**40), (b"C1", None), "empty", NOON)


def test_of_a_customers_two_cases_one_may_close_and_the_other_open_again_in_one_batch(clerk: Clerk, desk: Desk) -> None:
    customers = ("C1", "C2", "C3", "C4")
    before = {customer: make_warning(f"before-{customer}", customer_id=customer) for customer in customers}
    after = {customer: make_warning(f"after-{customer}", customer_id=customer) for customer in customers}
    clerk.file(list(before.values()))
    for line in desk.list_cases(CaseFilter(status="open")):
        desk.close(line.id, "li", "watch", "it is settled")
    clerk.file(list(after.values()))
    off = [one.model_copy(update={"revision": 2, "change": "withdrawn"}) for one in after.values()]
    worse = {"revision": 2, "change": "amended", "pages_again": True, "severity": "high"}
    back = [one.model_copy(update=worse) for one in before.values()]
    assert clerk.file([*off, *back]) == {Verdict.WITHDRAWN_AND_CLOSED: 4, Verdict.REOPENED: 4}
    assert {line.severity for line in desk.list_cases(CaseFilter(status="open"))} == {"high"}


def test_a_review_is_looked_at_when_whoever_asked_its_holder_in_the_case_goes_away(
    database: Database, clerk: Clerk, desk: Desk
) -> None:
    """Found by the ninety days: the holder acts for somebody by a delegation that only the case knows."""
    clerk.file([r1()])
    case_id = only_case(desk)
    clerk.act(case_id, Delegate("li", "sun", NOON + 5 * DAY))
    with database.reading() as tx:
        assert tx.execute(select(deadlines.c.holder).where(deadlines.c.kind == "review")).scalar_one() == "sun"
        assert store.reviewed_cases(tx, "", ["li"]) == [case_id]
        assert store.reviewed_cases(tx, "", ["zhao"]) == []
