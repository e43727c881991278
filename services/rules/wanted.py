"""What a rule file may say at a place, and the sentences about what it may not say there. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from schemas.events import CUSTOMER_EVENTS
from services.rules import derived
from services.rules.entries import NOT_KEPT


def exact(value: Any) -> Decimal:
    """A number without the loss that floats bring."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return Decimal(value)
    hint = f": write it as a text, such as '{value}'" if isinstance(value, float) else ""
    raise ValueError(f"{value!r} is no number that is exact{hint}")


class Misplaced(ValueError):
    """What is wrong, and where below the place that is being read."""

    def __init__(self, said: str, path: list[str]) -> None:
        super().__init__(said)
        self.path = path


@contextmanager
def within(*parts: str) -> Iterator[None]:
    """What is wrong inside is wrong at this place."""
    try:
        yield
    except ValueError as error:
        raise Misplaced(str(error), [*parts, *getattr(error, "path", [])]) from None


def only(raw: Any, known: set[str]) -> None:
    """Refuses keys that mean nothing here."""
    if not isinstance(raw, dict):
        raise ValueError(f"{raw!r} must be a mapping with {listed(sorted(known))}")
    unknown = sorted(str(key) for key in set(raw) - known)
    if unknown:
        meant = did_you_mean(unknown[0], known)
        raise ValueError(f"unknown key {unknown[0]!r} (known here: {listed(sorted(known))}){meant}")


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """The end of a sentence about a name that there is not: the one that was probably meant."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def listed(names: Any) -> str:
    """Names for a sentence."""
    return ", ".join(map(str, names)) or "none"


def _fields(of: str, fields: frozenset[str] | str) -> frozenset[str]:
    if isinstance(fields, frozenset):
        return fields
    model = CUSTOMER_EVENTS[fields]
    names = frozenset(item.alias or name for name, item in model.model_fields.items())
    names -= NOT_KEPT
    return names if of == fields else names | derived.StageSteps.FIELDS


def has_field(of: str, fields: frozenset[str] | str, name: str) -> bool:
    """Whether the items of a series have a field."""
    return name in _fields(of, fields)


def check_field(of: str, fields: frozenset[str] | str, path: str) -> None:
    """Raises ValueError for a field that the items of a series do not have."""
    names = _fields(of, fields)
    first, _, rest = path.partition(".")
    if first in NOT_KEPT:
        raise ValueError(f"{of}.{first} is not kept for rules to read: free text and contact details are not")
    if first not in names:
        meant = did_you_mean(first, names)
        raise ValueError(f"{of} has no field {first} (fields: {listed(sorted(names))}){meant}")
    if rest and first != "fields":
        raise ValueError(f"{of}.{first} has no field {rest}")
