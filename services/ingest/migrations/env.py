"""What alembic runs for every command. The transaction is the caller's (database.py), with its lock."""

from __future__ import annotations

from alembic import context

from services.ingest.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["versions"],
    render_as_batch=True,
)
context.run_migrations()
