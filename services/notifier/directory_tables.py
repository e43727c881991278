"""The tables of people: what each source says, what holds of it by version, and codes and keys that prove who asks."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from services.common.columns import UtcInstant
from services.notifier.metadata import ID, LABEL, metadata

_KIND = String(20)
# An absence is named by its person and its start, a method by its person, its channel and a digest of its address.
_ENTRY = String(300)

directory_versions = Table(
    "directory_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcInstant, nullable=False),
    Column("source", LABEL, nullable=False),
    Column("actor", LABEL, nullable=False),
    Column("changes", Integer, nullable=False),
)

# What every source says of an entry, and since when; a `body` of NULL is that it is gone. The newest says what holds.
directory_claims = Table(
    "directory_claims",
    metadata,
    Column("kind", _KIND, primary_key=True),
    Column("id", _ENTRY, primary_key=True),
    Column("source", LABEL, primary_key=True),
    Column("at", UtcInstant, nullable=False),
    Column("body", Text),
    Index("directory_claims_by_source", "source"),
)

# What held from a version on. Nothing is changed here but `current`: an older version of the directory can be read.
directory_entries = Table(
    "directory_entries",
    metadata,
    Column("kind", _KIND, primary_key=True),
    Column("id", _ENTRY, primary_key=True),
    Column("version", Integer, ForeignKey("directory_versions.id"), primary_key=True),
    Column("current", Boolean, nullable=False),
    Column("source", LABEL, nullable=False),
    Column("body", Text),
    Index("directory_entries_by_version", "version"),
    Index(
        "one_current_entry",
        "kind",
        "id",
        unique=True,
        sqlite_where=text("current"),
        postgresql_where=text("current"),
    ),
)

# A file is read again only when it is another: `digest` is of its bytes.
directory_files = Table(
    "directory_files",
    metadata,
    Column("source", LABEL, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("at", UtcInstant, nullable=False),
)

# Every customer.owner_changed by its name for ever. `waits`: it takes effect later than it was heard of.
owner_events = Table(
    "owner_events",
    metadata,
    Column("source", LABEL, primary_key=True),
    Column("id", LABEL, primary_key=True),
    Column("customer_id", ID, nullable=False, index=True),
    Column("time", UtcInstant, nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("owner", ID),
    Column("supersedes", LABEL),
    Column("waits", Boolean, nullable=False),
    Index("owner_events_that_wait", "waits", "at"),
)

# Gaps that are open, so that each is told once. `version` is that of the directory in which it was first found.
directory_gaps = Table(
    "directory_gaps",
    metadata,
    Column("kind", String(30), primary_key=True),
    Column("subject", LABEL, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("found_at", UtcInstant, nullable=False),
)

# One code at a time for an address. `digest` is slow to compute on purpose: six digits are soon guessed otherwise.
method_codes = Table(
    "method_codes",
    metadata,
    Column("method", _ENTRY, primary_key=True),
    Column("person", ID, nullable=False),
    Column("digest", LABEL, nullable=False),
    Column("sent_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("window_at", UtcInstant, nullable=False),
    Column("sent_in_window", Integer, nullable=False),
)

api_keys = Table(
    "notifier_api_keys",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", LABEL, nullable=False),
    Column("person", ID),
    Column("note", LABEL, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant),
    Column("revoked_at", UtcInstant),
)
