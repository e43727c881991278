"""What was compiled is loaded only for those who ask, and only where it was made of the sources that there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.compiled import FOLDER, ROOT, SWITCH, NotCompiled, compiled_rules, digest_of


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two sources, compiled."""
    for name in ("schemas/events.py", "services/rules/engine.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("A = 1\n", encoding="utf-8")
    (tmp_path / FOLDER / digest_of(tmp_path) / "services" / "rules").mkdir(parents=True)
    return tmp_path


ASKED = {SWITCH: FOLDER}


def test_the_compiled_core_of_these_sources_is_found(checkout: Path) -> None:
    assert compiled_rules(ASKED, checkout) == checkout / FOLDER / digest_of(checkout) / "services" / "rules"


def test_it_may_lie_outside_of_the_checkout(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (checkout / FOLDER / digest_of(checkout)).rename(elsewhere / digest_of(checkout))
    assert compiled_rules({SWITCH: str(elsewhere)}, checkout) is not None


@pytest.mark.parametrize("environ", [{}, {SWITCH: ""}])
def test_who_does_not_ask_for_it_runs_the_sources(checkout: Path, environ: dict[str, str]) -> None:
    assert compiled_rules(environ, checkout) is None


@pytest.mark.parametrize("name", ["schemas/events.py", "services/rules/engine.py", "services/rules/another.py"])
def test_after_a_change_of_any_source_what_was_compiled_before_is_refused(checkout: Path, name: str) -> None:
    (checkout / name).write_text("A = 2\n", encoding="utf-8")
    with pytest.raises(NotCompiled, match="make compiled"):
        compiled_rules(ASKED, checkout)


def test_a_build_that_was_broken_off_is_not_taken_for_one(checkout: Path) -> None:
    made = checkout / FOLDER / digest_of(checkout)
    made.rename(checkout / FOLDER / "making-x")
    with pytest.raises(NotCompiled):
        compiled_rules(ASKED, checkout)


RULES_TESTS = ("tests/unit/rules", "tests/simulation", "--ignore=tests/simulation/test_cases_over_ninety_days.py")
"""All that asks the rules core anything, short."""


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_compiled_anew_the_core_passes_the_tests_of_the_rules(tmp_path: Path) -> None:
    run("-c", f"from pathlib import Path; from deploy.compile import made_in; made_in(Path({str(tmp_path)!r}))")

    run("-c", "import services.rules, services.compiled as c; assert c.is_compiled()", compiled=tmp_path)
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800", *RULES_TESTS, compiled=tmp_path)


def run(*arguments: str, compiled: Path | None = None) -> None:
    """This Python in a process of its own, with that core; what it says is shown when the test fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BELLWETHER_", "PYTEST_"))}
    env |= {"PYTHONPATH": str(ROOT), SWITCH: str(compiled or "")}
    subprocess.run([sys.executable, *arguments], env=env, cwd=ROOT, check=True)
