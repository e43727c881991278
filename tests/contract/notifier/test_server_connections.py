"""PostgreSQL ends connections and plans without statistics: who uses the database feels neither."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import OperationalError

from services.common import database as common
from services.common.database import Database
from services.notifier import claims
from services.notifier.tables import pages, recipients
from tests.unit.notifier.making import NOON

PEOPLE = 300
PREPARED = 8
"""So often a statement is carried out until psycopg has prepared it, and the server plans it without its values."""

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def both(database: Database) -> None:
    """Use two connections at once."""
    with database.reading() as one, database.reading() as other:
        assert one.execute(text("SELECT 1")).scalar() == other.execute(text("SELECT 1")).scalar()


def cut(database: Database) -> None:
    """The server ends one of two connections, which nobody uses at the moment."""
    both(database)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with database.reading() as tx:
        tx.execute(text(f"{end} AND pid <> pg_backend_pid()"))


def test_a_connection_that_has_lain_idle_is_asked_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "FRESH_S", -1.0)
    cut(database)
    both(database)


def test_one_that_was_used_a_moment_ago_fails_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "FRESH_S", 1e9)
    cut(database)
    with pytest.raises(OperationalError):
        both(database)
    both(database)


@pytest.mark.parametrize("planning", ["force_generic_plan", "force_custom_plan"])
def test_whom_there_is_something_for_is_not_looked_up_by_the_channel_alone(database: Database, planning: str) -> None:
    fill(database)
    wanted = {"channel": "webhook", "now": NOON, "passed": [], "room": 16}
    with database.reading() as tx:
        tx.execute(text(f"SET LOCAL plan_cache_mode = {planning}"))
        for _ in range(PREPARED):
            assert len(tx.execute(claims._WHOM[False], wanted).all()) == 16
        read = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'recipients'"
        assert tx.execute(text(read)).scalar_one() <= PREPARED * PEOPLE


def fill(database: Database) -> None:
    """A page for each of many people, whom no statistics know of."""
    page = {"warning_id": "w", "revision": 1, "step": "s", "kind": "raised", "role": "owner", "channel": "webhook"}
    times = {"next_at": NOON - timedelta(hours=1), "created_at": NOON, "updated_at": NOON}
    people = [f"p{number}" for number in range(PEOPLE)]
    with database.writing() as tx:
        rows = [{**page, **times, "key": one, "person": one, "state": "pending", "attempts": 0} for one in people]
        tx.execute(insert(pages), rows)
        tx.execute(insert(recipients), [{"channel": "webhook", "person": one} for one in people])
