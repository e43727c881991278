"""Resident-ID numbers that nobody has: made by GB 11643 from parts, independently of what finds them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

VALID = "11010519491231002X"
"""The example of the standard itself."""

VALID_DIGITS = "440524188001010014"
"""The standard's other example; its birth year is 1880, so it is no number of anybody alive."""

PROVINCES = [11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54]
PROVINCES += [61, 62, 63, 64, 65, 71, 81, 82, 83]


def numbered(region: int, birth: date, sequence: int) -> str:
    """A valid number: the whole, with 10 for X, is 1 modulo 11 when the digits weigh 2 to the power of their place."""
    digits = f"{region:06d}{birth:%Y%m%d}{sequence:03d}"
    rest = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(digits)) % 11
    check = (1 - rest) % 11
    return digits + ("X" if check == 10 else str(check))


BORN_IN_1990 = numbered(310101, date(1990, 3, 7), 123)
"""A number of digits only."""

regions = st.builds(lambda province, rest: province * 10_000 + rest, st.sampled_from(PROVINCES), st.integers(0, 9999))
births = st.builds(lambda days: date(1900, 1, 1) + timedelta(days), st.integers(0, 109_572))
numbers = st.builds(numbered, regions, births, st.integers(0, 999))


def wide(text: str) -> str:
    """With full-width digits and letters."""
    return "".join(chr(ord(character) + 0xFEE0) if character.isalnum() else character for character in text)


def grouped(number: str, first: str, second: str) -> str:
    """6-8-4 with something between."""
    return f"{number[:6]}{first}{number[6:14]}{second}{number[14:]}"


gaps = st.sampled_from(["", " ", "-", "\u00a0", "\u3000", "\u2013", "－", " - ", "\t", "\n", "\r\n"])
spellings = st.builds(
    lambda number, first, second, change: change(grouped(number, first, second)),
    numbers,
    gaps,
    gaps,
    st.sampled_from([str, str.lower, wide, lambda text: wide(text.lower())]),
)
"""Numbers as people write them."""


def traces(spelling: str) -> list[str]:
    """What must not be read anywhere once the number is gone: it, and its half that tells the birth date."""
    plain = "".join(character for character in spelling if character.isalnum())
    return [spelling, plain[6:17], json.dumps(plain[6:17])[1:-1]]


def reads(traced: str, everything: Any) -> list[str]:
    """The traces of a number that can be read in the text form of anything."""
    text = everything.decode("utf-8", "replace") if isinstance(everything, bytes) else str(everything)
    return [trace for trace in traces(traced) if trace in text]
