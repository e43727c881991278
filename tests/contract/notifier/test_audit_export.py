"""One case goes out with a proof for each of its rows, and says nothing of any other."""

from __future__ import annotations

import random
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from schemas.cases import decode_cases_record
from services.common.database import Database
from services.notifier import auditing, recording, store
from services.notifier.anchoring import Anchoring
from services.notifier.audit_export import NoSuchCase, export
from services.notifier.chain import ANCHOR_AFTER
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk, Refused
from services.notifier.exported import Line, from_json, problems, to_json, to_text, together
from services.notifier.recording import Origin
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import make_warning, r1

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def case_id(clerk: Clerk, desk: Desk) -> str:
    """Two cases whose rows lie among each other."""
    clerk.file([make_warning("w2", customer_id="C2"), r1()])
    ids = {one.customer_id: one.id for one in desk.list_cases(CaseFilter())}
    for number in range(3):
        desk.comment(ids["C1"], "wang", f"mine {number}")
        desk.comment(ids["C2"], "wang", f"theirs {number}")
    desk.coming_from(Origin("console", "192.0.2.1", "Firefox")).acknowledge(ids["C1"], "li")
    clerk.file([make_warning("w2", 2, "withdrawn", customer_id="C2")])
    return ids["C1"]


def exported(database: Database, case_id: str, *, private: bool = True) -> list[Line]:
    with database.snapshot() as tx:
        return list(export(tx, case_id, private=private))


def told(database: Database) -> dict[int, str]:
    """Hashes of the rows of which the topic is told."""
    with database.reading() as tx:
        records = [decode_cases_record(row["body"]) for row in store.unsent_case_events(tx)]
    return {record.ledger.sequence: record.ledger.hash for record in records if record.ledger}


def wrong(lines: list[Line]) -> list[str]:
    return [problem for line in lines for problem in problems(line)] + list(together(lines))


def test_every_line_proves_itself_and_comes_back_from_the_file_as_it_was(database: Database, case_id: str) -> None:
    lines = exported(database, case_id)
    assert len(lines) > 10
    assert [from_json(to_json(line)) for line in lines] == lines
    assert wrong(lines) == []
    published, mine = told(database), {line.row.sequence for line in lines}
    behind = max(published.keys() & mine)
    for line in lines:
        # Every anchor is a row of the case that was published; behind the case's last one the next of any.
        assert published[line.anchor.sequence] == line.anchor.hash
        assert line.anchor.sequence in mine or line.row.sequence > behind
    assert any(line.anchor.sequence not in mine for line in lines)


def test_behind_all_that_was_published_the_end_is_the_anchor_until_there_is_one(
    database: Database, case_id: str, desk: Desk, clock: Clock
) -> None:
    here = desk.coming_from(Origin("console", "192.0.2.1", "Firefox"))
    with pytest.raises(Refused):
        here.decide_review(case_id, "wang", "accept", "")
    end = auditing.verify(database).head
    assert [line.anchor for line in exported(database, case_id) if line.row.sequence == end.sequence] == [end]
    clock.at += ANCHOR_AFTER
    Anchoring(database, clock).step()
    line = next(line for line in exported(database, case_id) if line.row.sequence == end.sequence)
    assert line.anchor.sequence == end.sequence + 1
    assert wrong([line]) == []


def test_nothing_of_another_case_is_in_it(database: Database, case_id: str) -> None:
    text = "\n".join(to_json(line) for line in exported(database, case_id))
    assert "mine 2" in text
    assert "192.0.2.1" in text
    for theirs in ("theirs", "C2", "w2"):
        assert theirs not in text


def test_without_what_is_private_seals_stay_seals(database: Database, case_id: str) -> None:
    lines = exported(database, case_id, private=False)
    text = "\n".join(to_json(line) for line in lines)
    assert wrong(lines) == []
    for private in ("mine", "192.0.2.1", "Firefox", "invoices of January"):
        assert private not in text


def test_people_can_read_it(database: Database, case_id: str) -> None:
    text = "\n".join(to_text(line, SHANGHAI) for line in exported(database, case_id))
    assert "2026-03-02 12:00:00 +0800  case.acknowledged" in text
    assert "note='mine 0'" in text
    assert "address='192.0.2.1'" in text


def test_a_customer_who_was_forgotten_leaves_seals_and_the_proof_holds(
    database: Database, case_id: str, clock: Clock
) -> None:
    with database.writing() as tx:
        recording.forget_customer(tx, "C1", clock())
    lines = exported(database, case_id)
    assert wrong(lines) == []
    assert all(line.opened == {} for line in lines)
    assert "(sealed)" in to_text(next(line for line in lines if "note" in line.said), SHANGHAI)


@pytest.mark.parametrize("seed", range(8))
def test_a_line_that_was_changed_no_longer_proves_itself(database: Database, case_id: str, seed: int) -> None:
    chance = random.Random(seed)
    lines = exported(database, case_id)
    line = chance.choice([one for one in lines if one.opened and one.path])
    name, one = chance.choice(sorted(line.opened.items()))
    path = line.path or ()
    for changed in (
        replace(line, row=replace(line.row, body=line.row.body.replace("case", "Case"))),
        replace(line, row=replace(line.row, sequence=line.row.sequence + 1)),
        replace(line, row=replace(line.row, previous="0" * 64)),
        replace(line, path=(*path[:-1], "0" * 64)),
        replace(line, path=path[:-1]),
        replace(line, opened={name: replace(one, value=one.value + " ")}),
        replace(line, opened={name: replace(one, salt="00" * 32)}),
        replace(line, opened={"other": one}),
    ):
        assert list(problems(changed)) != [], (seed, changed)
    assert list(together([line, line])) != []
    assert list(problems(line)) == []


def test_a_case_that_there_is_not_has_no_export(database: Database) -> None:
    with pytest.raises(NoSuchCase, match="has no row of case nothing"):
        exported(database, "nothing")
