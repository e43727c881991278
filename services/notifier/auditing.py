"""Verifying the ledger: its chain, the tables beside it, and what the topic of cases was told when it happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, select

from schemas.cases import CasesRecord
from services.common.database import Database
from services.notifier import ledger
from services.notifier.audit_tables import Excuses, TableCheck, of_version
from services.notifier.audit_topic import AnchorCheck
from services.notifier.chain import Head, Row
from services.notifier.ledger_check import ChainCheck, Finding, Trouble
from services.notifier.recording import ERASED, EXPIRED
from services.notifier.tables import case_events
from services.notifier.tables import ledger as table

_AT_A_TIME = 1000

Tell = Callable[[int, int], None]
"""Is told of progress: rows done, of how many."""

Read = Callable[[], Iterator[CasesRecord]]
"""Reads the topic of cases from its beginning to its present end."""


@dataclass
class Audit:
    """What was looked at, and what is wrong. `records` of the topic confirm the chain up to row `anchored`; None and 0
    without the topic; the first row behind it was written at `unanchored_since`, None where there is none. `erased`
    counts fields that were erased with a row that says why."""

    head: Head
    rows: int = 0
    erased: int = 0
    records: int | None = None
    anchored: int = 0
    unanchored_since: datetime | None = None
    findings: list[Finding] = field(default_factory=list)


def verify(database: Database, tell: Tell | None = None, read: Read | None = None) -> Audit:
    """Look at everything in one snapshot; with `read`, hold it against the topic too."""
    anchors = _anchors(database, read) if read is not None else None
    with database.snapshot() as tx:
        chain, tables = ChainCheck(), TableCheck(tx, _excuses(tx))
        audit = Audit(ledger.head(tx))
        for rows in chunks(tx):
            trusted = [kept for kept in rows if chain.feed(kept.row)]
            for kept in trusted:
                audit.findings += _columns(kept)
            tables.feed([(kept.row.sequence, kept.said) for kept in trusted])
            if anchors is not None:
                for kept in trusted:
                    anchors.feed(kept.row, kept.said)
            if tell is not None:
                tell(chain.count, audit.head.sequence)
        tables.finish()
    audit.rows, audit.erased = chain.count, tables.erased
    audit.findings = [*chain.findings(audit.head), *audit.findings, *tables.findings]
    if anchors is not None:
        audit.records, audit.anchored = anchors.records, anchors.confirmed
        audit.unanchored_since = anchors.behind_since
        audit.findings += anchors.findings(audit.head)
    return audit


@dataclass(frozen=True)
class Kept:
    """A row with the columns that it is searched by."""

    row: Row
    kind: str
    case_id: str | None

    @property
    def said(self) -> dict[str, Any]:
        """What the body says. Raises JSONDecodeError for one that is not as it was written."""
        found: dict[str, Any] = orjson.loads(self.row.body)
        return found


def chunks(tx: Connection, after: int = 0) -> Iterator[list[Kept]]:
    """The rows in order, some at a time."""
    columns = table.c.sequence, table.c.previous, table.c.body, table.c.hash, table.c.kind, table.c.case_id
    while True:
        query = select(*columns).where(table.c.sequence > after).order_by(table.c.sequence).limit(_AT_A_TIME)
        rows = [Kept(Row(*row[:4]), row.kind, row.case_id) for row in tx.execute(query)]
        if not rows:
            return
        yield rows
        after = rows[-1].row.sequence


def _columns(kept: Kept) -> list[Finding]:
    said, number = kept.said, kept.row.sequence
    if (said["kind"], said.get("case_id")) == (kept.kind, kept.case_id):
        return []
    return [Finding(Trouble.TABLE_DIFFERS, number, number, "its columns say otherwise than its body")]


def _anchors(database: Database, read: Read) -> AnchorCheck:
    """What was sent is read before the snapshot is taken: all of it must be there. And what was written and no longer
    waited before the topic is read must be on it."""
    with database.snapshot() as tx:
        up_to = ledger.head(tx).sequence
        waiting = [orjson.loads(body).get("ledger") for body in tx.execute(select(case_events.c.body)).scalars()]
    check = AnchorCheck(up_to, frozenset(anchor["sequence"] for anchor in waiting if anchor))
    for event in read():
        check.note(event)
    return check


def _excuses(tx: Connection) -> Excuses:
    forgotten: dict[str, int] = {}
    expired: dict[str, datetime] = {}
    query = select(table.c.sequence, table.c.body).where(table.c.kind.in_((ERASED, EXPIRED)))
    for sequence, body in tx.execute(query.order_by(table.c.sequence)):
        said = orjson.loads(body)
        if said["kind"] == ERASED:
            versions = map(of_version, said["versions"])
            forgotten.update(dict.fromkeys((said["customer_id"], *said["cases"], *versions), sequence))
        elif said["kind"] == EXPIRED:
            expired.update(dict.fromkeys(said["names"], datetime.fromisoformat(said["before"])))
    return Excuses(forgotten, expired)
