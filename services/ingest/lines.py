"""PURE lines out of pieces of a stream, which may be cut anywhere; what waits for its end is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.codec import MAX_EVENT_BYTES

_TEXT = re.compile(rb"[^\n]+")


class Line(NamedTuple):
    """A line's number, from 1, and what is on it; None for one of more than MAX_EVENT_BYTES, which nobody keeps."""

    number: int
    raw: bytes | None


class Lines:
    """Puts lines together. Empty ones are counted and not told."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._too_long = False
        self._number = 0

    @property
    def held_bytes(self) -> int:
        """Of the line that has not ended yet."""
        return len(self._begun)

    @property
    def number(self) -> int:
        """Of the last line that has ended."""
        return self._number

    def feed(self, piece: bytes) -> Iterator[Line]:
        """The lines that end in this piece."""
        end = piece.find(b"\n")
        if end < 0:
            self._add(piece)
            return
        self._add(piece[:end])
        yield from self._end()
        start, last = end + 1, piece.rfind(b"\n") + 1
        # Empty lines are only counted: of a compressed stream a kilobyte may hold a million of them.
        for found in _TEXT.finditer(piece, start, last):
            self._number += piece.count(b"\n", start, found.start()) + 1
            start = found.end() + 1
            yield from self._told(found[0])
        self._number += piece.count(b"\n", start, last)
        self._add(piece[last:])

    def end(self) -> Iterator[Line]:
        """The last line, which need not end with a line feed."""
        if self._begun or self._too_long:
            yield from self._end()

    def _add(self, part: bytes) -> None:
        if len(self._begun) + len(part) > MAX_EVENT_BYTES + 1:  # one more for a carriage return
            self._too_long = True
            self._begun.clear()
        if not self._too_long:
            self._begun += part

    def _end(self) -> Iterator[Line]:
        raw, too_long = bytes(self._begun), self._too_long
        self._begun.clear()
        self._too_long = False
        self._number += 1
        if too_long:
            yield Line(self._number, None)
        else:
            yield from self._told(raw)

    def _told(self, raw: bytes) -> Iterator[Line]:
        raw = raw.strip(b" \t\r")
        if raw:
            yield Line(self._number, raw if len(raw) <= MAX_EVENT_BYTES else None)
