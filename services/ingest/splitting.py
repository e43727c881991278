"""PURE the original bytes of each element of a JSON array, for the dead letters: as sent, not as read."""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)


def array_elements(raw: bytes) -> list[bytes]:
    """The elements of a JSON array as the bytes between its commas, without the space around them.

    `raw` must be a valid JSON array: it has been parsed before.
    """
    elements: list[bytes] = []
    depth = 0
    start = raw.index(b"[") + 1
    for token in _TOKEN.finditer(raw):
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            depth -= 1
        if (mark == b"," and depth == 1) or depth == 0:
            elements.append(raw[start : token.start()].strip(b" \t\r\n"))
            start = token.end()
    return [] if elements == [b""] else elements
