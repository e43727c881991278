"""PURE. Texts as senders usually write them, read at once: instants, days and decimals.

Whatever is written otherwise is left to `schemas.fields`, which is asked once for each new piece of an instant as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from schemas.fields import LATEST, SEALED, is_sealed, parse_date, parse_instant
from services.rules.calendar import DAY, SECOND, Day, Micros, micros

_USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})")
_EPOCH_DAY = 719_163
_LATEST = micros(LATEST)

# An instant is the sum of three pieces of its text: 2026-03-02, T09:30 and :00+08:00.
_MINUTES = {f"T{minute // 60:02d}:{minute % 60:02d}": minute * 60 * SECOND for minute in range(24 * 60)}
_DAYS: dict[str, Micros] = {}
_ENDS: dict[str, Micros] = {}

MOST_ENDS = 10_000
"""Seconds with an offset; a zone has 60 of them. There are no more days than those of 1970 to 2199."""

DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")
NOT_NEGATIVE = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")
POSITIVE = re.compile(r"(?:[1-9][0-9]{0,14}|0(?=\.0*[1-9]))(?:\.[0-9]{1,6})?")
"""Decimals that are kept as they are written: without zeros in front."""


def instant(text: Any) -> Micros:
    """Raises ValueError or TypeError for what `parse_instant` refuses."""
    try:
        at = _DAYS[text[:10]] + _MINUTES[text[10:16]] + _ENDS[text[16:]]
    except KeyError:
        return _new(text)
    if not 0 <= at < _LATEST:
        raise ValueError("lies outside the years 1970 to 2199")
    return at


def _new(text: Any) -> Micros:
    at = micros(parse_instant(text))
    if _USUAL.fullmatch(text) and len(_ENDS) < MOST_ENDS:
        day = _DAYS.setdefault(text[:10], (parse_date(text[:10]).toordinal() - _EPOCH_DAY) * DAY)
        _ENDS[text[16:]] = at - day - _MINUTES[text[10:16]]
    return at


@lru_cache(maxsize=100_000)
def ordinal(text: Any) -> Day:
    """Raises ValueError or TypeError for what `parse_date` refuses."""
    return parse_date(text).toordinal()


def personal(shortest: int, longest: int) -> Callable[[Any], bool]:
    """What of a personal field fits, or is sealed: what only begins as a sealed value does must not pass for a text.

    The test raises AttributeError for what is no text.
    """

    def test(value: Any) -> bool:
        if value.startswith(SEALED):
            return is_sealed(value)
        return shortest <= len(value) <= longest

    return test
