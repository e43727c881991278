"""PURE what a Content-Encoding hides: the bytes within, a bounded piece at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from schemas.privacy import excerpt

PIECE_BYTES = 64 * 1024
"""What comes out of a compressed body at once: a kilobyte of gzip may hold a megabyte."""

TAKEN = "gzip"
"""For Accept-Encoding."""

_GZIP = 16 + zlib.MAX_WBITS


class UnknownEncoding(Exception):
    """An encoding that is not taken; the message names those that are."""


class BrokenEncoding(Exception):
    """Bytes that are not what their encoding says."""


class Decoder(Protocol):
    """Takes a body in chunks and gives what is in it, in order."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk brings, none larger than PIECE_BYTES or the chunk. Raises BrokenEncoding."""

    def end(self) -> Iterator[bytes]:
        """What is left when the body is over. Raises BrokenEncoding for a body that ends too early."""


def decoder_of(content_encoding: str) -> Decoder:
    """For the header's value, which may be empty; raises UnknownEncoding."""
    name = content_encoding.strip().lower()
    if name in ("", "identity"):
        return Identity()
    if name in ("gzip", "x-gzip"):
        return Gunzip()
    raise UnknownEncoding(f'the content encoding is "{excerpt(name, 40)}"; send gzip, or none')


class Identity:
    """Nothing is hidden."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The chunk."""
        if chunk:
            yield chunk

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        return iter(())


class Gunzip:
    """One gzip member after another, as `cat a.gz b.gz` makes them. Remembers 32 KiB, however much comes."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What can be read by now."""
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            piece = self._inflated(chunk)
            if piece:
                yield piece
            chunk = self._member.unconsumed_tail or self._member.unused_data

    def _inflated(self, chunk: bytes) -> bytes:
        try:
            return self._member.decompress(chunk, PIECE_BYTES)
        except zlib.error:
            raise BrokenEncoding("the body is not the gzip that Content-Encoding says it is") from None

    def end(self) -> Iterator[bytes]:
        """The last bytes, which zlib may have kept back."""
        tail = self._member.flush()
        if not self._member.eof:
            raise BrokenEncoding("the gzip ends before its end: the body was cut")
        if tail:
            yield tail
