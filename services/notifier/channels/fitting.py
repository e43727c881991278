"""PURE: a text made to fit what a provider takes: shortened with a link to all of it, or split, never lost.

Cuts fall between whole characters, and between lines where one is near.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import orjson

from services.notifier.people import Language

Size = Callable[[str], int]

_REST = {"zh": "…（已截短，全文见：{link}）", "en": "… (shortened; all of it: {link})"}
_PART = "({n}/{of}) "
_NEAR = 0.8
"""A cut goes back to the end of a line that keeps at least so much of what fits."""


def utf8(text: str) -> int:
    """Its length in bytes."""
    return len(text.encode())


def in_json(text: str) -> int:
    """Its length in bytes within a JSON string: a line end takes two."""
    return len(orjson.dumps(text)) - 2


def fit(text: str, most: int, link: str | None, language: Language = "zh", size: Size = utf8) -> list[str]:
    """The text in one piece of at most `most`; shortened where there is a link to the whole, else in numbered parts.

    Asserts that there is room for the link and a few characters.
    """
    if size(text) <= most:
        return [text]
    if link:
        rest = "\n" + _REST[language].format(link=link)
        if size(rest) < most:
            return [cut(text, most - size(rest), size) + rest]
    return _numbered(text, most, size)


def cut(text: str, most: int, size: Size = utf8) -> str:
    """The longest beginning that fits, without its white space at the end."""
    if size(text) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle]) <= most else (low, middle - 1)
    end = _between_characters(text, low)
    line = text.rfind("\n", 0, end)
    return text[: line if line >= end * _NEAR else end].rstrip()


def cut_characters(text: str, most: int) -> str:
    """The same by number of characters, with an ellipsis for what is left out."""
    return text if len(text) <= most else cut(text, most - 1, len) + "…"


def _numbered(text: str, most: int, size: Size) -> list[str]:
    """Every character but white space at the cuts is in one of the parts, in order."""
    room = most - size(_PART.format(n=999, of=999))
    assert room >= 16, "a limit in which no part of a text has room"
    parts, left = [], text.strip()
    while left:
        part = cut(left, room, size) or left[0]
        parts.append(part)
        left = left[len(part) :].lstrip()
    return [_PART.format(n=n, of=len(parts)) + part for n, part in enumerate(parts, 1)]


def _between_characters(text: str, end: int) -> int:
    """`end`, or before the character that a mark at `end` belongs to: no accent or joined picture is torn off."""
    at = end
    while 0 < at < len(text) and (_joins(text[at]) or text[at - 1] == "\u200d"):
        at -= 1
    # What is nothing but marks has to be cut somewhere.
    return at or end


def _joins(char: str) -> bool:
    return bool(unicodedata.combining(char)) or char == "\u200d" or "\ufe00" <= char <= "\ufe0f"
