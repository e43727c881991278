"""The ledger, which begins with what the timelines say by then, and the links that were acted on."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0050"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_ID = sa.String(length=100)
_HASH = sa.String(length=64)


def upgrade() -> None:
    """What was written before has no rows in the ledger; the first one has the digest of all of it."""
    op.create_table(
        "ledger",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", _ID),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", _HASH, nullable=False),
        sa.Column("hash", _HASH, nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index("ix_ledger_case_id", "ledger", ["case_id"])
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", _HASH, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "ledger_private",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("customer_id", _ID),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.PrimaryKeyConstraint("sequence", "name"),
    )
    op.create_index("ix_ledger_private_customer_id", "ledger_private", ["customer_id"])
    op.create_index("ix_ledger_private_at", "ledger_private", ["at"])
    op.create_table(
        "link_uses",
        sa.Column("use", _HASH, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("outcome", sa.String(length=30), nullable=False),
        sa.PrimaryKeyConstraint("use"),
    )
    op.create_index("ix_link_uses_at", "link_uses", ["at"])
    _begin()


def downgrade() -> None:
    """The proof is lost; cases, pages and timelines stay as they are."""
    op.drop_index("ix_link_uses_at", "link_uses")
    op.drop_table("link_uses")
    op.drop_index("ix_ledger_private_at", "ledger_private")
    op.drop_index("ix_ledger_private_customer_id", "ledger_private")
    op.drop_table("ledger_private")
    op.drop_table("ledger_head")
    op.drop_index("ix_ledger_case_id", "ledger")
    op.drop_table("ledger")


def _begin() -> None:
    """The formulas are those of chain.py and ledger_check.py as they were; a test holds them together."""
    connection = op.get_bind()
    names = ("case_id", "sequence", "type", "actor", "warning_id", "person", "department", "channel", "decision")
    columns = [sa.column(name, sa.String()) for name in names]
    # By bytes, as SQLite does it: the order must be the same wherever the database is restored.
    by_case = columns[0].collate("C") if connection.dialect.name == "postgresql" else columns[0]
    entries = sa.select(*columns).select_from(sa.table("timeline")).order_by(by_case, columns[1])
    count, before = 0, hashlib.sha256()
    for row in connection.execute(entries):
        count += 1
        before.update(json.dumps(list(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    at = datetime.now(UTC).isoformat()
    rows = {"timeline": count}
    for name in ("cases", "pages", "tasks", "warnings"):
        rows[name] = connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
    said = {"at": at, "before": rows, "kind": "ledger.begun", "sequence": 1, "timeline": before.hexdigest()}
    body = json.dumps(said, separators=(",", ":"), sort_keys=True)
    previous = "0" * 64
    inner = hashlib.sha256(body.encode()).hexdigest()
    first = hashlib.sha256(f"{previous}\n{inner}".encode()).hexdigest()
    ledger = sa.table("ledger", *[sa.column(name) for name in ("sequence", "kind", "body", "previous", "hash")])
    begun = {"sequence": 1, "kind": "ledger.begun", "body": body, "previous": previous, "hash": first}
    connection.execute(sa.insert(ledger), begun)
    head = sa.table("ledger_head", sa.column("id"), sa.column("sequence"), sa.column("hash"))
    connection.execute(sa.insert(head), {"id": 1, "sequence": 1, "hash": first})
