"""Event documents that are wrong in one or two places, or right in an unusual way: what senders really send."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from tests.unit.schemas.examples import DATA, example

Path = tuple[str | int, ...]

INSTANTS = (
    "2026-03-01T09:00:00Z",
    "2026-03-01 09:00:00+08:00",
    "2026-03-01\n09:00+08",
    "20260301T0900+0800",
    "2026-W09-7T09:00:00.123456789-03:30",
    "2026-03-01T09:00:00+08:00:30.5",
    "2026-03-01T09:00:00,5-00:00",
    "2026-03-01T09:00:00",
    "2026-03-01",
    "2026-02-30T09:00:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T09:00:00z",
    "1969-12-31T23:59:59Z",
    "2200-01-01T00:00:00Z",
    "today",
    "",
)
DAYS = ("2026-03-01", "20260301", "2026-W09-7", "2026W097", "2026-W09", "2026-3-1", "2026-02-30", "2200-01-01", " ")
DECIMALS = (
    "0",
    "-0",
    "0.00",
    "-0.0",
    "-1",
    "1",
    "0.000001",
    "999999999999999.999999",
    "1000000000000000",
    "1.0000001",
    "1.",
    ".5",
    "1e5",
    "+1",
    "１",
    "1,5",
    " 1",
)
TEXTS = ("A", "a", "", "a b", "CNY", "XXY", "left", "sales", "a" * 101, "a" * 201, "林涛", "a\x00", "\u0085", "07-31")
NUMBERS = (0, 1, -1, 5, 101, 10**7, 10**18, 0.5, 1.0, 1e300, -0.0)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [None], {"a": 1}, [{}])

_POOL = (*INSTANTS, *DAYS, *DECIMALS, *TEXTS, *NUMBERS, *OTHERS)


def paths(value: Any, path: Path = ()) -> list[Path]:
    """Every place in a document."""
    found: list[Path] = [path]
    if isinstance(value, dict):
        inner: Any = value.items()
    else:
        inner = enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        found += paths(child, (*path, key))
    return found


def _holder(document: Any, path: Path) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """An example, or one that corrects or takes back another, after up to three changes at random places."""
    kind = draw(st.sampled_from(sorted(DATA)))
    document = copy.deepcopy(example(kind))
    document |= draw(st.sampled_from([{}, {}, {"supersedes": "earlier"}, {"retracted": True, "supersedes": "earlier"}]))
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, document)
    return document


def _change(draw: st.DrawFn, document: dict[str, Any]) -> None:
    path = draw(st.sampled_from(paths(document)[1:]))
    holder = _holder(document, path)
    match draw(st.sampled_from(("replace", "replace", "replace", "remove", "add", "repeat"))):
        case "remove":
            del holder[path[-1]]
        case "add" if isinstance(holder, dict):
            holder[draw(st.sampled_from(("more", "retracted", "a b", "Ünknown", "due_date", "fields")))] = _value(draw)
        case "repeat" if isinstance(holder, list):
            holder.extend(holder[:1] * draw(st.sampled_from((1, 20, 120, 1000))))
        case _:
            holder[path[-1]] = _value(draw)


def _value(draw: st.DrawFn) -> Any:
    return copy.deepcopy(
        draw(st.sampled_from(_POOL) | st.text(max_size=5) | st.integers(-(2**63), 2**64 - 1) | st.floats(0, 200))
    )
