"""PURE: whether a warning can be kept at all. The wire says what a field is, not how large a database lets it be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas import warnings as wire

MAX_NUMBER = 2**31 - 1
"""Of anything counted: what every database keeps in a column."""

MAX_REVIEW_HOURS = 24 * 366
"""A review that may wait for longer is none, and its deadline must stay an instant that can be written."""

MAX_DEPTH = 20
"""Of the condition: nobody writes such a rule, and what is nested without end cannot be shown."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def unfit(warning: wire.Warning, raw: bytes) -> str | None:
    """Why the warning in `raw` cannot be kept, or None when it can."""
    if _NUL.search(raw):
        # PostgreSQL keeps no NUL in a text, and every text of a warning ends in one: a page, a note, a name.
        return "a text has a NUL character"
    tree = warning.evidence.tree
    if tree is not None and _depth(tree) > MAX_DEPTH:
        return f"evidence.tree: is nested deeper than {MAX_DEPTH}"
    for name, number, limit in _numbers(warning):
        if abs(number) > limit:
            return f"{name}: must not be beyond {limit}"
    return None


def _numbers(warning: wire.Warning) -> Iterator[tuple[str, int, int]]:
    yield "revision", warning.revision, MAX_NUMBER
    yield "run", warning.run, MAX_NUMBER
    yield "evidence.events_total", warning.evidence.events_total, MAX_NUMBER
    for leaf in warning.evidence.compared:
        yield "evidence.compared.events_total", leaf.events_total, MAX_NUMBER
    for leaf_place in _places(warning.evidence.tree):
        yield "evidence.tree.leaf", leaf_place, MAX_NUMBER
    if warning.review is not None:
        yield "review.within_hours", warning.review.within_hours, MAX_REVIEW_HOURS
        yield "review.quorum", warning.review.quorum, MAX_NUMBER


def _places(tree: wire.Branch | None) -> Iterator[int]:
    waiting = [tree] if tree is not None else []
    while waiting:
        branch = waiting.pop()
        if branch.leaf is not None:
            yield branch.leaf
        waiting += branch.of


def _depth(tree: wire.Branch) -> int:
    """Counted level by level: a recursion would end before it has counted."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [below for branch in level for below in branch.of]
    return depth
