"""How far a case has come and who works on it; every step that is due by itself; dates of tasks; value at risk."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from services.common.columns import UtcInstant

revision = "0020"
down_revision = "0010"
branch_labels = None
depends_on = None

IDLE_FOR = timedelta(days=3)

_ID = sa.String(length=100)
_CASES = sa.table("cases", sa.column("id", _ID), sa.column("stage", sa.String()), sa.column("state", sa.Text()))


def upgrade() -> None:
    """A case's stage is read out of what has been done in it. Deadlines that run go on running."""
    op.add_column("cases", sa.Column("stage", sa.String(length=20), nullable=False, server_default="opened"))
    op.add_column("cases", sa.Column("assignee", _ID))
    op.create_index("ix_cases_assignee", "cases", ["assignee"])
    op.add_column("timeline", sa.Column("value", sa.String(length=50)))
    op.add_column("tasks", sa.Column("due_at", UtcInstant()))
    op.add_column("tasks", sa.Column("remind_at", UtcInstant()))
    op.add_column("tasks", sa.Column("reminders", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_tasks_remind_at", "tasks", ["remind_at"])
    running = _taken_down(["case_id", "warning_id", "holder", "due_at", "breaches"])
    op.create_table(
        "deadlines",
        sa.Column("case_id", _ID, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("warning_id", _ID),
        sa.Column("holder", _ID, nullable=False),
        sa.Column("due_at", UtcInstant(), nullable=False),
        sa.Column("next_at", UtcInstant(), nullable=False),
        sa.Column("breaches", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "name"),
    )
    op.create_index("ix_deadlines_holder", "deadlines", ["holder"])
    op.create_index("ix_deadlines_next_at", "deadlines", ["next_at"])
    _put_up(
        [row | {"name": f"review:{row['warning_id']}", "kind": "review", "next_at": row["due_at"]} for row in running]
    )
    _give_stages({row["case_id"] for row in running}, datetime.now(UTC) + IDLE_FOR)


def _give_stages(reviewed: set[object], idle_at: datetime) -> None:
    """An open case counts as looked at today: on which nobody works any more, that comes back as later ones do."""
    connection, idle = op.get_bind(), []
    for case_id, state in connection.execute(sa.select(_CASES.c.id, _CASES.c.state)).all():
        case = json.loads(state)
        news: dict[str, object] = {"stage": _stage(case)}
        if case["status"] == "open":
            news["idle_at"] = idle_at.isoformat()
            if case_id not in reviewed:
                times = {"due_at": idle_at, "next_at": idle_at}
                idle.append({"case_id": case_id, "name": "idle", "kind": "idle", "holder": "", "breaches": 0, **times})
        values = {"stage": news["stage"], "state": json.dumps(case | news, ensure_ascii=False)}
        connection.execute(sa.update(_CASES).where(_CASES.c.id == case_id).values(values))
    _put_up(idle)


def downgrade() -> None:
    """Of the steps only reviews' deadlines stay; an older notifier does not see what else a case's state holds."""
    kept = ["case_id", "warning_id", "holder", "due_at", "breaches"]
    running = _taken_down(kept, only="review")
    op.create_table(
        "deadlines",
        sa.Column("case_id", _ID, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("warning_id", _ID, nullable=False),
        sa.Column("holder", _ID, nullable=False),
        sa.Column("due_at", UtcInstant(), nullable=False),
        sa.Column("breaches", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "warning_id"),
    )
    op.create_index("ix_deadlines_due_at", "deadlines", ["due_at"])
    _put_up(running)
    op.drop_index("ix_tasks_remind_at", "tasks")
    for name in ("reminders", "remind_at", "due_at"):
        op.drop_column("tasks", name)
    op.drop_column("timeline", "value")
    op.drop_index("ix_cases_assignee", "cases")
    op.drop_column("cases", "assignee")
    op.drop_column("cases", "stage")


def _taken_down(names: list[str], only: str | None = None) -> list[dict[str, object]]:
    """The rows of the table of deadlines, which is gone then: SQLite cannot change a key in place."""
    columns = [sa.column(name, UtcInstant() if name == "due_at" else None) for name in names]
    query = sa.select(*columns).select_from(sa.table("deadlines"))
    if only is not None:
        query = query.where(sa.column("kind") == only)
    rows = [dict(row) for row in op.get_bind().execute(query).mappings()]
    op.drop_table("deadlines")
    return rows


def _put_up(rows: list[dict[str, object]]) -> None:
    if rows:
        columns = [sa.column(name, UtcInstant() if name.endswith("_at") else None) for name in rows[0]]
        op.bulk_insert(sa.table("deadlines", *columns), rows)


def _stage(case: dict[str, object]) -> str:
    if case["status"] == "closed":
        return "closed"
    if case["departments_joined"]:
        return "intervention"
    warnings = case["warnings"]
    assert isinstance(warnings, list)
    if any(held["review"] and held["review"]["opened_by"] for held in warnings):
        return "in_review"
    return "acknowledged" if case["acknowledged_by"] else "opened"
