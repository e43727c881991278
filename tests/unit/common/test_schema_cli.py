"""`bellwether schema`: the files are current, and what breaks a promise ends with exit code 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schemas import contracts
from schemas.contracts import promises
from services.cli import main
from services.common.schema_cli import GENERATED, RELEASED, allowed_breaches, generated_files, last_release


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["schema", *arguments])


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A folder with one release: what the models promise now."""
    assert run("release", "1.9.0", "--released", str(tmp_path)).exit_code == 0
    return tmp_path


def without_the_rulebook() -> dict[str, Any]:
    made = promises()
    del made["messages"]["rulebook"]
    return made


def test_the_files_that_are_checked_in_are_what_the_models_say() -> None:
    result = run("--check")
    assert result.exit_code == 0, result.output
    assert {file.name for file in GENERATED.iterdir()} == generated_files().keys()


def test_the_models_keep_what_the_last_release_promised() -> None:
    result = run("compare")
    assert result.exit_code == 0, result.output
    assert result.output.endswith(f"now keeps what {last_release()} promised\n")


def test_every_release_that_is_checked_in_is_kept_by_the_next() -> None:
    versions = sorted((file.stem for file in RELEASED.glob("*.json")), key=lambda name: [*map(int, name.split("."))])
    assert versions
    for old, new in zip(versions, [*versions[1:], "now"], strict=True):
        assert run("compare", old, new).exit_code == 0


def test_a_folder_that_is_not_current_is_told_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    assert run("--to", str(folder)).exit_code == 0
    assert run("--check", "--to", str(folder)).exit_code == 0

    (folder / "warning.schema.json").write_text("{}")
    (folder / "asyncapi.json").unlink()
    (folder / "bellwether.old.schema.json").write_text("{}")
    result = run("--check", "--to", str(folder))

    assert result.exit_code == 1
    assert [line.strip() for line in result.output.splitlines()[1:]] == [
        "asyncapi.json is missing",
        "bellwether.old.schema.json is no longer made: delete it",
        "warning.schema.json differs",
    ]


def test_a_broken_promise_is_told_with_advice_and_fails(released: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text(json.dumps(without_the_rulebook()))
    result = run("compare", "1.9.0", str(new), "--released", str(released))
    assert result.exit_code == 1
    assert "BREAKS   rulebook message-removed: the message is gone" in result.output
    assert "Keep the message until nobody sends or reads it." in result.output


def test_the_models_are_compared_with_the_last_release(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("release", "1.10.0", "--released", str(released)).exit_code == 0
    assert last_release(released) == "1.10.0"
    monkeypatch.setattr(contracts, "promises", without_the_rulebook)
    assert run("compare", "--released", str(released)).exit_code == 1

    (released / "1.10.0.allowed.yaml").write_text("rulebook message-removed: nobody ever read it\n")
    result = run("compare", "--released", str(released))
    assert result.exit_code == 0
    assert "allowed  rulebook message-removed" in result.output


def test_an_exception_that_nothing_needs_fails_too(released: Path) -> None:
    (released / "1.9.0.allowed.yaml").write_text("rulebook message-removed: nobody ever read it\n")
    result = run("compare", "--released", str(released))
    assert result.exit_code == 1
    assert "STALE    rulebook message-removed" in result.output


def test_a_release_is_kept_once(released: Path) -> None:
    assert "is there already" in run("release", "1.9.0", "--released", str(released)).output


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("7.0.0", None, "7.0.0 is no release in"),
        ("7.0.0", "{", "is no JSON"),
        ("7.0.0", "[]", "is no file of `bellwether schema release`"),
        ("7.0.0", "{}", "is no file of `bellwether schema release`"),
    ],
)
def test_what_is_no_release_is_told_in_a_sentence(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / f"{name}.json").write_text(text)
    result = run("compare", name, "--released", str(tmp_path))
    assert result.exit_code == 1
    assert says in result.output


def test_without_a_release_the_command_says_how_to_keep_one(tmp_path: Path) -> None:
    assert "bellwether schema release VERSION" in run("compare", "--released", str(tmp_path)).output


@pytest.mark.parametrize("text", ["[a]", "a: ", "a: [", "a: 1"])
def test_an_exception_without_a_reason_is_refused(released: Path, text: str) -> None:
    (released / "1.9.0.allowed.yaml").write_text(text)
    result = run("compare", "--released", str(released))
    assert result.exit_code == 1
    assert "1.9.0.allowed.yaml" in result.output


def test_an_empty_list_of_exceptions_is_none(released: Path) -> None:
    (released / "1.9.0.allowed.yaml").write_text("# none yet\n")
    assert allowed_breaches("1.9.0", released) == {}
