"""What a rule file may say at a place, and the sentences about what it may not say there. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import Any


def exact(value: Any) -> Decimal:
    """A number without the loss that floats bring."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return Decimal(value)
    hint = f": write it as a text, such as '{value}'" if isinstance(value, float) else ""
    raise ValueError(f"{value!r} is no number that is exact{hint}")


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
