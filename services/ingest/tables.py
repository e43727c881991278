"""What ingest remembers: keys, ids, files, dead letters, feeds. migrations/ makes the tables; a test compares them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from services.common.columns import UtcInstant
from services.common.database import Database, Schema

SCHEMA = Schema(
    Path(__file__).with_name("migrations"), "BELLWETHER_INGEST_DATABASE_URL", 0x62656C69, "ingest_alembic_version"
)


def open_database(url: str) -> Database:
    """Ingest's database. Raises BadDatabaseUrl."""
    return Database(url, SCHEMA)


metadata = MetaData()

# As long as schemas/fields.py lets them be.
_CUSTOMER = String(100)
_NAME = String(200)
_CODE = String(50)

api_keys = Table(
    "api_keys",
    metadata,
    # What the sender shows is "bw_<id>_<secret>"; of the secret only a digest is kept.
    Column("id", String(20), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("source", _NAME, nullable=False, index=True),
    # JSON lists, null for all.
    Column("types", Text),
    Column("customers", Text),
    Column("admin", Boolean, nullable=False, server_default=false()),
    Column("per_second", Integer),
    Column("note", _NAME, nullable=False, server_default=""),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant),
    Column("revoked_at", UtcInstant),
)

idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    Column("source", _NAME, primary_key=True),
    Column("key", _NAME, primary_key=True),
    Column("body_digest", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("answer", LargeBinary),
    Column("at", UtcInstant, nullable=False, index=True),
)

external_ids = Table(
    "external_ids",
    metadata,
    Column("source", _NAME, primary_key=True),
    Column("external_id", _CUSTOMER, primary_key=True),
    Column("customer_id", _CUSTOMER, nullable=False, index=True),
    Column("changed_at", UtcInstant, nullable=False),
    Column("changed_by", _NAME, nullable=False),
)

id_changes = Table(
    # One row: it counts what changes whose an id is, so that replicas see by one look whether what they keep is right.
    "id_changes",
    metadata,
    Column("name", _CODE, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

mapped_sources = Table(
    # Sources whose subjects are ids of their own: an id of theirs that is not mapped waits.
    "mapped_sources",
    metadata,
    Column("source", _NAME, primary_key=True),
    Column("since", UtcInstant, nullable=False),
)

waiting_events = Table(
    "waiting_events",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", _NAME, nullable=False),
    Column("external_id", _CUSTOMER, nullable=False),
    Column("event_id", _NAME, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("received_at", UtcInstant, nullable=False),
    Index("waiting_events_by_id", "source", "external_id"),
    Index("waiting_events_by_event", "source", "event_id", unique=True),
)

merges = Table(
    "merges",
    metadata,
    Column("merged_id", _CUSTOMER, primary_key=True),
    Column("surviving_id", _CUSTOMER, nullable=False, index=True),
    Column("at", UtcInstant, nullable=False),
    # How far its retained events have been sent again: JSON, the next offset of each partition of the events topic.
    Column("progress", Text),
    Column("resent", Integer, nullable=False, server_default="0"),
    # Who is at it, so that replicas do not do it twice for nothing.
    Column("claimed_by", _NAME),
    Column("claimed_until", UtcInstant),
    Column("done_at", UtcInstant),
)

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("customer_id", _CUSTOMER, primary_key=True),
    # Null when it was destroyed: what it sealed can never be read again.
    Column("key", LargeBinary),
    Column("made_at", UtcInstant, nullable=False),
    Column("destroyed_at", UtcInstant),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("customer_id", _CUSTOMER, primary_key=True),
    Column("asked_at", UtcInstant, nullable=False),
    Column("asked_by", _NAME, nullable=False),
    # How far it has come: the name of the last step that is done.
    Column("step", _CODE, nullable=False, server_default=""),
    Column("done_at", UtcInstant),
    Column("proof", Text),
    # Since when events of the customer are taken again.
    Column("readmitted_at", UtcInstant),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    # Where its first part lies on the topic.
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("code", _CODE, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", _NAME, nullable=False, server_default=""),
    Column("event_id", _NAME, nullable=False, server_default=""),
    Column("customer_id", _CUSTOMER),
    Column("value", LargeBinary, nullable=False),
    Column("headers", Text, nullable=False),
    Column("at", UtcInstant, nullable=False, index=True),
    # Who refused it: ingest, or rules/PARTITION/OFFSET, by which a second one of the same refusal is known.
    Column("origin", _NAME, nullable=False, index=True),
    # waiting, asked (to be replayed), sending, replayed or dropped
    Column("state", _CODE, nullable=False, index=True),
    # What is replayed in the place of the value.
    Column("edited", LargeBinary),
    Column("claimed_at", UtcInstant),
    Index("dead_letters_by_source", "source", "code"),
)

letter_decisions = Table(
    # What was decided about a letter: when, by whom and why. They go when the letter goes.
    "letter_decisions",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", UtcInstant, nullable=False),
    Column("by", _NAME, nullable=False),
    Column("what", _CODE, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(
        ["partition", "offset"], ["dead_letters.partition", "dead_letters.offset"], ondelete="CASCADE"
    ),
)

followed = Table(
    # How far a topic has been read by what follows it.
    "followed",
    metadata,
    Column("follower", _NAME, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

feeds = Table(
    "feeds",
    metadata,
    Column("source", _NAME, primary_key=True),
    Column("last_event_at", UtcInstant),
    Column("last_heartbeat_at", UtcInstant),
    Column("complete_until", UtcInstant),
    # Null: nothing is expected of it. With `working_days` only the time of the company's working days counts.
    Column("expected_minutes", Integer),
    Column("working_days", Boolean, nullable=False, server_default=false()),
    Column("expected_since", UtcInstant),
    Column("expected_by", _NAME),
)

imports = Table(
    # Files that were taken in, from a watched folder or by hand: how far, and how it ended.
    "imports",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("mapping", String(64), primary_key=True),
    Column("file", Text, nullable=False),
    # The last row of which everything is safe, and the counts up to there.
    Column("row", BigInteger, nullable=False, server_default="0"),
    Column("rows_done", BigInteger, nullable=False, server_default="0"),
    Column("events", BigInteger, nullable=False, server_default="0"),
    Column("rejected", BigInteger, nullable=False, server_default="0"),
    Column("begun_at", UtcInstant, nullable=False),
    Column("done_at", UtcInstant),
)

open_items = Table(
    # The last snapshot of each list of open items: what is compared with the next one.
    "open_items",
    metadata,
    Column("list", _NAME, primary_key=True),
    Column("item", _NAME, primary_key=True),
    Column("row", Text, nullable=False),
    Column("snapshot", String(64), nullable=False),
)
