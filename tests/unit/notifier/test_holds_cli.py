"""`bellwether holds`, from the command line to the database and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import main
from tests.unit.notifier.making import DIRECTORY_YAML


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """The command with a directory and a database of its own; its clock stands at noon of the second of March."""
    (tmp_path / "people.yaml").write_text(DIRECTORY_YAML, encoding="utf-8")
    (tmp_path / "clock").write_text("2026-03-02T04:00:00+00:00", encoding="utf-8")
    monkeypatch.setenv("BELLWETHER_DIRECTORY", str(tmp_path / "people.yaml"))
    monkeypatch.setenv("BELLWETHER_DATABASE_URL", f"sqlite:///{tmp_path / 'n.db'}")
    monkeypatch.setenv("BELLWETHER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BELLWETHER_CLOCK", f"manual:{tmp_path / 'clock'}")

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(main, ["holds", *words])

    return invoke


def test_a_hold_is_set_listed_and_lifted(run: object) -> None:
    assert callable(run)
    assert "no page is held back" in run("list").output
    made = run("set", "snooze", "R7", "C1", "--by", "wang", "--reason", "on holiday", "--for", "7d")
    assert made.exit_code == 0
    assert "until 2026-03-09T04:00:00+00:00" in made.output
    (one,) = json.loads(run("list", "--customer", "C1", "--json").output)
    assert (one["rule"], one["up_to"], one["reason"], one["pages"]) == ("R7", "high", "on holiday", 0)
    assert "江南精密机械有限公司" in run("list").output
    assert run("lift", one["id"], "--by", "li").exit_code == 0
    assert json.loads(run("list", "--json").output) == []
    (over,) = json.loads(run("list", "--over", "--json").output)
    assert over["ended_by"] == "li"
    assert "no such hold" in run("lift", one["id"], "--by", "li").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "wang", "--reason", "x"], "one of --until and --for"),
        (
            ["--by", "wang", "--reason", "x", "--for", "7d", "--until", "2026-03-03T00:00:00+08:00"],
            "one of --until and",
        ),
        (["--by", "nobody", "--reason", "x", "--for", "7d"], "nobody is not in the directory"),
        (["--by", "wang", "--reason", "", "--for", "7d"], "Give a reason"),
        (["--by", "wang", "--reason", "x", "--for", "31d"], "within the next 30 days"),
        (["--by", "wang", "--reason", "x", "--for", "7 days"], "is no period"),
        (["--by", "wang", "--reason", "x", "--until", "tomorrow"], "Invalid value"),
    ],
)
def test_what_cannot_be_held_is_told_in_a_sentence(run: object, words: list[str], said: str) -> None:
    assert callable(run)
    answer = run("set", "snooze", "R7", "C1", *words)
    assert answer.exit_code != 0
    assert said in answer.output
    assert "Traceback" not in answer.output
