"""When a customer is forgotten nothing in the notifier's database tells of it in words, and its cases stay."""

from __future__ import annotations

from datetime import date

import orjson
import pytest
from sqlalchemy import insert, select, update

from services.common.database import Database
from services.notifier import auditing, forgetting, tables
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.handing import SetTask
from services.notifier.holds import Hold
from services.notifier.views import CaseFilter
from tests.contract.notifier.clocks import Clock
from tests.unit.notifier.making import DAY, make_warning

SECRET = "Lin Tao says that he will leave"


C1, C2 = "江南精密机械有限公司", "Ångström & <Söhne>"


def test_a_message_that_tells_a_name_taken_apart_is_found(
    database: Database, clerk: Clerk, desk: Desk, clock: Clock
) -> None:
    clerk.file([make_warning("w1", customer_id="C1")])
    with database.writing() as tx:
        tx.execute(update(tables.cases).values(customer_name="Linyi.com"))
        row = {"key": "k", "person": "wang", "case_id": None, "at": clock()}
        tx.execute(insert(tables.inbox).values(**row, subject="x", text="about Linyi.\u200bcom"))
    assert forgetting.clear(database, "C1")["inbox"] == 1
    assert len(desk.inbox("wang")) == 1


@pytest.fixture
def home(database: Database, clerk: Clerk, desk: Desk, clock: Clock) -> Database:
    """A case of C1 with everything that may be said in it, a case of C2, and a digest about both."""
    clerk.file([make_warning("w1", customer_id="C1"), make_warning("w2", customer_id="C2")])
    clerk.file([make_warning("w1", 2, "amended", customer_id="C1")])
    for case in desk.list_cases(CaseFilter()):
        said = SECRET if case.customer_id == "C1" else "ordinary"
        desk.comment(case.id, "wang", said)
        desk.do(case.id, SetTask("wang", "wang", date(2026, 3, 6), said, "k"))
    for customer_id, reason in (("C1", SECRET), ("C2", "ordinary")):
        desk.hold(Hold(f"h{customer_id}", "exemption", "R7", customer_id, reason, "li", clock(), clock() + DAY))
    with database.writing() as tx:
        for key, about, text in (
            ("1", case_of(desk, "C1"), f"{C1} needs you"),
            ("2", case_of(desk, "C2"), f"{C2} needs you"),
            ("3", None, f"{C1}, {C2}"),
        ):
            row = {"key": key, "person": "wang", "case_id": about, "at": clock()}
            tx.execute(insert(tables.inbox).values(**row, subject=text, text=text))
        event = {"customer_id": "C1", "created_at": clock(), "body": orjson.dumps({"type": "x", "note": SECRET})}
        tx.execute(insert(tables.case_events).values(**event))
        spoilt = {"topic": "w", "partition": 0, "error": "x", "received_at": clock(), "value": SECRET.encode()}
        tx.execute(insert(tables.poison).values(**spoilt, position=1, key=b"C1"))
        tx.execute(insert(tables.poison).values(**spoilt | {"value": b"x"}, position=2, key=b"C2"))
    return database


def case_of(desk: Desk, customer_id: str) -> str:
    return next(case.id for case in desk.list_cases(CaseFilter()) if case.customer_id == customer_id)


def lines_about(home: Database, *texts: str) -> list[str]:
    """Names of the tables, for each row in which one of the texts stands."""
    with home.reading() as tx:
        return [
            table.name
            for table in tables.metadata.sorted_tables
            for row in tx.execute(select(table))
            if any(text.encode() in value_bytes(value) for text in texts for value in row)
        ]


def value_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def test_its_name_and_what_people_wrote_are_known_before(home: Database) -> None:
    said = forgetting.said_of(home, "C1")
    assert {C1, SECRET} < set(said)
    assert all(text == C1 or text.endswith(SECRET) for text in said), "also where a timeline tells of a hold"
    assert forgetting.said_of(home, "C9") == []


def test_no_word_of_it_stays(home: Database) -> None:
    said = [C1, SECRET, "invoices of January", "二月和一月"]
    assert {"cases", "timeline", "warnings", "inbox", "holds", "case_events", "poison"} <= set(lines_about(home, *said))
    changed = forgetting.clear(home, "C1")
    others = lines_about(home, C2, "ordinary", "invoices of January", "二月和一月")
    assert changed.pop("ledger_private") > 0
    counts = {"inbox": 2, "cases": 2, "timeline": 3, "holds": 1, "warnings": 2, "case_events": 1, "poison": 1}
    assert changed == {**counts, "pages": 0, "greetings": 0, "mourning_days": 0}
    assert auditing.verify(home).findings == []
    assert lines_about(home, C1, SECRET) == []
    # The other customer's warning tells what it told.
    assert sorted(others) == sorted(["cases", *["timeline"] * 3, "warnings", "inbox", "holds"])
    assert forgetting.said_of(home, "C1") == []


def test_of_every_table_it_is_said_what_becomes_of_it(home: Database) -> None:
    """Who adds a table that says something of customers clears it; one that does not is named in SAYS_NOTHING."""
    cleared = forgetting.clear(home, "C1").keys()
    assert not cleared & forgetting.SAYS_NOTHING
    assert cleared | forgetting.SAYS_NOTHING == tables.metadata.tables.keys()


def test_the_numbers_of_its_cases_stay_and_can_be_shown(home: Database, desk: Desk) -> None:
    before = desk.get_case(case_of(desk, "C1"))
    forgetting.clear(home, "C1")
    after = desk.get_case(before.line.id)
    assert [(one.sequence, one.type, one.at) for one in after.timeline] == [
        (one.sequence, one.type, one.at) for one in before.timeline
    ]
    (warning,) = (held.warning for held in after.warnings)
    assert (warning.rule, warning.revision, warning.evidence.compared) == ("R7", 2, [])
    assert forgetting.ERASED in [one.note for one in after.timeline]


def test_done_again_it_changes_nothing(home: Database) -> None:
    forgetting.clear(home, "C1")
    assert set(forgetting.clear(home, "C1").values()) == {0}
