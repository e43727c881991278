"""How long the notifier takes to decide on a warning when many cases are open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from services.common.database import Database
from services.notifier import tables
from services.notifier.clerk import Clerk
from services.notifier.people import Directory
from services.notifier.tables import open_database
from tests.unit.notifier.making import DIRECTORY, NOON, make_warning

PORTION = 5_000
BATCH = 20
"""Warnings in one transaction, half of them about customers with an open case."""

COPIED = ("cases", "warnings", "timeline", "deadlines", "pages")
PATTERN = "C-pattern"


def decision_times(folder: Path, few: int, many: int, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of CPU a warning with `few` and with `many` open cases, in turn."""
    folder.mkdir(parents=True)
    clerks = [filled(folder / f"{number}.db", number) for number in (few, many)]
    found: tuple[list[float], list[float]] = [], []
    for turn in range(rounds + 1):
        for times, clerk, number in zip(found, clerks, (few, many), strict=True):
            took = decide(clerk, number, turn)
            if turn:
                times.append(took)
    for clerk in clerks:
        clerk.database.close()
    return found


def decide(clerk: Clerk, number: int, turn: int) -> float:
    """One batch."""
    known = [f"C-{(turn * 7919 + one * 613) % number}" for one in range(BATCH // 2)]
    new = [f"N-{turn}-{one}" for one in range(BATCH - len(known))]
    warnings = [make_warning(f"t{turn}-{customer}", customer_id=customer) for customer in (*known, *new)]
    begun = time.process_time()
    clerk.file(warnings)
    return (time.process_time() - begun) * 1_000 / len(warnings)


def filled(file: Path, number: int) -> Clerk:
    """A database with so many open cases, each of one warning, its pages accepted."""
    database = open_database(f"sqlite:///{file}")
    database.migrate()
    directory: Directory = DIRECTORY
    clerk = Clerk(database, directory, lambda: NOON, channels=("webhook",))
    clerk.file([make_warning(PATTERN, customer_id=PATTERN)])
    pattern = _pattern(database)
    case_id = str(pattern["cases"][0]["id"])
    for name in COPIED:
        table = tables.metadata.tables[name]
        for portion in _portions(pattern[name], case_id, number):
            with database.writing() as tx:
                tx.execute(insert(table), portion)
    return clerk


def _pattern(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.reading() as tx:
        found = {name: tx.execute(select(tables.metadata.tables[name])).mappings().all() for name in COPIED}
    kept = {name: [dict(row) for row in rows] for name, rows in found.items()}
    for page in kept["pages"]:
        del page["id"]
        page["state"] = "accepted"
    return kept


def _portions(rows: list[dict[str, Any]], case_id: str, number: int) -> Iterator[list[dict[str, Any]]]:
    made: list[dict[str, Any]] = []
    for copy in range(number):
        made += [{name: _renamed(value, case_id, copy) for name, value in row.items()} for row in rows]
        if len(made) >= PORTION:
            yield made
            made = []
    if made:
        yield made


def _renamed(value: Any, case_id: str, copy: int) -> Any:
    return value.replace(case_id, f"case-{copy}").replace(PATTERN, f"C-{copy}") if isinstance(value, str) else value
