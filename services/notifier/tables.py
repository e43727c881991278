"""The tables. migrations/ makes them; a test holds the two equal."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from services.common.columns import UtcInstant
from services.common.database import Database, Schema
from services.notifier import channels_tables, directory_tables
from services.notifier.metadata import ID, LABEL
from services.notifier.metadata import metadata as gathered

SCHEMA = Schema(Path(__file__).with_name("migrations"), "BELLWETHER_DATABASE_URL", 0x62656C6C, "alembic_version")


def open_database(url: str) -> Database:
    """The notifier's database. Raises BadDatabaseUrl."""
    return Database(url, SCHEMA)


metadata = gathered

PARTS = (channels_tables, directory_tables)
"""Modules that describe tables of the same database."""

_ID = ID
_LABEL = LABEL

cases = Table(
    "cases",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("customer_id", _ID, nullable=False, index=True),
    # The columns beside `state` repeat what lists and deadlines are searched by; `state` is the case.
    Column("customer_name", _LABEL, nullable=False),
    Column("owner", _ID, nullable=False),
    Column("status", String(10), nullable=False),
    Column("stage", String(20), nullable=False, server_default="opened"),
    Column("assignee", _ID, index=True),
    Column("severity", String(10), nullable=False),
    Column("opened_at", UtcInstant, nullable=False),
    Column("closed_at", UtcInstant),
    Column("due_at", UtcInstant, index=True),
    Column("sequence", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Index("cases_by_status", "status", "opened_at"),
    # The invariant "at most one open case a customer", also against two writers at once.
    Index(
        "one_open_case",
        "customer_id",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

warnings = Table(
    "warnings",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("current", Boolean, nullable=False),
    # Whether the newest revision says that it holds: no other row of a warning has it true.
    Column("standing", Boolean, nullable=False, server_default=false()),
    Column("customer_id", _ID, nullable=False, index=True),
    Column("case_id", _ID, ForeignKey("cases.id"), index=True),
    Column("output", String(20), nullable=False),
    Column("verdict", String(30), nullable=False),
    Column("received_at", UtcInstant, nullable=False),
    Column("body", Text, nullable=False),
    Index("warnings_that_stand", "output", "standing", "received_at"),
)

# Warnings that wait until things are calm before anybody is paged (policy.must_settle). `worse`: one of the revisions
# that nobody has acted on yet calls people. `round_at` is set once their round has begun: it is decided to its end.
settling = Table(
    "settling",
    metadata,
    Column("warning_id", _ID, primary_key=True),
    Column("first_at", UtcInstant, nullable=False, index=True),
    Column("last_at", UtcInstant, nullable=False),
    Column("worse", Boolean, nullable=False),
    Column("round_at", UtcInstant, index=True),
)

timeline = Table(
    "timeline",
    metadata,
    Column("case_id", _ID, ForeignKey("cases.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("type", String(50), nullable=False, index=True),
    Column("at", UtcInstant, nullable=False),
    Column("actor", _ID),
    Column("warning_id", _ID),
    Column("person", _ID),
    Column("department", _LABEL),
    Column("channel", _LABEL),
    Column("decision", String(20)),
    Column("note", Text),
    Column("value", String(50)),
)

# Everything that is to happen to a case by itself. It repeats what is in the case's state, so that it can be searched.
deadlines = Table(
    "deadlines",
    metadata,
    Column("case_id", _ID, ForeignKey("cases.id"), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("warning_id", _ID),
    Column("holder", _ID, nullable=False, index=True),
    Column("due_at", UtcInstant, nullable=False),
    Column("next_at", UtcInstant, nullable=False, index=True),
    Column("breaches", Integer, nullable=False),
)

pages = Table(
    "pages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(500), nullable=False, unique=True),
    Column("case_id", _ID, ForeignKey("cases.id"), index=True),
    Column("warning_id", _ID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("step", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("role", String(20), nullable=False),
    Column("person", _ID, nullable=False, index=True),
    Column("channel", String(50), nullable=False),
    Column("due_at", UtcInstant),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcInstant, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    # The message that carries the page, itself or a digest: by it a channel can tell after a crash what it has sent.
    Column("message_key", String(500)),
    Column("provider_id", String(500)),
    Column("error", Text),
    Column("about", Integer, ForeignKey("pages.id")),
    Column("sent_at", UtcInstant),
    # The round of settled warnings that the page comes from: one person's pages of a round are one message.
    Column("round_at", UtcInstant),
    # Goes before all others, and waits for no digest.
    Column("critical", Boolean, nullable=False, server_default=false()),
    # The notifier that is sending it. Its lease is in the table of replicas.
    Column("claimed_by", _ID),
    # When a notifier last took it in hand.
    Column("taken_at", UtcInstant),
    # Names of the channels that are tried in turn once this one has failed for good, with a comma between.
    Column("later", String(500), nullable=False, server_default=""),
    # What somebody made of a page that could not be sent; empty again if it is lost once more.
    Column("handled_by", _ID),
    Column("handled_at", UtcInstant),
    Column("handled_note", Text),
    Index("pages_to_send", "channel", "state", "next_at"),
    Index("pages_lost", "state", "handled_at"),
    Index("pages_of_recipient", "channel", "person", "state"),
)

# Whom a channel has pages for. A notifier that sends to somebody locks the row while it takes the pages, so that two
# notifiers together make one digest. `held_until`: what is not critical waits until then, and becomes one message.
recipients = Table(
    "recipients",
    metadata,
    Column("channel", String(50), primary_key=True),
    Column("person", _ID, primary_key=True),
    Column("held_until", UtcInstant),
)

# Notifiers that work on this database. What one claimed whose lease has ended is in doubt. By the wall's clock.
replicas = Table(
    "replicas",
    metadata,
    Column("name", _ID, primary_key=True),
    Column("started_at", UtcInstant, nullable=False),
    Column("lease_until", UtcInstant, nullable=False),
)

# What has gone to a provider lately, by what it limits (a bot, a member, a key): all notifiers keep its limit together.
throttle = Table(
    "throttle",
    metadata,
    Column("scope", String(300), primary_key=True),
    Column("state", Text, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("customer_id", _ID, nullable=False),
    # The department whose ticket it is; its people, or who stands in for them, are in task_people.
    Column("department", _LABEL),
    # The customer's owner, where it came to the owner, whoever else has it.
    Column("owner", _ID),
    Column("status", String(20), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("updated_at", UtcInstant, nullable=False),
    Column("done_by", _ID),
    Column("due_at", UtcInstant),
    Column("remind_at", UtcInstant, index=True),
    Column("reminders", Integer, nullable=False, server_default="0"),
)

task_people = Table(
    "task_people",
    metadata,
    Column("task_id", _ID, ForeignKey("tasks.id"), primary_key=True),
    Column("person", _ID, primary_key=True, index=True),
)

users = Table(
    "users",
    metadata,
    Column("name", _ID, primary_key=True),
    Column("person", _ID, nullable=False),
    Column("password_hash", _LABEL, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("name", _ID, ForeignKey("users.name"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False, index=True),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(500), nullable=False, unique=True),
    Column("person", _ID, nullable=False, index=True),
    Column("case_id", _ID, ForeignKey("cases.id")),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("read_at", UtcInstant),
)

# Pages about (rule, customer) are kept back. `next_at` is when somebody must look: it is over, or its pause is; none
# when its end has been dealt with.
holds = Table(
    "holds",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("rule", _LABEL, nullable=False),
    Column("customer_id", _ID, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("author", _ID, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("up_to", String(10), nullable=False),
    Column("pause_s", Integer),
    Column("paged_at", UtcInstant),
    Column("ended_at", UtcInstant),
    Column("ended_by", _ID),
    Column("next_at", UtcInstant, index=True),
)

# Every page that a hold kept back; `released`: the hold has let go of it, whatever became of its warning.
held_pages = Table(
    "held_pages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hold_id", _ID, ForeignKey("holds.id"), nullable=False, index=True),
    Column("warning_id", _ID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("person", _ID, nullable=False),
    Column("at", UtcInstant, nullable=False),
    Column("released", Boolean, nullable=False, server_default=false()),
)

case_events = Table(
    "case_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", _ID, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
)

poison = Table(
    "poison",
    metadata,
    Column("topic", _LABEL, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("error", Text, nullable=False),
    Column("received_at", UtcInstant, nullable=False),
)

# The ledger (chain.py): what was decided and delivered, in the order of the commits. Rows are only ever added.
ledger = Table(
    "ledger",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("case_id", _ID, index=True),
    Column("kind", String(50), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# One row: the last of the chain. Who adds to the chain locks it.
ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

# What stands in a ledger's body as a seal only: its salt, and the value where no other table keeps it. What is deleted
# here can never be told from the ledger again.
ledger_private = Table(
    "ledger_private",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(50), primary_key=True),
    Column("customer_id", _ID, index=True),
    Column("at", UtcInstant, nullable=False, index=True),
    Column("salt", LargeBinary, nullable=False),
    Column("value", Text),
)

# Links that were acted on: each page and action once.
link_uses = Table(
    "link_uses",
    metadata,
    Column("use", String(64), primary_key=True),
    Column("at", UtcInstant, nullable=False, index=True),
    Column("outcome", String(30), nullable=False),
)
