"""Warnings that wait until things are calm; when a page was sent, and of which round of those it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Until now a page's last change was its being sent, where it was sent."""
    op.create_table(
        "settling",
        sa.Column("warning_id", sa.String(length=100), nullable=False),
        sa.Column("first_at", _INSTANT, nullable=False),
        sa.Column("last_at", _INSTANT, nullable=False),
        sa.Column("worse", sa.Boolean(), nullable=False),
        sa.Column("round_at", _INSTANT),
        sa.PrimaryKeyConstraint("warning_id"),
    )
    op.create_index("ix_settling_first_at", "settling", ["first_at"])
    op.create_index("ix_settling_round_at", "settling", ["round_at"])
    op.add_column("pages", sa.Column("sent_at", _INSTANT))
    op.add_column("pages", sa.Column("round_at", _INSTANT))
    op.execute("UPDATE pages SET sent_at = updated_at WHERE state = 'accepted'")


def downgrade() -> None:
    """Warnings that still wait are lost to the older release: it has filed them and pages nobody about them."""
    op.drop_column("pages", "round_at")
    op.drop_column("pages", "sent_at")
    op.drop_index("ix_settling_round_at", "settling")
    op.drop_index("ix_settling_first_at", "settling")
    op.drop_table("settling")
