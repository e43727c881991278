"""The tests' PostgreSQL is real, and each test's database is its own."""

from __future__ import annotations

import psycopg


def test_a_database_of_ones_own_is_empty(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        assert tables.fetchone() == (0,)
