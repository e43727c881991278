"""The ledger in SQL: what was decided and delivered, added in the transaction in which it happened, and never changed.

There is one chain for all cases, so that a whole case cannot vanish unnoticed. Who adds to it locks its head; that is
done last in a transaction (database.do_last), so the lock is held for three statements and the commit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from schemas.cases import Anchor, CaseEvent, CaseEventType, CasesRecord, LedgerAnchor, encode_case_event
from services.common.database import do_last
from services.notifier import chain
from services.notifier.chain import ANCHORED, SEAL, Content, Entry, Head, Row
from services.notifier.tables import case_events, ledger, ledger_head, ledger_private

_SALT_BYTES = 32

_NO_CUSTOMER = ""

# Made once: every writing transaction ends with these.
_TAKE = (
    update(ledger_head)
    .values(sequence=ledger_head.c.sequence + bindparam("more"))
    .returning(ledger_head.c.sequence, ledger_head.c.hash)
)
_LEAVE = update(ledger_head).values(hash=bindparam("last"))
_ROWS, _SALTS, _EVENTS = insert(ledger), insert(ledger_private), insert(case_events)


# Of the entries of a case's timeline every one is; kinds such as hold.set are rows of no case too.
PUBLISHED = or_(
    ledger.c.kind == ANCHORED, and_(ledger.c.kind.in_(get_args(CaseEventType)), ledger.c.case_id.is_not(None))
)
"""Rows of which the topic of cases is told."""


@dataclass(frozen=True)
class Private:
    """A field that must be erasable: the ledger has its seal. `kept`: the value lies beside the ledger, with the salt;
    otherwise in the table that the kind of the row tells (ledger_check.py), and only the salt does."""

    value: str
    kept: bool = True


Tell = Callable[[Anchor], CasesRecord]
"""What is published of a row, with the row's sequence and hash."""


@dataclass(frozen=True)
class _Waiting:
    """One that is written when its transaction ends."""

    entry: Entry
    private: Mapping[str, tuple[Private, bytes]]
    tell: Tell | None


def append(
    tx: Connection,
    kind: str,
    case_id: str | None,
    body: Content,
    *,
    at: datetime,
    private: Mapping[str, Private | None] | None = None,
    tell: Tell | None = None,
) -> None:
    """Write it down at the end of the transaction, in the order of the calls; nothing of it stands if that fails.

    `body` is plain JSON, what is None is left out; "customer_id" in it says whose private fields go when that customer
    is forgotten. "at", "kind", "case_id", "sequence" and the names of private fields are the ledger's own.
    """
    salted = {name: (one, secrets.token_bytes(_SALT_BYTES)) for name, one in (private or {}).items() if one}
    seals = {name: {SEAL: chain.sealed(salt, name, one.value)} for name, (one, salt) in salted.items()}
    do_last(tx, _write, _Waiting(Entry(kind, case_id, at, {**body, **seals}), salted, tell))


def append_anchor(tx: Connection, at: datetime) -> None:
    """Have all rows up to the end of the transaction confirmed by the topic of cases."""
    append(tx, ANCHORED, None, {}, at=at, tell=lambda row: LedgerAnchor(type=ANCHORED, at=at, ledger=row))


def head(tx: Connection) -> Head:
    """The end of the chain, as the chain's own record says."""
    row = tx.execute(select(ledger_head.c.sequence, ledger_head.c.hash)).one()
    return Head(row.sequence, row.hash)


def _write(tx: Connection, waiting: Sequence[Any]) -> None:
    mine = cast("Sequence[_Waiting]", waiting)
    # This waits for whoever adds at the moment, and reads what they leave.
    taken = tx.execute(_TAKE, {"more": len(mine)}).one()
    rows, after = chain.append(Head(taken.sequence - len(mine), taken.hash), [one.entry for one in mine])
    tx.execute(_ROWS, [_columns(row, one.entry) for row, one in zip(rows, mine, strict=True)])
    tx.execute(_LEAVE, {"last": after.hash})
    salts = [row for at, one in zip(rows, mine, strict=True) for row in _salts(at.sequence, one)]
    if salts:
        tx.execute(_SALTS, salts)
    events = [_event(row, one.tell) for row, one in zip(rows, mine, strict=True) if one.tell is not None]
    if events:
        tx.execute(_EVENTS, events)


def _columns(row: Row, entry: Entry) -> dict[str, Any]:
    about = {"case_id": entry.case_id, "kind": entry.kind}
    return {"sequence": row.sequence, "body": row.body, "previous": row.previous, "hash": row.hash, **about}


def _salts(sequence: int, one: _Waiting) -> list[dict[str, Any]]:
    whose = {"sequence": sequence, "customer_id": one.entry.content.get("customer_id"), "at": one.entry.at}
    return [
        {**whose, "name": name, "salt": salt, "value": field.value if field.kept else None}
        for name, (field, salt) in one.private.items()
    ]


def _event(row: Row, tell: Tell) -> dict[str, Any]:
    event = tell(Anchor(sequence=row.sequence, hash=row.hash))
    customer = event.customer_id if isinstance(event, CaseEvent) else _NO_CUSTOMER
    return {"customer_id": customer, "body": encode_case_event(event), "created_at": event.at}
