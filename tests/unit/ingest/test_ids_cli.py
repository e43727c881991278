"""`bellwether ids`, on a database of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main
from services.common.clock import wall_now
from services.ingest import ids_store, ids_waiting
from services.ingest.ids import Waiting
from services.ingest.tables import open_database

Run = Callable[..., str]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ingest.db'}"


@pytest.fixture
def run(url: str) -> Run:
    def ids(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["ids", *arguments], env={"BELLWETHER_INGEST_DATABASE_URL": url})
        assert done.exit_code == code, done.output
        return done.output

    return ids


def test_an_id_is_said_listed_taken_by_force_and_removed(run: Run) -> None:
    assert run("set", "crm", "X1", "C1") == "X1 of crm is C1's\n"
    assert run("sources") == "crm  1 ids\n"
    assert "customer.merged" in run("set", "crm", "X1", "C2", code=1)
    assert "before stays" in run("set", "crm", "X1", "C2", "--force")
    assert run("list", "--customer", "C2") == "crm  X1  C2\n"
    assert run("list", "--source", "erp") == ""
    assert "C2's; its later events wait" in run("remove", "crm", "X1")
    assert "nobody's id" in run("remove", "crm", "X1", code=1)
    assert "must be" in run("set", "crm", "X 1", "C1", code=1)


def test_a_source_is_mapped_and_is_not_any_more(run: Run) -> None:
    assert "wait for their ids" in run("map-source", "crm")
    assert "already" in run("map-source", "crm")
    assert "customers' ids from now on" in run("unmap-source", "crm")
    assert "not mapped" in run("unmap-source", "crm", code=1)


def test_what_waits_and_who_is_merged_is_listed(run: Run, url: str) -> None:
    run("map-source", "crm")
    run("set", "crm", "X7", "A")
    database, now = open_database(url), wall_now()
    with database.writing() as tx:
        waiting = [Waiting(0, "crm", "X1", "e1", b"{}"), Waiting(1, "crm", "X1", "e2", b"{}")]
        ids_waiting.add(tx, waiting, now - timedelta(hours=3))
        ids_store.add_merge(tx, "A", "B", now)
    database.close()
    assert "crm  X1  2 events, the oldest for 3.0 h" in run("waiting")
    assert "X1" not in run("waiting", "--source", "erp")
    assert run("merges") == "A -> B  0 events sent again, at work\n"
    assert run("list") == "crm  X7  A  (merged into B)\n"


def test_a_file_in_another_encoding_and_one_that_is_none(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_bytes("external_id,customer_id,名称\nX1,C1,江南\n".encode("gb18030"))
    assert "--encoding" in run("load", str(file), "--source", "crm", code=1)
    assert "1 ids are new" in run("load", str(file), "--source", "crm", "--encoding", "gb18030")
    file.write_text("customer,id\nC1,X1\n")
    assert "the first line must name the columns" in run("load", str(file), "--source", "crm", code=1)
