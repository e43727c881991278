"""PURE: what comes from outside, made harmless for each shape of message: it is text there, and never markup, a mention
or a link. Names of customers, notes of people and values of files all come this way.

Chat programs have no common way to escape, and some have none: where a character cannot be escaped its full-width twin
stands for it, which reads the same and means nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args
from urllib.parse import quote, urlsplit

Flavour = Literal["wecom", "dingtalk", "feishu", "slack"]
"""The kinds of markdown that chat programs take."""

Shape = Literal["plain", "html", "wecom", "dingtalk", "feishu", "slack"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

REMEMBERED_TEXTS = 4096
REMEMBERED_LENGTH = 200
"""Characters of the longest text that is remembered with how it is escaped."""

BREAK = "\u200b"
"""A space of no width: it takes a link or a mention apart and nobody sees it."""

# Line ends would begin lines of their own; whoever turns the direction of writing shows a name backwards.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_LIVE = re.compile(
    r"(?P<scheme>:)(?=//)"
    r"|(?P<www>(?<=\bwww)\.)"
    r"|(?P<dot>(?<=[^\W_])[.\u3002\uff0e\uff61])(?=[^\W\d_]{2})"  # evil.example, but no 1.5 and no end of a sentence
    r"|(?P<at>[@\uff20])(?=\S)"
    r"|(?P<tag><)(?=[@!#]|/?(?:at|a|font|https?|mailto|img|tel)\b)",
    re.IGNORECASE,
)
_STOP = "\u3002"

_TWINS = {ord(char): chr(ord(char) + 0xFEE0) for char in "<>*`[]|~\\"}
_ENTITY = re.compile(r"&(?=#?\w+;)")
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_OPENS_A_BLOCK = re.compile(r"\s*(?:[#>+\-=]|\d+[.)]\s)")
_EMOJI = re.compile(r":(?=[\w+-]+:)")
_FEISHU = {ord(char): f"&#{ord(char)};" for char in "&<>*~`_[]()#|\\!$"}
_SLACK = _TWINS | {38: "&amp;", 60: "&lt;", 62: "&gt;"}


class Link(str):
    """An address of ours. It alone may be followed."""

    __slots__ = ()


def clean(text: str) -> str:
    """One line without what cannot be seen, and with nothing that a program would take for a link or a mention."""
    found = _UNSEEN.sub("", _CONTROL.sub(" ", text))
    return _LIVE.sub(_apart, found)


def _apart(found: re.Match[str]) -> str:
    char = found[0]
    # Between Chinese characters it is the end of a sentence; only a domain has it between Latin ones.
    if char == _STOP and not (found.string[found.start() - 1].isascii() and found.string[found.end()].isascii()):
        return char
    return char + BREAK


def escape(shape: Shape, text: str) -> str:
    """Text from anywhere as it may stand in a message of that shape."""
    # Labels, names and advice come again with every message: most of a page was escaped a moment ago.
    return _escaped_before(shape, text) if len(text) <= REMEMBERED_LENGTH else _escaped(shape, text)


def _escaped(shape: Shape, text: str) -> str:
    return _ESCAPES[shape](clean(text))


_escaped_before = lru_cache(maxsize=REMEMBERED_TEXTS)(_escaped)


def address(shape: Shape, link: Link) -> str:
    """An address of ours as it may stand in a message of that shape. Raises ValueError for what is no http address."""
    if urlsplit(link).scheme not in ("http", "https"):
        raise ValueError(f"no address of a page: {link[:50]}")
    safe = quote(link, safe=":/?#@!$&+,;=%-._~")
    return html.escape(safe) if shape in ("html", "slack") else safe


def _twins(text: str) -> str:
    """For renderers that know no escape, or not all of them the same."""
    text = _EMPHASIS.sub("＿", _ENTITY.sub("＆", text).translate(_TWINS))
    return BREAK + text if _OPENS_A_BLOCK.match(text) else text


def _feishu(text: str) -> str:
    escaped = text.translate(_FEISHU)
    return BREAK + escaped if _OPENS_A_BLOCK.match(text) else escaped


def _slack(text: str) -> str:
    escaped = _EMOJI.sub(":" + BREAK, _EMPHASIS.sub("＿", text.translate(_SLACK)))
    return BREAK + escaped if _OPENS_A_BLOCK.match(text) else escaped


_ESCAPES: dict[Shape, Callable[[str], str]] = {
    "plain": str,
    "html": html.escape,
    "wecom": _twins,
    "dingtalk": _twins,
    "feishu": _feishu,
    "slack": _slack,
}
