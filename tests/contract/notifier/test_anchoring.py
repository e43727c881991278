"""The ledger's end is told to the topic within a minute, so that what no case event tells of cannot be cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from schemas.cases import CasesRecord, LedgerAnchor, decode_cases_record
from services.common.database import Database
from services.notifier import directory_store, ledger, store, tables
from services.notifier.anchoring import Anchoring
from services.notifier.audit_cli import LATE, WHO_ANCHORS, report
from services.notifier.chain import ANCHOR_AFTER
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.directory_entries import Said
from services.notifier.holds import Hold
from tests.contract.notifier.clocks import Clock
from tests.contract.notifier.test_auditing import by_hand, troubles, verify
from tests.unit.notifier.making import HOUR, make_warning, r1

SECOND = timedelta(seconds=1)


@pytest.fixture
def topic(database: Database, clerk: Clerk) -> list[CasesRecord]:
    """A case, all of whose events are on the topic."""
    clerk.file([r1()])
    return send(database, [])


def send(database: Database, topic: list[CasesRecord]) -> list[CasesRecord]:
    """The publisher sends what waits."""
    with database.writing() as tx:
        topic += [decode_cases_record(row["body"]) for row in store.unsent_case_events(tx)]
        tx.execute(tables.case_events.delete())
    return topic


def anchors(topic: list[CasesRecord]) -> list[LedgerAnchor]:
    return [record for record in topic if isinstance(record, LedgerAnchor)]


def move(database: Database, clock: Callable[[], datetime], person: str = "wang") -> None:
    """Somebody changes the directory: a row of no case."""
    with database.writing() as tx:
        said = Said("person", person, {"name": person, "department": f"sales {clock():%M%S}"})
        directory_store.claim(tx, "people.yaml", [said], clock(), "ops")


def cut_off(database: Database, rows: int) -> int:
    """Delete the last rows, and have the record of the end say so; the first of them."""
    with database.writing() as tx:
        first = ledger.head(tx).sequence - rows + 1
        last = tx.execute(select(tables.ledger).where(tables.ledger.c.sequence == first - 1)).mappings().one()
        tx.execute(tables.ledger.delete().where(tables.ledger.c.sequence >= first))
        tx.execute(tables.ledger_private.delete().where(tables.ledger_private.c.sequence >= first))
        tx.execute(tables.ledger_head.update().values(sequence=last["sequence"], hash=last["hash"]))
    return first


def test_what_no_case_event_tells_of_is_anchored_after_a_minute_and_once(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    notifiers = [Anchoring(database, clock) for _ in range(2)]
    move(database, clock)
    for passed in (0 * SECOND, ANCHOR_AFTER - SECOND):
        clock.at += passed
        assert [one.step() for one in notifiers] == [False, False]
        assert anchors(send(database, topic)) == []
    clock.at += SECOND
    for _ in range(3):
        assert [one.step() for one in notifiers] == [False, False]
    (anchor,) = anchors(send(database, topic))
    found = verify(database, topic)
    assert (found.findings, found.unanchored_since) == ([], None)
    assert (anchor.at, anchor.ledger.sequence) == (clock.at, found.head.sequence)


def test_an_idle_ledger_has_no_anchors_and_one_that_grows_has_one_a_minute(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    one = Anchoring(database, clock)
    for second in range(600):
        clock.at += SECOND
        if second < 300:
            move(database, clock, f"p{second}")
        one.step()
    assert len(anchors(send(database, topic))) == 5
    assert verify(database, topic).unanchored_since is None


def test_while_case_events_tell_of_the_rows_before_them_no_anchor_is_needed(
    database: Database, clerk: Clerk, clock: Clock, topic: list[CasesRecord]
) -> None:
    one = Anchoring(database, clock)
    for number in range(20):
        move(database, clock, f"p{number}")
        clock.at += 30 * SECOND
        clerk.file([make_warning(f"w{number}", customer_id="C2")])
        one.step()
    assert anchors(send(database, topic)) == []


def test_of_notifiers_that_find_it_due_together_one_does_it(database: Database, clock: Clock) -> None:
    move(database, clock)
    clock.at += HOUR
    together, seen = threading.Barrier(3), threading.local()

    def now() -> datetime:
        if not hasattr(seen, "once"):
            # Nobody goes on to write before all have found that they must.
            seen.once = together.wait(20)
        return clock.at

    threads = [threading.Thread(target=Anchoring(database, now).step) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(anchors(send(database, []))) == 1


def test_an_end_that_was_cut_off_is_found_once_it_was_anchored(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    move(database, clock)
    clock.at += ANCHOR_AFTER
    Anchoring(database, clock).step()
    send(database, topic)
    first = cut_off(database, 2)
    chain = [one for one in troubles(verify(database)) if one.startswith(("removed", "truncated", "end_rewritten"))]
    assert chain == []
    told = f"truncated: row {first + 1}: the topic was told of ledger.anchored"
    assert told in troubles(verify(database, topic))


def test_an_end_that_was_cut_off_and_written_over_is_found_too(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    move(database, clock)
    clock.at += ANCHOR_AFTER
    Anchoring(database, clock).step()
    send(database, topic)
    first = cut_off(database, 2)
    for person in ("li", "zhao", "chen"):
        move(database, clock, person)
    found = troubles(verify(database, topic))
    assert any(one.startswith("made_anew") and str(first + 1) in one for one in found), found
    assert any(one.startswith(f"not_as_told: row {first + 1}") and "ledger.anchored" in one for one in found), found


def test_verifying_tells_of_rows_that_are_not_anchored_yet(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    anchored = verify(database, topic)
    behind = anchored.head.sequence - anchored.anchored
    for _ in range(2):
        clock.at += 40 * SECOND
        move(database, clock)
    found = verify(database, topic)
    assert f"{behind + 2} rows of the last 80 s are not anchored yet" in list(report(found, clock.at))
    late = list(report(found, clock.at + LATE))
    assert f"{behind + 2} rows of the last 260 s are not anchored yet: {WHO_ANCHORS}" in late
    Anchoring(database, clock).step()
    # It waits for the publisher.
    assert verify(database, topic).unanchored_since is not None
    send(database, topic)
    assert not any("not anchored" in line for line in report(verify(database, topic), clock.at))


def test_an_anchor_that_was_taken_out_before_it_was_sent_is_missed(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    move(database, clock)
    clock.at += ANCHOR_AFTER
    Anchoring(database, clock).step()
    by_hand(database, "DELETE FROM case_events")
    number = verify(database).head.sequence
    expected = f"missing_on_topic: row {number}: ledger.anchored, was never sent"
    assert troubles(verify(database, topic)) == [expected]


def test_rows_that_the_anchoring_counts_as_published_are_those_of_which_the_topic_is_told(
    database: Database, desk: Desk, clerk: Clerk, clock: Clock
) -> None:
    """Kinds such as hold.set and task.done are told of where they are a case's, and not where they are nobody's."""
    clerk.file([r1(), make_warning("t1", output="task")])
    desk.hold(Hold("h1", "snooze", "R7", "C1", "until Monday", "li", clock(), clock() + HOUR, "high"))
    desk.finish_task("t1", "wang")
    move(database, clock)
    clock.at += ANCHOR_AFTER
    Anchoring(database, clock).step()
    with database.reading() as tx:
        query = select(tables.ledger.c.sequence).where(ledger.PUBLISHED).order_by(tables.ledger.c.sequence)
        published = list(tx.execute(query).scalars())
    assert published == [record.ledger.sequence for record in send(database, []) if record.ledger]


def test_a_clock_that_was_set_back_does_not_keep_the_end_unanchored(
    database: Database, clock: Clock, topic: list[CasesRecord]
) -> None:
    move(database, clock)
    clock.at -= HOUR
    Anchoring(database, clock).step()
    assert len(anchors(send(database, topic))) == 1


@pytest.mark.parametrize("body", ["not JSON", "{}", '{"at":7}', '{"at":"soon"}', '{"at":"0001-01-01"}'])
def test_a_row_that_somebody_rewrote_does_not_stop_it(
    database: Database, clock: Clock, topic: list[CasesRecord], body: str
) -> None:
    del topic
    by_hand(database, "UPDATE ledger SET body = :body", body=body)
    Anchoring(database, clock).step()
    assert len(anchors(send(database, []))) == 1
