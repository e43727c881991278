"""The tables, as the migrations make them."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from services.common.database import Database
from services.ingest.tables import SCHEMA, metadata


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.reading() as tx:
        context = MigrationContext.configure(tx, opts={"version_table": SCHEMA.versions})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_and_down_and_up_again_ends_in_the_same_schema(database: Database) -> None:
    database.migrate()
    database.migrate("base", down=True)
    with database.reading() as tx:
        assert inspect(tx).get_table_names() == [SCHEMA.versions]
    database.migrate()
    with database.reading() as tx:
        assert set(inspect(tx).get_table_names()) == {*metadata.tables, SCHEMA.versions}
