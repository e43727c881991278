"""The people file, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.notifier.directory import DirectoryInvalid, load_directory
from tests.unit.notifier.making import DIRECTORY, DIRECTORY_YAML


def load(tmp_path: Path, text: str) -> list[str]:
    """The problems that loading reports."""
    file = tmp_path / "people.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DirectoryInvalid) as caught:
        load_directory(file)
    return caught.value.problems


PERSON = "{id: a, name: A, department: sales}"


def test_the_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(DIRECTORY_YAML, encoding="utf-8")
    assert load_directory(file) == DIRECTORY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("people: [{id: a, name: A}]\nfallback: a", 'people[0] "a": department: Field required'),
        (f"people: [{PERSON}]\nfallback: b", 'fallback: "b" is not among the people'),
        (f"people: [{PERSON}, {PERSON}]\nfallback: a", 'people: "a" stands there 2 times'),
        (
            f"people: [{PERSON}]\ncustomers: [{{id: C1, name: X, owner: z}}]\nfallback: a",
            'customers "C1": the owner "z" is not among the people',
        ),
        (
            "people: [{id: a, name: A, department: s, reports_to: z}]\nfallback: a",
            'people "a": reports to "z", who is not among the people',
        ),
        (
            "people: [{id: a, name: A, department: s, reports_to: a}]\nfallback: a",
            "people: the reporting line loops: a -> a",
        ),
        ("people: {}", "people: Input should be a valid list"),
        ("- 1", "the file: Input should be a valid dictionary or instance of _File"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_entry(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in load(tmp_path, text)


def test_a_longer_loop_is_told_once(tmp_path: Path) -> None:
    people = ", ".join(
        f"{{id: {who}, name: N, department: s, reports_to: {to}}}" for who, to in ("ab", "bc", "ca", "da")
    )
    problems = load(tmp_path, f"people: [{people}]\nfallback: a")
    assert problems == ["people: the reporting line loops: a -> b -> c -> a"]


def test_a_file_that_is_not_there_or_no_yaml_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DirectoryInvalid, match="cannot be read"):
        load_directory(tmp_path / "missing.yaml")
    assert "cannot be read" in load(tmp_path, "people: [")[0]


def test_a_reporting_line_runs_from_the_owner_to_the_top() -> None:
    assert DIRECTORY.responsible("C1").superiors == ("li", "chen", "zhao")
    assert DIRECTORY.ladder("C1") == ("li", "chen", "zhao", "sun")
    assert DIRECTORY.ladder("C3") == ("zhao",)
