"""A value in a table is the customer's where the row is, whether it names the customer, its case, or its own id."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert

from services.common.database import Database
from services.forgetting.searching import search_rows
from services.forgetting.traces import Search, Trace
from services.notifier import tables
from services.notifier.tables import open_database
from tests.contract.notifier.clocks import Clock
from tests.support.databases import open_migrated

SECRET = "Lin Tao will leave"
AT = Clock()()
CASE = {"owner": "wang", "status": "open", "severity": "red", "opened_at": AT, "sequence": 1, "state": "{}"}


@pytest.fixture
def home(tmp_path: Path) -> Database:
    made = open_migrated(open_database, tmp_path / "notifier.db")
    with made.writing() as tx:
        for customer_id in ("C1", "C2"):
            row = {"id": f"case-{customer_id}", "customer_id": customer_id, "customer_name": customer_id}
            tx.execute(insert(tables.cases).values(**CASE, **row))
    return made


@pytest.mark.parametrize(
    ("table", "row", "ours"),
    [
        (tables.timeline, {"case_id": "case-C1", "sequence": 1, "type": "x", "at": AT, "note": SECRET}, True),
        (tables.timeline, {"case_id": "case-C2", "sequence": 1, "type": "x", "at": AT, "note": SECRET}, False),
        (
            tables.case_events,
            {"customer_id": "x", "body": f'{{"customer":"C1","note":"{SECRET}"}}'.encode(), "created_at": AT},
            True,
        ),
        (tables.inbox, {"key": "1", "person": "wang", "subject": SECRET, "text": "", "at": AT}, False),
    ],
)
def test_a_row_is_its_by_the_ids_in_it(home: Database, table: Table, row: dict[str, Any], ours: bool) -> None:
    with home.writing() as tx:
        tx.execute(insert(table).values(**row))
    traces: Counter[Trace] = Counter()
    search_rows("here", home, tables.metadata, frozenset({"C1", "case-C1"}), Search([SECRET]), traces)
    assert traces == {Trace(f"here, {table.name}", ours, "it is cleared by hand"): 1}
