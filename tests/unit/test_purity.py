"""The line between what decides and what acts. lint-imports holds its imports; here is the rest of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.support.purity import impure_calls, is_marked_pure, pure_modules

# What the design names as PURE must carry the mark; it must not get lost with an edited docstring.
DESIGNED_PURE = (
    "services.rules.definition",
    "services.rules.engine",
    "services.rules.state",
    "services.notifier.policy",
)


@pytest.mark.parametrize("name", DESIGNED_PURE)
def test_what_the_design_calls_pure_is_marked_so(name: str) -> None:
    assert importlib.util.find_spec(name) is not None, f"{name} is not there"
    assert name in pure_modules()


@pytest.mark.parametrize(("name", "file"), pure_modules().items(), ids=list(pure_modules()))
def test_a_pure_module_asks_no_clock_and_reads_no_file(name: str, file: Path) -> None:
    assert impure_calls(file.read_text(encoding="utf-8")) == [], name


@pytest.mark.parametrize(
    ("docstring", "pure"),
    [
        ("PURE: decides.", True),
        ("Decides. PURE.\n\nMore.", True),
        ("PURE what it holds", True),
        ("Acts.\n\nUnlike the PURE ones.", False),
        ("Purely acts.", False),
    ],
)
def test_the_mark_is_the_word_in_the_first_paragraph(docstring: str, pure: bool) -> None:
    assert is_marked_pure(f'"""{docstring}"""') is pure


def test_calls_that_ask_the_machine_are_found() -> None:
    source = "from datetime import datetime\nx = datetime.now()\ny = open('f')\nz = x.date()\n"
    assert impure_calls(source) == ["line 2: now()", "line 3: open()"]


def test_chance_needs_a_seed() -> None:
    source = "import random\na = random.Random(7)\nb = random.Random()\nc = random.choice([1])\n"
    assert impure_calls(source) == ["line 3: random.Random()", "line 4: random.choice()"]
