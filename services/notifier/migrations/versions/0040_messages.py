"""Holds: cooldown, snooze and exemption keep pages back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0060"
branch_labels = None
depends_on = None

_ID = sa.String(length=100)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two new tables."""
    op.create_table(
        "holds",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", _ID, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("up_to", sa.String(length=10), nullable=False),
        sa.Column("pause_s", sa.Integer()),
        sa.Column("paged_at", _INSTANT),
        sa.Column("ended_at", _INSTANT),
        sa.Column("ended_by", _ID),
        sa.Column("next_at", _INSTANT),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_holds_customer_id", "holds", ["customer_id"])
    op.create_index("ix_holds_next_at", "holds", ["next_at"])
    op.create_table(
        "held_pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hold_id", _ID, sa.ForeignKey("holds.id"), nullable=False),
        sa.Column("warning_id", _ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("person", _ID, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_held_pages_hold_id", "held_pages", ["hold_id"])


def downgrade() -> None:
    """What was held back then stays unsent, and nothing is held back any more."""
    op.drop_index("ix_held_pages_hold_id", "held_pages")
    op.drop_table("held_pages")
    op.drop_index("ix_holds_next_at", "holds")
    op.drop_index("ix_holds_customer_id", "holds")
    op.drop_table("holds")
