"""A task may be several people's, a department's among them; a warning's row says whether it still holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.String(length=100)


def upgrade() -> None:
    """Whose task it was stays so. What a warning's newest revision says of its end is read out of its JSON."""
    op.create_table(
        "task_people",
        sa.Column("task_id", _ID, sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("person", _ID, nullable=False),
        sa.PrimaryKeyConstraint("task_id", "person"),
    )
    op.create_index("ix_task_people_person", "task_people", ["person"])
    op.execute("INSERT INTO task_people (task_id, person) SELECT id, person FROM tasks")
    op.drop_index("ix_tasks_person", "tasks")
    op.drop_column("tasks", "person")
    op.add_column("tasks", sa.Column("department", sa.String(length=200)))
    op.add_column("warnings", sa.Column("standing", sa.Boolean(), nullable=False, server_default=sa.false()))
    body = sa.column("body", sa.Text())
    over = sa.and_(body.contains('"end":"'), sa.not_(body.contains('"kind":"point"')))
    holds = sa.or_(body.contains('"change":"raised"'), body.contains('"change":"amended"'))
    warnings = sa.table("warnings", sa.column("current", sa.Boolean()), sa.column("standing", sa.Boolean()), body)
    op.execute(sa.update(warnings).where(warnings.c.current, holds, sa.not_(over)).values(standing=sa.true()))
    op.create_index("ix_warnings_customer_id", "warnings", ["customer_id"])
    op.create_index("warnings_that_stand", "warnings", ["output", "standing", "received_at"])


def downgrade() -> None:
    """A task is one person's again: of several, the first by name of account."""
    op.drop_index("warnings_that_stand", "warnings")
    op.drop_index("ix_warnings_customer_id", "warnings")
    op.drop_column("warnings", "standing")
    op.drop_column("tasks", "department")
    op.add_column("tasks", sa.Column("person", _ID, nullable=False, server_default=""))
    op.execute("UPDATE tasks SET person = (SELECT min(person) FROM task_people WHERE task_id = tasks.id)")
    op.create_index("ix_tasks_person", "tasks", ["person"])
    op.drop_index("ix_task_people_person", "task_people")
    op.drop_table("task_people")
