"""`bellwether dead-letters` and what it says, on a database of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from services.common.database import Database
from services.common.errors import UserError
from services.ingest import letters_cli
from services.ingest import letters_store as store
from services.ingest.letters import Filter, Letter, Place
from services.ingest.letters_cli import dead_letters
from services.ingest.tables import open_database

NOW = datetime.now(UTC)
SECRET = "zhang.wei@example.com"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'ingest.db'}"
    monkeypatch.setenv("BELLWETHER_INGEST_DATABASE_URL", url)
    monkeypatch.setattr(letters_cli, "WAIT_S", 0.0)
    made = open_database(url)
    made.migrate()
    event = orjson.dumps({"data": {"amount": "1", "memo": SECRET}})
    letters = [
        Letter(Place(0, n), "invalid", f"no: {SECRET}", ("erp", "crm")[n % 2], f"E{n}", "C1", event, {}, at, "ingest")
        for n, at in enumerate(NOW - timedelta(hours=10 - n) for n in range(5))
    ]
    with made.writing() as tx:
        store.file(tx, 0, letters, 5, NOW)
    yield made
    made.close()


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(dead_letters, arguments, input=answer)


def said(*arguments: str, answer: str | None = None) -> str:
    done = run(*arguments, answer=answer)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def problem(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code != 0
    if isinstance(done.exception, UserError):
        return str(done.exception)
    assert done.exit_code == 2, done.exception
    return done.output


def _gone(text: str, **_options: str) -> str:
    """Somebody edits."""
    return text.replace(SECRET, "gone")


def _unchanged(_text: str, **_options: str) -> None:
    """Somebody leaves the editor."""


def state(database: Database, offset: int) -> str:
    with database.reading() as tx:
        filed = store.load(tx, Place(0, offset))
    assert filed is not None
    return filed.state


@pytest.mark.usefixtures("database")
def test_the_list_fits_what_was_asked_for_and_says_how_to_go_on() -> None:
    listed = said("list", "--source", "erp", "--limit", "2")
    assert [line.split()[0] for line in listed.splitlines()[:3]] == ["id", "0-0", "0-2"]
    assert "1 more; the next: --after 0-2" in listed
    assert SECRET not in listed
    assert [one["id"] for one in json.loads(said("list", "--since", "7h", "--json"))] == ["0-4"]
    assert [one["id"] for one in json.loads(said("list", "--after", "0-3", "--json"))] == ["0-4"]
    assert len(json.loads(said("list", "--since", f"{NOW - timedelta(days=3):%Y-%m-%d}", "--json"))) == 5
    assert said("list", "--code", "x") == "none\n"
    assert said("list", "--counts").split()[:7] == ["letters", "source", "code", "state", "oldest", "3", "erp"]


def test_a_letter_is_shown_masked_unless_somebody_says_otherwise(database: Database) -> None:
    assert SECRET not in said("show", "0-1")
    assert SECRET not in said("show", "0-1", "--json")
    assert SECRET in said("show", "0-1", "--unmasked")
    assert "seen by" in said("show", "0-1")
    assert state(database, 1) == "waiting"


def test_an_event_is_mended_by_its_fields_by_a_file_or_in_an_editor(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def event(offset: int) -> object:
        with database.reading() as tx:
            filed = store.load(tx, Place(0, offset))
        return None if filed is None else orjson.loads(filed.event)

    said("edit", "0-0", "--set", "data.amount=2.50", "--set", "data.memo=")
    assert event(0) == {"data": {"amount": 2.5}}
    said("edit", "0-0", "--set", 'data.amount="2.50"')
    assert event(0) == {"data": {"amount": "2.50"}}
    (tmp_path / "event.json").write_text('{"id": 1}')
    said("edit", "0-1", "--file", str(tmp_path / "event.json"))
    assert event(1) == {"id": 1}
    monkeypatch.setattr(click, "edit", _gone)
    said("edit", "0-2")
    assert event(2) == {"data": {"amount": "1", "memo": "gone"}}
    monkeypatch.setattr(click, "edit", _unchanged)
    assert problem("edit", "0-2") == "nothing was changed"
    assert "not both" in problem("edit", "0-2", "--set", "a=1", "--file", str(tmp_path / "event.json"))


def test_many_are_only_replayed_by_those_who_are_sure(database: Database) -> None:
    assert "3 letters wait" in said("replay", "--source", "erp", "--dry-run")
    assert run("replay", "--source", "erp", answer="n\n").exit_code == 1
    assert "3 letters wait, not 2" in problem("replay", "--source", "erp", "--count", "2")
    assert {state(database, n) for n in range(5)} == {"waiting"}
    assert "3 still to be replayed: `bellwether ingest serve` does it" in said(
        "replay", "--source", "erp", answer="y\n"
    )
    assert [state(database, n) for n in range(5)] == ["asked", "waiting", "asked", "waiting", "asked"]


def test_one_is_dropped_with_a_reason_and_not_twice(database: Database) -> None:
    assert "--why" in problem("drop", "0-0")
    assert "--why" in problem("drop", "0-0", "--why", " ")
    assert said("drop", "0-0", "--why", "a test") == "1 dropped\n"
    assert problem("drop", "0-0", "--why", "a test") == "0-0 does not wait any longer: it is dropped"
    assert "it is dropped" in problem("edit", "0-0", "--set", "a=1")
    with database.reading() as tx:
        assert store.number_of(tx, Filter(state="dropped")) == 1
        assert [one.why for one in store.decisions(tx, Place(0, 0))] == ["a test"]


@pytest.mark.usefixtures("database")
def test_what_cannot_be_meant_is_refused_with_a_sentence() -> None:
    assert "no dead letter 0-99" in problem("show", "0-99")
    assert "is no id of a letter" in problem("show", "x")
    assert "--since is" in problem("list", "--since", "yesterday")
    assert "name a letter, or --source or --code" in problem("replay")
    assert "not both" in problem("replay", "0-1", "--source", "erp")
