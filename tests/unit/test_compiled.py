"""What was compiled is loaded only where it was compiled from the sources that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.compiled import FOLDER, SWITCH, NotCompiled, compiled_rules, digest_of


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two sources, compiled."""
    for name in ("schemas/events.py", "services/rules/engine.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("A = 1\n", encoding="utf-8")
    (tmp_path / FOLDER / digest_of(tmp_path) / "services" / "rules").mkdir(parents=True)
    return tmp_path


def test_the_compiled_core_of_these_sources_is_found(checkout: Path) -> None:
    assert compiled_rules({}, checkout) == checkout / FOLDER / digest_of(checkout) / "services" / "rules"


@pytest.mark.parametrize("name", ["schemas/events.py", "services/rules/engine.py", "services/rules/another.py"])
def test_after_a_change_of_any_source_the_sources_run(checkout: Path, name: str) -> None:
    (checkout / name).write_text("A = 2\n", encoding="utf-8")
    assert compiled_rules({}, checkout) is None


def test_without_anything_compiled_the_sources_run(tmp_path: Path) -> None:
    assert compiled_rules({}, tmp_path) is None


def test_the_switch_turns_it_off(checkout: Path) -> None:
    assert compiled_rules({SWITCH: "no"}, checkout) is None


def test_where_it_is_demanded_nothing_else_runs(checkout: Path) -> None:
    (checkout / "services/rules/engine.py").write_text("A = 2\n", encoding="utf-8")
    with pytest.raises(NotCompiled, match="make compiled"):
        compiled_rules({SWITCH: "yes"}, checkout)


def test_a_build_that_was_broken_off_is_not_taken_for_one(checkout: Path) -> None:
    made = checkout / FOLDER / digest_of(checkout)
    made.rename(checkout / FOLDER / "making-x")
    assert compiled_rules({}, checkout) is None
