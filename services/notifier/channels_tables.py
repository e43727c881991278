"""The tables of channels: incidents that providers keep of cases, and greetings to customers."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Text

from services.common.columns import UtcInstant
from services.notifier.metadata import ID, LABEL, metadata

# What a channel that keeps incidents of its own was told of a case last: trigger, acknowledge or resolve.
incidents = Table(
    "incidents",
    metadata,
    Column("channel", String(50), primary_key=True),
    Column("case_id", ID, ForeignKey("cases.id"), primary_key=True),
    Column("told", String(20), nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    Index("incidents_by_channel", "channel", "told"),
)

# What people have said about greetings in their name: every yes and no, the newest counts.
greeting_consents = Table(
    "greeting_consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", ID, nullable=False, index=True),
    Column("given", Boolean, nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("recorded_by", ID, nullable=False),
    Column("note", Text),
)

# Bereavements that the archive tells of (customer.milestone, kind mourning), by the event's name. One that was taken
# back has no day.
mourning_days = Table(
    "mourning_days",
    metadata,
    Column("source", LABEL, primary_key=True),
    Column("event_id", LABEL, primary_key=True),
    Column("customer_id", ID, nullable=False, index=True),
    Column("day", Date),
    Column("supersedes", LABEL),
    Column("told_at", UtcInstant, nullable=False),
)

# What became of each greeting to a customer, by the warning that called for it. No address and no name of a contact.
greetings = Table(
    "greetings",
    metadata,
    Column("warning_id", ID, primary_key=True),
    Column("customer_id", ID, nullable=False, index=True),
    Column("day", Date, nullable=False),
    Column("state", String(20), nullable=False),
    Column("verdict", String(30), nullable=False),
    Column("signer", ID),
    Column("provider_id", String(500)),
    Column("error", Text),
    Column("updated_at", UtcInstant, nullable=False),
)
