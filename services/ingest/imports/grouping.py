"""PURE rows on end that belong together, such as the lines of an order, as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from services.ingest.imports.reading import Row
from services.ingest.imports.rows import BadRow

MAX_GROUP_ROWS = 1000
"""As many lines as an order may have."""

BESIDE = "stands beside row {}, which cannot be read and may belong to it"


def grouped(rows: Iterable[Row], key_of: Callable[[Sequence[str]], str]) -> Iterator[Row]:
    """The rows as groups: the first row of each, with the others.

    A group that may not be whole has a problem: one of whose rows cannot be read, or that comes back further down.
    """
    seen: set[int] = set()
    group: list[Row] = []
    key: str | None = None
    suspect: int | None = None
    for row in rows:
        problem, its_key = _key(row, key_of)
        if problem is not None:
            if group:
                yield _whole(group, BESIDE.format(row.number))
            group, key, suspect = [], None, row.number
            yield replace(row, problem=problem)
            continue
        if group and its_key == key and len(group) < MAX_GROUP_ROWS:
            group.append(row)
            continue
        if group:
            yield _whole(group, _doubt(key, seen, suspect))
            suspect = None
        group, key = [row], its_key
    if group:
        yield _whole(group, _doubt(key, seen, suspect))


def _key(row: Row, key_of: Callable[[Sequence[str]], str]) -> tuple[str | None, str | None]:
    if row.problem is not None:
        return row.problem, None
    try:
        return None, key_of(row.cells)
    except BadRow as bad:
        return str(bad), None


def _doubt(key: str | None, seen: set[int], suspect: int | None) -> str | None:
    """Why the group may not be whole. Hashes are kept, not keys: a file may have millions."""
    if hash(key) in seen:
        return f"{key} stood further up already: sort the file by it (at most {MAX_GROUP_ROWS} rows belong together)"
    seen.add(hash(key))
    return BESIDE.format(suspect) if suspect is not None else None


def _whole(group: Sequence[Row], problem: str | None) -> Row:
    return replace(group[0], others=tuple(group[1:]), problem=problem)
