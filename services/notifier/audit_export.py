"""One case's rows of the ledger, each with its proof, for somebody who is to see no other case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, select

from services.common.errors import UserError
from services.notifier import chain, ledger
from services.notifier.chain import Head, Row
from services.notifier.exported import Line, Opened, Said
from services.notifier.tables import ledger as table
from services.notifier.tables import ledger_private, timeline, warnings

LONGEST_PATH = 5000
"""Rows of others between a row and the next of its case that the topic has; of more the proof would fill a book."""


class NoSuchCase(UserError):
    """The ledger has no row of the case."""


def export(tx: Connection, case_id: str, *, private: bool = True) -> Iterator[Line]:
    """The case's rows in order. `private`: with what seals stand for, where it is still known. Raises NoSuchCase."""
    query = select(table).where(table.c.case_id == case_id).order_by(table.c.sequence)
    rows = [Row(row.sequence, row.previous, row.body, row.hash) for row in tx.execute(query)]
    if not rows:
        raise NoSuchCase(f"the ledger has no row of case {case_id}")
    said = {row.sequence: dict[str, Any](orjson.loads(row.body)) for row in rows}
    anchors = _anchors(rows, said, _end(tx, rows[-1].sequence))
    for row in rows:
        anchor = anchors[row.sequence]
        path = _path(tx, row.sequence, anchor.sequence)
        yield Line(row, path, anchor, _opened(tx, row.sequence, said[row.sequence]) if private else {})


def _end(tx: Connection, last: int) -> Head:
    """The next row behind a case's last one that was published; the end of the chain where none was yet."""
    query = select(table.c.sequence, table.c.hash).where(table.c.sequence > last, ledger.PUBLISHED)
    row = tx.execute(query.order_by(table.c.sequence).limit(1)).first()
    return ledger.head(tx) if row is None else Head(row.sequence, row.hash)


def _anchors(rows: Sequence[Row], said: Mapping[int, Said], end: Head) -> dict[int, Head]:
    """For each row the next of the case that was published, itself at the nearest; `end` behind the last one."""
    found, anchor = {}, end
    for row in reversed(rows):
        if "entry" in said[row.sequence]:
            anchor = Head(row.sequence, row.hash)
        found[row.sequence] = anchor
    return found


def _path(tx: Connection, after: int, up_to: int) -> tuple[str, ...] | None:
    """What leads from the row's hash to the anchor's: digests of the bodies between, which tell nothing of them."""
    if up_to - after > LONGEST_PATH:
        return None
    query = select(table.c.body).where(table.c.sequence > after, table.c.sequence <= up_to)
    return tuple(chain.digest(body) for body in tx.execute(query.order_by(table.c.sequence)).scalars())


def _opened(tx: Connection, sequence: int, said: Said) -> dict[str, Opened]:
    query = select(ledger_private).where(ledger_private.c.sequence == sequence)
    found = {}
    for row in tx.execute(query):
        value = row.value if row.value is not None else _outside(tx, row.name, said)
        if value is not None:
            found[row.name] = Opened(row.salt.hex(), value)
    return found


def _outside(tx: Connection, name: str, said: Said) -> str | None:
    """What the tables beside the ledger keep of it."""
    if name == "note":
        at = timeline.c.case_id == said["case_id"], timeline.c.sequence == said["entry"]
        return tx.execute(select(timeline.c.note).where(*at)).scalar()
    if name == "body":
        one = warnings.c.id == said["warning_id"], warnings.c.revision == said["revision"]
        return tx.execute(select(warnings.c.body).where(*one)).scalar()
    # The whole state of a case is not told: its newest stands in the console, and those before nowhere.
    return None
