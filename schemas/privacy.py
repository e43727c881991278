"""Chinese resident-ID numbers (GB 11643) in texts, documents and bytes: found and taken out, never stored. PURE.

A number is 17 digits and a check character: six digits of a region, eight of a birth date, three of a sequence. People
write it in groups, with full-width digits or with a small x, in the middle of a sentence; JSON may spell any character
as an escape. All of that is found. What is part of a longer run of digits is something else, and stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from typing import Any

REMOVED = "[resident ID removed]"
"""Stands where a number was."""

Span = tuple[int, int]

LENGTH = 18

# Birth dates. There is no clock here: a year that is still to come is as good as any other.
FIRST_YEAR, LAST_YEAR = 1900, 2199

ESCAPE_LEVELS = 3
"""JSON inside a JSON string inside JSON; a bound, for each level costs a pass over the text."""

# GB/T 2260: the provinces, with Taiwan, Hong Kong, Macao, their residents' permits (83), and abroad (91).
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 "
    "71 81 82 83 91".split()
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"

_WIDE_DIGITS = "０１２３４５６７８９"
_SEPARATORS = (
    "- \t\r\n\u00a0\u202f\u3000\u2212\ufe63\uff0d"
    + "".join(map(chr, range(0x2000, 0x200C)))  # spaces of every width
    + "".join(map(chr, range(0x2010, 0x2016)))  # hyphens and dashes
)

_DIGIT = f"[0-9{_WIDE_DIGITS}]"
_GAP = f"[{re.escape(_SEPARATORS)}]{{0,3}}"
# 6-8-4, where the date may be written as year, month and day. The lookahead lets candidates overlap.
_CANDIDATE = re.compile(
    f"(?<!{_DIGIT})(?=({_DIGIT}{{6}}{_GAP}{_DIGIT}{{4}}{_GAP}{_DIGIT}{{2}}{_GAP}{_DIGIT}{{2}}{_GAP}{_DIGIT}{{3}}"
    f"(?:{_DIGIT}(?!{_DIGIT})|[XxＸｘ])))"
)
_PLAIN = str.maketrans(_WIDE_DIGITS + "xＸｘ", "0123456789XXX", _SEPARATORS)

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {"b": " ", "f": " ", "n": "\n", "r": "\r", "t": "\t"}

_RUN = b"0" * 17


class _Fold:
    """Turns bytes into others in which digits with nothing but separators between them are a run of zeros.

    `digits` and `gaps` are bytes that characters of either kind consist of; in doubt it is a digit.
    """

    def __init__(self, digits: bytes, gaps: bytes) -> None:
        self.table = bytes(ord("0") if byte in digits else byte for byte in range(256))
        self.dropped = bytes(frozenset(gaps) - frozenset(digits))


_ASCII = b"0123456789"
_WIDE_ENDS = bytes(range(0x90, 0x9A))  # a full-width digit in UTF-8 is EF BC 90 to EF BC 99
_GAPS = (_SEPARATORS + "０").encode()

# The letters are those of JSON's \n, \t and \r.
_UTF_8_JSON = _Fold(_ASCII + _WIDE_ENDS, _GAPS + rb"\ntr")

# Of GB 18030 (a full-width digit is A3 B0 to A3 B9) and UTF-16 (FF 10 to FF 19, and a NUL beside each other digit) too.
_OTHER_ENDS = bytes([*range(0xB0, 0xBA), *range(0x10, 0x1A)])
_OTHER_GAPS = b"".join((_SEPARATORS + "０").encode(encoding) for encoding in ("gb18030", "utf-16-le"))
_UNKNOWN = _Fold(_ASCII + _WIDE_ENDS + _OTHER_ENDS, _GAPS + _OTHER_GAPS + rb"\ntr" + b"\0")


def find(text: str) -> list[Span]:
    """Where resident-ID numbers stand, as (start, end) in order; spans do not overlap."""
    if len(text) < LENGTH:
        return []
    merged: list[Span] = []
    for start, end in sorted(_found(text, ESCAPE_LEVELS)):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def redact(text: str) -> str:
    """The text with REMOVED in the place of every number. May be the source of JSON, with its escapes."""
    spans = find(text)
    if not spans:
        return text
    pieces = []
    end = 0
    for start, after in spans:
        pieces += [text[end:start], REMOVED]
        end = after
    return "".join([*pieces, text[end:]])


def excerpt(text: str, chars: int) -> str:
    """The beginning of a text, to be quoted: redacted first, for half a number says as much as a whole one."""
    return redact(text)[:chars]


def redact_bytes(raw: bytes) -> bytes:
    """The bytes with every number replaced; bytes that are no UTF-8 text are empty if they could hold a number."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        # UTF-16 of ASCII is valid UTF-8 full of NULs.
        return b"" if _RUN in raw.translate(_UNKNOWN.table, _UNKNOWN.dropped) else raw
    return redact(text).encode()


def may_hold(raw: bytes) -> bool:
    """False for UTF-8 JSON that certainly holds no number. Costs half a microsecond for an ordinary event."""
    # One character is looked for much faster than two, and most events have no escape.
    return _RUN in raw.translate(_UTF_8_JSON.table, _UTF_8_JSON.dropped) or (
        b"\\" in raw and any(escape in raw for escape in _HIDING)
    )


_HIDING = (rb"\u", rb"\b", rb"\f")
"""Escapes that the fold does not see through: of any character, and of the two that are read as a space."""


def holders(document: Any, path: str = "") -> Iterator[str]:
    """Paths such as data.note of every value and key in a JSON document that holds a number; no path quotes one.

    Of JSON's own numbers only integers count: a float of 18 digits has lost the last ones.
    `document` must not be nested deeper than Python's recursion allows.
    """
    if isinstance(document, str):
        if find(document):
            yield path
    elif isinstance(document, dict):
        for key, value in document.items():
            inside = f"{path}.{redact(key)}" if path else redact(key)
            if find(key):
                yield inside
            yield from holders(value, inside)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from holders(value, f"{path}.{index}" if path else str(index))
    elif isinstance(document, int) and 10**17 <= abs(document) < 10**18 and _is_resident_id(str(abs(document))):
        yield path


def _found(text: str, levels: int) -> Iterator[Span]:
    for candidate in _CANDIDATE.finditer(text):
        if _is_resident_id(candidate[1].translate(_PLAIN)):
            yield candidate.span(1)
    if levels and "\\" in text:
        unescaped = _Unescaped(text)
        for start, end in _found(unescaped.text, levels - 1):
            yield unescaped.origin(start), unescaped.origin(end)


class _Unescaped:
    """A text without its JSON escapes, which remembers where each character came from."""

    def __init__(self, source: str) -> None:
        pieces: list[str] = []
        # Parallel: a position in the new text, and in the source; between two of them both advance alike.
        self._here, self._there = [0], [0]
        for escape in _ESCAPE.finditer(source):
            literal = source[self._there[-1] : escape.start()]
            pieces += [literal, chr(int(escape[1], 16)) if escape[1] else _CONTROLS.get(escape[2], escape[2])]
            self._here.append(self._here[-1] + len(literal) + 1)
            self._there.append(escape.end())
        self.text = "".join([*pieces, source[self._there[-1] :]])

    def origin(self, position: int) -> int:
        """The position in the source."""
        index = bisect_right(self._here, position) - 1
        return self._there[index] + position - self._here[index]


def _is_resident_id(number: str) -> bool:
    """`number`: 17 ASCII digits and a digit or X."""
    return number[:2] in _PROVINCES and _is_birth_date(number[6:14]) and number[17] == _check_of(number[:17])


def _check_of(digits: str) -> str:
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def _is_birth_date(digits: str) -> bool:
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return FIRST_YEAR <= day.year <= LAST_YEAR
