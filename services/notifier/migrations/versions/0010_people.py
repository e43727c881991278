"""People, customers and who owns them, by source and version; codes for their addresses, and keys for the API."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.common.columns import UtcInstant

revision = "0010"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.String(length=100)
_LABEL = sa.String(length=200)
_KIND = sa.String(length=20)
_ENTRY = sa.String(length=300)


def upgrade() -> None:
    """Empty tables: the directory's file is taken in at the next start."""
    _versions_and_claims()
    _entries()
    _owners()
    _gaps()
    _proofs()


def downgrade() -> None:
    """What came by the API and by events is lost; the file is read again by the older version."""
    for table in (
        "notifier_api_keys",
        "method_codes",
        "directory_gaps",
        "owner_events",
        "directory_files",
        "directory_entries",
        "directory_claims",
        "directory_versions",
    ):
        op.drop_table(table)


def _versions_and_claims() -> None:
    op.create_table(
        "directory_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("source", _LABEL, nullable=False),
        sa.Column("actor", _LABEL, nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "directory_claims",
        sa.Column("kind", _KIND, nullable=False),
        sa.Column("id", _ENTRY, nullable=False),
        sa.Column("source", _LABEL, nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.PrimaryKeyConstraint("kind", "id", "source"),
    )
    op.create_index("directory_claims_by_source", "directory_claims", ["source"])
    op.create_table(
        "directory_files",
        sa.Column("source", _LABEL, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )


def _entries() -> None:
    op.create_table(
        "directory_entries",
        sa.Column("kind", _KIND, nullable=False),
        sa.Column("id", _ENTRY, nullable=False),
        sa.Column("version", sa.Integer(), sa.ForeignKey("directory_versions.id"), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("source", _LABEL, nullable=False),
        sa.Column("body", sa.Text()),
        sa.PrimaryKeyConstraint("kind", "id", "version"),
    )
    op.create_index("directory_entries_by_version", "directory_entries", ["version"])
    op.create_index(
        "one_current_entry",
        "directory_entries",
        ["kind", "id"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )


def _owners() -> None:
    op.create_table(
        "owner_events",
        sa.Column("source", _LABEL, nullable=False),
        sa.Column("id", _LABEL, nullable=False),
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("time", UtcInstant(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("owner", _ID),
        sa.Column("supersedes", _LABEL),
        sa.Column("waits", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
    )
    op.create_index("ix_owner_events_customer_id", "owner_events", ["customer_id"])
    op.create_index("owner_events_that_wait", "owner_events", ["waits", "at"])


def _gaps() -> None:
    op.create_table(
        "directory_gaps",
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("subject", _LABEL, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("found_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject"),
    )


def _proofs() -> None:
    op.create_table(
        "method_codes",
        sa.Column("method", _ENTRY, nullable=False),
        sa.Column("person", _ID, nullable=False),
        sa.Column("digest", _LABEL, nullable=False),
        sa.Column("sent_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("window_at", UtcInstant(), nullable=False),
        sa.Column("sent_in_window", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("method"),
    )
    op.create_table(
        "notifier_api_keys",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", _LABEL, nullable=False),
        sa.Column("person", _ID),
        sa.Column("note", _LABEL, nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant()),
        sa.Column("revoked_at", UtcInstant()),
        sa.PrimaryKeyConstraint("id"),
    )
