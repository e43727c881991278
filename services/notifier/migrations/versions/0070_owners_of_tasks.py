"""Tasks that came to a customer's owner know who that was, so that they follow the customer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0040"
branch_labels = None
depends_on = None

_OF_ONE = """
UPDATE tasks SET owner = (SELECT min(person) FROM task_people WHERE task_id = tasks.id)
WHERE status = 'open' AND department IS NULL
AND (SELECT count(*) FROM task_people WHERE task_id = tasks.id) = 1
"""
"""Whose task it is, alone, has it as the owner, or in the owner's place: by the rules as they are now it is decided
whether that is so when the customer has another owner."""


def upgrade() -> None:
    """Of a task that several people have, nobody knows which of them had it as the owner."""
    op.add_column("tasks", sa.Column("owner", sa.String(length=100)))
    op.execute(_OF_ONE)


def downgrade() -> None:
    """Tasks stay with whoever has them. The release of that schema ends at a kind of page that it does not know: what
    asks a department to join is told as the warning, and nobody reminds of it."""
    op.drop_column("tasks", "owner")
    op.execute("UPDATE pages SET kind = 'raised' WHERE kind IN ('join', 'join_due')")
    op.execute("DELETE FROM deadlines WHERE kind = 'team'")
