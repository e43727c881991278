"""The command line: quick help, one sentence for what the reader can mend."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from deploy.ports import free_port
from schemas.topics import Topics, topic_specs
from services.cli import COMMANDS, Entry, LazyGroup, main
from services.common.errors import UserError
from tests.support.commands import bellwether_env, run_bellwether
from tests.support.fixtures import Kafka


@click.command()
def mendable() -> None:
    raise UserError("The file is missing: give another with --from.")


@click.command()
def broken() -> None:
    raise RuntimeError("a mistake in our code")


NOT_A_COMMAND = "text"
GROUP = LazyGroup(
    entries={
        "mendable": Entry(f"{__name__}:mendable", "Fails in a way its reader can mend."),
        "broken": Entry(f"{__name__}:broken", "Fails by our mistake."),
        "wrong": Entry(f"{__name__}:NOT_A_COMMAND", "Is no command."),
    }
)


def test_help_lists_every_command_with_a_sentence() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for name, entry in COMMANDS.items():
        assert name in output
        assert entry.summary.endswith(".")


def test_help_imports_no_service() -> None:
    code = (
        "import sys\nfrom services.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in sys.modules if m in ('faust', 'kafka', 'sqlalchemy', 'fastapi', 'pydantic')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=bellwether_env(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_the_reader_can_mend_is_one_sentence() -> None:
    result = CliRunner().invoke(GROUP, ["mendable"])
    assert result.exit_code == 1
    assert result.output == "Error: The file is missing: give another with --from.\n"


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    result = CliRunner().invoke(GROUP, ["broken"])
    assert isinstance(result.exception, RuntimeError)


def test_a_wrong_table_entry_is_found() -> None:
    assert isinstance(CliRunner().invoke(GROUP, ["wrong"]).exception, TypeError)


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.output


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLWETHER_PARTITIONS", "many")
    result = CliRunner().invoke(main, ["topics", "create"])
    assert result.output == 'Error: BELLWETHER_PARTITIONS is "many": set it to a whole number from 1 to 10000\n'


def test_topics_create_makes_them_and_then_finds_them(kafka: Kafka, topics: Topics) -> None:
    env = {"BELLWETHER_KAFKA": kafka.bootstrap, "BELLWETHER_TOPIC_PREFIX": topics.prefix, "BELLWETHER_PARTITIONS": "4"}
    done = run_bellwether("topics", "create", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"exists  {spec.name}" for spec in topic_specs(topics.prefix, 4)]


def test_topics_create_without_a_broker_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.common.kafka_admin.CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setenv("BELLWETHER_KAFKA", address := f"127.0.0.1:{free_port()}")
    result = CliRunner().invoke(main, ["topics", "create"])
    assert result.output == f"Error: no Kafka answers at {address}; start one, or set BELLWETHER_KAFKA\n"
