"""The first schema: cases and their timeline, warnings, the outbox of pages, tasks, accounts, the inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_TABLES = (
    "cases",
    "warnings",
    "timeline",
    "deadlines",
    "pages",
    "tasks",
    "users",
    "sessions",
    "inbox",
    "case_events",
    "poison",
)


def upgrade() -> None:
    """Make every table."""
    _cases()
    _warnings()
    _timeline()
    _deadlines()
    _pages()
    _tasks()
    _users()
    _sessions()
    _inbox()
    _case_events()
    _poison()


def downgrade() -> None:
    """Drop every table, those first that point to others."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("customer_name", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("closed_at", _INSTANT),
        sa.Column("due_at", _INSTANT),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("cases_by_status", "cases", ["status", "opened_at"])
    op.create_index("ix_cases_customer_id", "cases", ["customer_id"])
    op.create_index("ix_cases_due_at", "cases", ["due_at"])
    op.create_index(
        "one_open_case",
        "cases",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def _warnings() -> None:
    op.create_table(
        "warnings",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("case_id", sa.String(length=100)),
        sa.Column("output", sa.String(length=20), nullable=False),
        sa.Column("verdict", sa.String(length=30), nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
        ),
        sa.PrimaryKeyConstraint("id", "revision"),
    )
    op.create_index("ix_warnings_case_id", "warnings", ["case_id"])


def _timeline() -> None:
    op.create_table(
        "timeline",
        sa.Column("case_id", sa.String(length=100), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=50), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("actor", sa.String(length=100)),
        sa.Column("warning_id", sa.String(length=100)),
        sa.Column("person", sa.String(length=100)),
        sa.Column("department", sa.String(length=200)),
        sa.Column("channel", sa.String(length=200)),
        sa.Column("decision", sa.String(length=20)),
        sa.Column("note", sa.Text()),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
        ),
        sa.PrimaryKeyConstraint("case_id", "sequence"),
    )
    op.create_index("ix_timeline_type", "timeline", ["type"])


def _deadlines() -> None:
    op.create_table(
        "deadlines",
        sa.Column("case_id", sa.String(length=100), nullable=False),
        sa.Column("warning_id", sa.String(length=100), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("breaches", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
        ),
        sa.PrimaryKeyConstraint("case_id", "warning_id"),
    )
    op.create_index("ix_deadlines_due_at", "deadlines", ["due_at"])


def _pages() -> None:
    op.create_table(
        "pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=500), nullable=False),
        sa.Column("case_id", sa.String(length=100)),
        sa.Column("warning_id", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("channel", sa.String(length=50), nullable=False),
        sa.Column("due_at", _INSTANT),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _INSTANT, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("message_key", sa.String(length=500)),
        sa.Column("provider_id", sa.String(length=500)),
        sa.Column("error", sa.Text()),
        sa.Column("about", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["about"],
            ["pages.id"],
        ),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_pages_case_id", "pages", ["case_id"])
    op.create_index("ix_pages_person", "pages", ["person"])
    op.create_index("pages_to_send", "pages", ["channel", "state", "next_at"])


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("done_by", sa.String(length=100)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_tasks_person", "tasks", ["person"])


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["name"],
            ["users.name"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_name", "sessions", ["name"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=500), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("case_id", sa.String(length=100)),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("read_at", _INSTANT),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_inbox_person", "inbox", ["person"])


def _case_events() -> None:
    op.create_table(
        "case_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _poison() -> None:
    op.create_table(
        "poison",
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary()),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "position"),
    )
