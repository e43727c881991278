"""The contract of PURE modules for import-linter, and what imports alone cannot say about them.

A module is PURE when the first paragraph of its docstring says so in capitals. No list is kept by hand: marking the
module is what puts it under the contract.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from importlinter.contracts.forbidden import ForbiddenContract

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "services", "deploy")
# Calls that ask the machine for the time, or for the world. Everything of the kind is an argument in PURE code.
METHODS = frozenset({"now", "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes"})
FUNCTIONS = frozenset({"open", "print", "input", "uuid1", "uuid4", "getenv", "monotonic", "perf_counter"})


def pure_modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file of every module that calls itself PURE."""
    found = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            if is_marked_pure(file.read_text(encoding="utf-8")):
                found[".".join(file.relative_to(root).with_suffix("").parts)] = file
    return found


def is_marked_pure(source: str) -> bool:
    """Whether the first paragraph of the module's docstring has the word PURE."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return "PURE" in docstring.split("\n\n")[0].replace(".", " ").replace(":", " ").split()


def impure_calls(source: str) -> list[str]:
    """Each call in a module that reads a clock, a file or the environment, as "line 12: now()"."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
                found.append(f"line {node.lineno}: {name}()")
            # A generator with a seed is a value like others; the module's own one is the machine's.
            case ast.Call(func=ast.Attribute(value=ast.Name(id="random"), attr=name), args=seed) if not (
                name == "Random" and seed
            ):
                found.append(f"line {node.lineno}: random.{name}()")
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                found.append(f"line {node.lineno}: {name}()")
    return found


class PureContract(ForbiddenContract):
    """import-linter's "forbidden" contract whose source modules are those marked PURE."""

    type_name = "pure"

    def __init__(self, name: str, session_options: dict[str, Any], contract_options: dict[str, Any]) -> None:
        super().__init__(name, session_options, {**contract_options, "source_modules": sorted(pure_modules())})
