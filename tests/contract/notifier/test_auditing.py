"""A database that somebody rewrote by hand is told from one that nobody touched, on every database."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import Connection, func, select, text

from schemas.cases import CaseEvent, decode_case_event
from services.common.database import Database
from services.notifier import auditing, chain, directory_store, holding, outbox, recording, store, tables
from services.notifier.auditing import Audit
from services.notifier.chain import Head
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.directory_entries import Said
from services.notifier.holds import Hold
from services.notifier.recording import Origin
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import HOUR, make_warning, r1

ELSEWHERE = Origin("console", "192.0.2.7", "Firefox")


@pytest.fixture
def lived(database: Database, clerk: Clerk, desk: Desk, clock: Clock) -> Database:
    """Two cases, a task, pages of every fate, a decision, and something published."""
    clerk.file([r1(), make_warning("w2", customer_id="C2"), make_warning("t1", output="task")])
    with database.writing() as tx:
        pages = outbox.select_pages(tx, tables.pages.c.id > 0)
        ids = [page.id for page in pages]
        outbox.mark_sending(tx, [(page.key, [page]) for page in pages], "one", clock())
        outbox.mark_accepted(tx, [(page, "provider-1") for page in pages[:3]], clock())
        outbox.mark_lost(tx, ids[3:4], "failed", "550 wang@example.com is not here", clock())
        outbox.mark_lost(tx, ids[4:5], "uncertain", "the line broke", clock())
    clock.at += HOUR
    case = case_of(desk, "C1")
    here = desk.coming_from(ELSEWHERE)
    here.acknowledge(case, "wang")
    here.comment(case, "wang", "Lin Tao says that he will leave")
    here.decide_review(case, "li", "accept", "the risk is known")
    here.finish_task("t1", "wang")
    clerk.file([make_warning("w2", 2, "withdrawn", customer_id="C2")])
    return database


def case_of(desk: Desk, customer_id: str) -> str:
    return next(one.id for one in desk.list_cases(CaseFilter(status=None)) if one.customer_id == customer_id)


def told(database: Database) -> list[CaseEvent]:
    """What the publisher would send."""
    with database.reading() as tx:
        return [decode_case_event(row["body"]) for row in store.unsent_case_events(tx)]


def sent(database: Database) -> list[CaseEvent]:
    """The publisher has sent what waits."""
    events = told(database)
    with database.writing() as tx:
        tx.execute(tables.case_events.delete())
    return events


def verify(database: Database, topic: list[CaseEvent] | None = None) -> Audit:
    def read() -> Iterator[CaseEvent]:
        yield from topic or []

    return auditing.verify(database, None, read if topic is not None else None)


def by_hand(database: Database, statement: str, **values: object) -> None:
    with database.writing() as tx:
        assert tx.execute(text(statement), values).rowcount != 0


def troubles(audit: Audit) -> list[str]:
    return [str(one) for one in audit.findings]


def test_what_nobody_touched_has_nothing_wrong_and_is_confirmed_by_the_topic(lived: Database) -> None:
    topic = sent(lived)
    audit = verify(lived, topic)
    assert audit.findings == []
    assert (audit.rows, audit.erased, audit.records) == (audit.head.sequence, 0, len(topic))
    assert 0 < audit.anchored <= audit.rows


def test_every_record_names_its_row_and_what_people_wrote_is_not_in_it(lived: Database) -> None:
    events = told(lived)
    assert [event.ledger.sequence for event in events if event.ledger] == sorted(
        {event.ledger.sequence for event in events if event.ledger}
    )
    assert all(event.ledger is not None for event in events)
    assert [event.note for event in events if event.actor] == [None] * 4
    decided = next(event for event in events if event.type == "review.decided")
    assert decided.judged is not None
    assert [(one.warning_id, one.revision, one.rule) for one in decided.judged] == [("r1", 1, "R1")]


BY_HAND: list[tuple[str, str]] = [
    ("UPDATE timeline SET decision = 'act' WHERE type = 'review.decided'", "timeline of case"),
    ("UPDATE timeline SET note = 'he stays' WHERE type = 'case.commented'", "note of case.commented"),
    ("UPDATE timeline SET actor = 'zhao' WHERE type = 'case.acknowledged'", "actor"),
    ("DELETE FROM timeline WHERE type = 'case.acknowledged'", "its row is gone"),
    ("UPDATE pages SET state = 'accepted' WHERE state = 'failed'", "the ledger says failed"),
    ("UPDATE pages SET state = 'pending' WHERE state = 'uncertain'", "the ledger says uncertain"),
    ("DELETE FROM pages WHERE state = 'failed'", "its row is gone"),
    ("UPDATE cases SET status = 'open' WHERE customer_id = 'C2'", "status or decision"),
    ("UPDATE cases SET state = replace(state, 'wang', 'zhao') WHERE customer_id = 'C1'", "cases "),
    ("UPDATE tasks SET status = 'open' WHERE id = 't1'", "the ledger says done"),
    ("UPDATE warnings SET body = replace(body, '2026-03', '2026-04') WHERE id = 'r1'", "body of warning.filed"),
    ("UPDATE warnings SET verdict = 'settling' WHERE id = 'r1'", "the verdict of warning r1"),
    ("UPDATE ledger_private SET value = '203.0.113.1' WHERE name = 'address'", "address of case.acted"),
    ("DELETE FROM ledger_private WHERE name = 'address'", "its salt is gone, and no row tells why"),
    ("DELETE FROM ledger_private WHERE name = 'note'", "its salt is gone, and no row tells why"),
    ("UPDATE ledger SET body = replace(body, 'accept', 'act') WHERE kind = 'review.decided'", "rewritten"),
    ("UPDATE ledger SET kind = 'case.commented' WHERE kind = 'review.decided'", "its columns say otherwise"),
    ("UPDATE ledger SET case_id = NULL WHERE kind = 'review.decided'", "its columns say otherwise"),
    ("DELETE FROM ledger WHERE kind = 'review.decided'", "removed"),
    ("UPDATE ledger_head SET hash = previous_of", "end_rewritten"),
]


@pytest.mark.parametrize(("statement", "expected"), BY_HAND, ids=[one[:60] for one, _ in BY_HAND])
def test_what_somebody_changes_by_hand_is_found(lived: Database, statement: str, expected: str) -> None:
    by_hand(lived, statement.replace("previous_of", f"'{'1' * 64}'"))
    found = troubles(verify(lived))
    assert any(expected in one for one in found), found


SILENCED = [
    ("UPDATE deadlines SET next_at = '2099-01-01 00:00:00' WHERE kind = 'idle'", "deadlines"),
    ("DELETE FROM deadlines", "deadlines"),
    ("UPDATE holds SET expires_at = '2099-01-01 00:00:00'", "until when"),
    ("UPDATE holds SET up_to = 'critical'", "what it keeps back"),
    ("UPDATE holds SET id = 'another'", "its row is gone"),
]
"""Ways to stop a clock or to keep pages back, without a decision of anybody."""


@pytest.mark.parametrize(("statement", "expected"), SILENCED)
def test_a_clock_that_is_stopped_and_a_silence_that_is_made_longer_by_hand_are_found(
    lived: Database, desk: Desk, clock: Clock, statement: str, expected: str
) -> None:
    desk.hold(Hold("h1", "snooze", "R7", "C1", "until Monday", "wang", clock(), clock() + HOUR, "high"))
    assert verify(lived).findings == []
    by_hand(lived, statement)
    assert any(expected in str(finding) for finding in verify(lived).findings)


def test_rows_that_somebody_adds_are_found(lived: Database, clock: Clock) -> None:
    with lived.writing() as tx:
        case_id = tx.execute(select(tables.cases.c.id)).scalars().first()
        row = {"case_id": case_id, "sequence": 999, "type": "case.acknowledged", "at": clock(), "actor": "li"}
        tx.execute(tables.timeline.insert().values(**row))
    assert any("timeline: 1 rows stand in no row of the ledger" in one for one in troubles(verify(lived)))


def test_the_end_cut_off_with_its_record_is_missed_by_the_topic_alone(lived: Database) -> None:
    topic = sent(lived)
    with lived.writing() as tx:
        last = max(event.ledger.sequence for event in topic if event.ledger)
        kept = tx.execute(select(tables.ledger).where(tables.ledger.c.sequence == last - 1)).mappings().one()
        tx.execute(tables.ledger.delete().where(tables.ledger.c.sequence >= last))
        tx.execute(tables.ledger_head.update().values(sequence=kept["sequence"], hash=kept["hash"]))
    chain_alone = [one for one in troubles(verify(lived)) if one.startswith(("removed", "truncated", "rewritten"))]
    assert chain_alone == []
    assert any(one.startswith(f"truncated: row {last}") for one in troubles(verify(lived, topic)))


def test_a_chain_made_anew_fits_itself_and_not_the_topic(lived: Database) -> None:
    """Somebody who knows every formula turns a decision round, in the ledger and in the timeline."""
    topic = sent(lived)
    with lived.writing() as tx:
        number = forge(tx, "review.decided", lambda said: {**said, "decision": "false_alarm"})
        tx.execute(text("UPDATE timeline SET decision = 'false_alarm' WHERE type = 'review.decided'"))
        tx.execute(text("UPDATE cases SET state = replace(state, 'accept', 'false_alarm') WHERE customer_id = 'C1'"))
    alone = [one for one in verify(lived).findings if one.trouble not in ("table_differs", "private_differs")]
    assert alone == []
    found = verify(lived, topic)
    assert any(one.trouble == "made_anew" and one.first <= number <= one.last for one in found.findings)
    assert any("decision was accept, now false_alarm" in one for one in troubles(found))
    assert found.anchored < number


def forge(tx: Connection, kind: str, change: Callable[[dict[str, object]], dict[str, object]]) -> int:
    """Rewrite the row of that kind and make the chain behind it anew; its number."""
    rows = tx.execute(select(tables.ledger).order_by(tables.ledger.c.sequence)).mappings().all()
    number = next(row["sequence"] for row in rows if row["kind"] == kind)
    previous = chain.GENESIS
    for row in rows:
        said = orjson.loads(row["body"])
        body = row["body"]
        if row["sequence"] == number:
            body = orjson.dumps(change(said), option=orjson.OPT_SORT_KEYS).decode()
        new = {"body": body, "previous": previous, "hash": chain.linked(previous, chain.digest(body))}
        tx.execute(tables.ledger.update().where(tables.ledger.c.sequence == row["sequence"]).values(new))
        previous = new["hash"]
    tx.execute(tables.ledger_head.update().values(hash=previous))
    return int(number)


def test_a_record_that_was_taken_out_before_it_was_sent_is_missed(lived: Database) -> None:
    topic = sent(lived)
    found = troubles(verify(lived, topic[:4] + topic[5:]))
    assert len(found) == 1
    assert found[0].startswith("missing_on_topic")


def test_what_still_waits_to_be_sent_is_not_missed(lived: Database) -> None:
    assert verify(lived, told(lived)[:3]).findings == []


def test_when_a_customer_is_forgotten_its_seals_cannot_be_opened_and_the_chain_holds(
    lived: Database, clock: Clock
) -> None:
    topic = sent(lived)
    with lived.writing() as tx:
        gone = recording.forget_customer(tx, "C1", clock())
        tx.execute(text("UPDATE timeline SET note = 'erased' WHERE actor IS NOT NULL"))
        tx.execute(text("UPDATE warnings SET body = replace(body, '2026-03', '') WHERE customer_id = 'C1'"))
    audit = verify(lived, topic)
    assert audit.findings == []
    assert 0 < audit.erased <= gone
    with lived.writing() as tx:
        assert recording.forget_customer(tx, "C1", clock()) == 0


def test_from_where_somebody_acted_is_forgotten_after_a_while_and_the_chain_holds(
    lived: Database, clock: Clock
) -> None:
    clock.at += recording.KEPT - timedelta(minutes=30)
    with lived.writing() as tx:
        # The providers' words are an hour older than the acknowledgements.
        assert recording.expire(tx, clock()) == 5
    clock.at += HOUR
    with lived.writing() as tx:
        assert recording.expire(tx, clock()) > 5
        assert recording.expire(tx, clock()) == 0
    assert verify(lived).findings == []
    with lived.reading() as tx:
        left = set(tx.execute(select(tables.ledger_private.c.name)).scalars())
    assert left == {"note", "body", "state"}


def test_no_address_and_no_note_stands_in_the_ledger_itself(lived: Database) -> None:
    with lived.reading() as tx:
        bodies = " ".join(tx.execute(select(tables.ledger.c.body)).scalars())
    for secret in ("192.0.2.7", "Firefox", "Lin Tao", "wang@example.com", "the risk is known"):
        assert secret not in bodies


@pytest.mark.parametrize("seed", range(6))
def test_whatever_a_random_hand_changes_in_a_body_is_found(lived: Database, seed: int) -> None:
    chance = random.Random(seed)
    with lived.writing() as tx:
        rows = tx.execute(select(tables.ledger.c.sequence, tables.ledger.c.body)).all()
        number, body = chance.choice(rows)
        at = chance.randrange(len(body))
        other = chance.choice([char for char in "abc019" if char != body[at]])
        changed = body[:at] + other + body[at + 1 :]
        tx.execute(tables.ledger.update().where(tables.ledger.c.sequence == number).values(body=changed))
    found = troubles(verify(lived))
    assert any(one.startswith(f"rewritten: row {number}") for one in found), (seed, number, found)


def test_what_fails_leaves_no_row_and_no_gap(lived: Database, clerk: Clerk) -> None:
    before = verify(lived).head

    def fail() -> None:
        with lived.writing() as tx:
            assert recording.expire(tx, clerk.now() + timedelta(days=999)) > 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    clerk.file([make_warning("w9", customer_id="C3")])
    audit = verify(lived)
    assert audit.findings == []
    assert audit.head.sequence > before.sequence


def test_the_ledger_begins_with_what_was_there(database: Database) -> None:
    """The migration's own formula, which is never to change, gives what the check asks for."""
    audit = verify(database)
    assert audit.findings == []
    assert audit.head == Head(1, audit.head.hash)
    with database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(tables.ledger)).scalar_one() == 1


def test_who_answers_for_whom_is_in_the_ledger_sealed(database: Database, clock: Clock) -> None:
    wang = Said("person", "wang", {"name": "王强", "department": "sales"})
    with database.writing() as tx:
        directory_store.claim(tx, "people.yaml", [wang], clock(), "ops")
    assert verify(database).findings == []
    with database.reading() as tx:
        bodies = " ".join(tx.execute(select(tables.ledger.c.body)).scalars())
    assert "directory.changed" in bodies
    assert "王强" not in bodies
    by_hand(database, "UPDATE directory_entries SET body = replace(body, 'sales', 'finance')")
    assert troubles(verify(database)) == ["private_differs: row 2: entries of directory.changed"]


def test_a_hold_is_in_the_ledger_with_its_reason_sealed(database: Database, clerk: Clerk, clock: Clock) -> None:
    hold = Hold("h1", "snooze", "R7", "C1", "Lin Tao is on leave", "li", clock(), clock() + HOUR)
    with database.writing() as tx:
        holding.begin(tx, hold)
    clerk.file([make_warning()])
    with database.writing() as tx:
        assert holding.lift(tx, hold, "li", clock())
    clock.at += HOUR
    clerk.tick()
    assert verify(database).findings == []
    with database.reading() as tx:
        bodies = " ".join(tx.execute(select(tables.ledger.c.body)).scalars())
    assert "hold.set" in bodies
    assert "page.held" in bodies
    assert "Lin Tao" not in bodies
    by_hand(database, "UPDATE holds SET reason = 'none'")
    assert any("reason of hold.set" in one for one in troubles(verify(database)))
