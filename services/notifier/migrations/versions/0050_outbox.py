"""Several notifiers on one database: who claims what, whom a channel sends to, and what people made of lost pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0030"
branch_labels = None
depends_on = None

_ID = sa.String(length=100)
_INSTANT = sa.DateTime(timezone=True)
_ADDED: tuple[Callable[[], sa.Column[Any]], ...] = (
    lambda: sa.Column("critical", sa.Boolean(), nullable=False, server_default=sa.false()),
    lambda: sa.Column("claimed_by", _ID),
    lambda: sa.Column("taken_at", _INSTANT),
    lambda: sa.Column("later", sa.String(length=500), nullable=False, server_default=""),
    lambda: sa.Column("handled_by", _ID),
    lambda: sa.Column("handled_at", _INSTANT),
    lambda: sa.Column("handled_note", sa.Text()),
)


def upgrade() -> None:
    """Whoever has a page is a recipient. What is being sent is claimed by nobody, and so in doubt."""
    for column in _ADDED:
        op.add_column("pages", column())
    op.execute("UPDATE pages SET taken_at = updated_at WHERE message_key IS NOT NULL")
    op.create_index("pages_lost", "pages", ["state", "handled_at"])
    op.create_index("pages_of_recipient", "pages", ["channel", "person", "state"])
    op.create_table(
        "recipients",
        sa.Column("channel", sa.String(length=50), nullable=False),
        sa.Column("person", _ID, nullable=False),
        sa.Column("held_until", _INSTANT),
        sa.PrimaryKeyConstraint("channel", "person"),
    )
    op.execute("INSERT INTO recipients (channel, person) SELECT DISTINCT channel, person FROM pages")
    op.create_table(
        "replicas",
        sa.Column("name", _ID, nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("lease_until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "throttle",
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )


def downgrade() -> None:
    """States that the older release does not know become the nearest that it does."""
    op.execute("UPDATE pages SET state = 'accepted' WHERE state IN ('delivered', 'opened')")
    op.execute("UPDATE pages SET state = 'failed' WHERE state = 'dropped'")
    for table in ("throttle", "replicas", "recipients"):
        op.drop_table(table)
    op.drop_index("pages_of_recipient", "pages")
    op.drop_index("pages_lost", "pages")
    for column in reversed(_ADDED):
        op.drop_column("pages", column().name)
