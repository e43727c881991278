"""All that ingest remembers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.common.columns import UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From nothing."""
    _senders()
    _letters()
    _ids()
    _sealing()
    _files()


def _senders() -> None:
    """Who may send, what was answered, what is expected."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("types", sa.Text(), nullable=True),
        sa.Column("customers", sa.Text(), nullable=True),
        sa.Column("admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("expires_at", UtcInstant(), nullable=True),
        sa.Column("revoked_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_api_keys_source", "api_keys", ["source"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("last_event_at", UtcInstant(), nullable=True),
        sa.Column("last_heartbeat_at", UtcInstant(), nullable=True),
        sa.Column("complete_until", UtcInstant(), nullable=True),
        sa.Column("expected_minutes", sa.Integer(), nullable=True),
        sa.Column("working_days", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("expected_since", UtcInstant(), nullable=True),
        sa.Column("expected_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("source", "key"),
    )
    op.create_index("ix_idempotent_answers_at", "idempotent_answers", ["at"], unique=False)


def _letters() -> None:
    """Dead letters, and how far topics were read."""
    op.create_table(
        "dead_letters",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=200), server_default="", nullable=False),
        sa.Column("event_id", sa.String(length=200), server_default="", nullable=False),
        sa.Column("customer_id", sa.String(length=100), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=50), nullable=False),
        sa.Column("edited", sa.LargeBinary(), nullable=True),
        sa.Column("claimed_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "offset"),
    )
    op.create_index("ix_dead_letters_origin", "dead_letters", ["origin"], unique=False)
    op.create_index("dead_letters_by_source", "dead_letters", ["source", "code"], unique=False)
    op.create_index("ix_dead_letters_at", "dead_letters", ["at"], unique=False)
    op.create_index("ix_dead_letters_state", "dead_letters", ["state"], unique=False)
    op.create_table(
        "letter_decisions",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=50), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["partition", "offset"], ["dead_letters.partition", "dead_letters.offset"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partition", "offset", "number"),
    )
    op.create_table(
        "followed",
        sa.Column("follower", sa.String(length=200), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("follower", "partition"),
    )


def _ids() -> None:
    """Whose id is whose."""
    op.create_table(
        "external_ids",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("changed_at", UtcInstant(), nullable=False),
        sa.Column("changed_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("source", "external_id"),
    )
    op.create_index("ix_external_ids_customer_id", "external_ids", ["customer_id"], unique=False)
    op.create_table(
        "id_changes",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "mapped_sources",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("since", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "merges",
        sa.Column("merged_id", sa.String(length=100), nullable=False),
        sa.Column("surviving_id", sa.String(length=100), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.Column("resent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.String(length=200), nullable=True),
        sa.Column("claimed_until", UtcInstant(), nullable=True),
        sa.Column("done_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("merged_id"),
    )
    op.create_index("ix_merges_surviving_id", "merges", ["surviving_id"], unique=False)
    op.create_table(
        "waiting_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("waiting_events_by_event", "waiting_events", ["source", "event_id"], unique=True)
    op.create_index("waiting_events_by_id", "waiting_events", ["source", "external_id"], unique=False)


def _sealing() -> None:
    """What seals personal fields, and who is forgotten."""
    op.create_table(
        "forgotten",
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("asked_at", UtcInstant(), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("step", sa.String(length=50), server_default="", nullable=False),
        sa.Column("done_at", UtcInstant(), nullable=True),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("readmitted_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id"),
    )
    op.create_table(
        "sealing_keys",
        sa.Column("customer_id", sa.String(length=100), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", UtcInstant(), nullable=False),
        sa.Column("destroyed_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id"),
    )


def _files() -> None:
    """Files and lists that were taken in."""
    op.create_table(
        "imports",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("mapping", sa.String(length=64), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("events", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("begun_at", UtcInstant(), nullable=False),
        sa.Column("done_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("digest", "mapping"),
    )
    op.create_table(
        "open_items",
        sa.Column("list", sa.String(length=200), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("list", "item"),
    )


def downgrade() -> None:
    """To nothing."""
    op.drop_index("waiting_events_by_id", table_name="waiting_events")
    op.drop_index("waiting_events_by_event", table_name="waiting_events")
    op.drop_table("waiting_events")
    op.drop_table("sealing_keys")
    op.drop_table("open_items")
    op.drop_index("ix_merges_surviving_id", table_name="merges")
    op.drop_table("merges")
    op.drop_table("mapped_sources")
    op.drop_table("id_changes")
    op.drop_table("imports")
    op.drop_index("ix_idempotent_answers_at", table_name="idempotent_answers")
    op.drop_table("idempotent_answers")
    op.drop_table("forgotten")
    op.drop_table("followed")
    op.drop_table("feeds")
    op.drop_index("ix_external_ids_customer_id", table_name="external_ids")
    op.drop_table("external_ids")
    op.drop_table("letter_decisions")
    op.drop_index("ix_dead_letters_state", table_name="dead_letters")
    op.drop_index("ix_dead_letters_origin", table_name="dead_letters")
    op.drop_index("ix_dead_letters_at", table_name="dead_letters")
    op.drop_index("dead_letters_by_source", table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_index("ix_api_keys_source", table_name="api_keys")
    op.drop_table("api_keys")
