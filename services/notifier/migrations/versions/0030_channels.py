"""Incidents that channels keep of cases; greetings to customers: who agreed, who mourns, what became of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None

_ID = sa.String(length=100)
_LABEL = sa.String(length=200)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Four tables of their own; nothing else is touched."""
    op.create_table(
        "incidents",
        sa.Column("channel", sa.String(length=50), primary_key=True),
        sa.Column("case_id", _ID, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("told", sa.String(length=20), nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
    )
    op.create_index("incidents_by_channel", "incidents", ["channel", "told"])
    op.create_table(
        "greeting_consents",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("person", _ID, nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("recorded_by", _ID, nullable=False),
        sa.Column("note", sa.Text()),
    )
    op.create_index("ix_greeting_consents_person", "greeting_consents", ["person"])
    op.create_table(
        "mourning_days",
        sa.Column("source", _LABEL, primary_key=True),
        sa.Column("event_id", _LABEL, primary_key=True),
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("day", sa.Date()),
        sa.Column("supersedes", _LABEL),
        sa.Column("told_at", _INSTANT, nullable=False),
    )
    op.create_index("ix_mourning_days_customer_id", "mourning_days", ["customer_id"])
    op.create_table(
        "greetings",
        sa.Column("warning_id", _ID, primary_key=True),
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("verdict", sa.String(length=30), nullable=False),
        sa.Column("signer", _ID),
        sa.Column("provider_id", sa.String(length=500)),
        sa.Column("error", sa.Text()),
        sa.Column("updated_at", _INSTANT, nullable=False),
    )
    op.create_index("ix_greetings_customer_id", "greetings", ["customer_id"])


def downgrade() -> None:
    """What was agreed and sent is forgotten."""
    for table in ("greetings", "mourning_days", "greeting_consents", "incidents"):
        op.drop_table(table)
