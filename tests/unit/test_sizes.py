"""Limits on size: what does not fit on a screen hides its mistakes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    file for folder in ("schemas", "services", "deploy", "tests") for file in sorted((ROOT / folder).rglob("*.py"))
]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_files_and_functions_stay_small(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    assert len(source.splitlines()) <= FILE_LINES_MAX
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == {}
