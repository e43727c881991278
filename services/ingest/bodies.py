"""Reads what is posted: within bounds of size, of time, and of memory over all requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from services.ingest.encodings import TAKEN, BrokenEncoding, UnknownEncoding, decoder_of
from services.ingest.judge import MAX_BODY_BYTES, BadBody
from services.ingest.publisher import overloaded

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Bodies in memory at one time, over all requests; beyond it senders are told to come back."""

DRAIN_BYTES = 4 * MAX_BODY_BYTES
"""What is read and thrown away of a body that is too large, so that its sender gets to see the answer."""

READ_TIMEOUT_S = 60.0
"""For a whole body, or the next piece of a stream: one that never ends must not hold its share of MAX_HELD_BYTES for
ever."""


class Room:
    """For the bytes of all requests of a process."""

    def __init__(self) -> None:
        self.held_bytes = 0

    def share(self) -> Held:
        """One request's; to be closed."""
        return Held(self)


class Held:
    """The bytes of one request in memory."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._counted = 0

    def count(self, size: int) -> None:
        """So many bytes are held now, instead of those before. Raises TryLater when all requests hold too much."""
        more = size - self._counted
        if more > 0 and self._room.held_bytes + more > MAX_HELD_BYTES:
            raise overloaded()
        self._room.held_bytes += more
        self._counted = size

    def close(self) -> None:
        """Nothing is held any more."""
        self.count(0)


class Posted:
    """The body of a request, which can be read once."""

    def __init__(self, request: Request) -> None:
        self._chunks = request.stream()
        self._encoding = request.headers.get("content-encoding", "")

    async def whole(self, held: Held) -> bytes:
        """All of it, counted as held. Raises BadBody, TryLater."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._whole(held)
        except TimeoutError:
            raise _too_slow(f"the body was not complete after {READ_TIMEOUT_S:g} s") from None

    async def _whole(self, held: Held) -> bytes:
        body = bytearray()
        async for piece in self._pieces():
            if len(body) + len(piece) > MAX_BODY_BYTES:
                await self._drain()
                limit = MAX_BODY_BYTES // 1024**2
                raise BadBody(413, "body_too_large", f"the body is larger than {limit} MiB: send smaller batches")
            held.count(len(body) + len(piece))
            body += piece
        return bytes(body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Piece by piece, each in its time; never an empty one. Raises BadBody."""
        pieces = self._pieces()
        while True:
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise _too_slow(f"nothing came for {READ_TIMEOUT_S:g} s") from None
            if piece is None:
                return
            yield piece

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            decoder = decoder_of(self._encoding)
            async for chunk in self._chunks:
                for number, piece in enumerate(decoder.feed(chunk)):
                    if number:
                        # A chunk may hold a thousand times its size: others have their turn in between.
                        await asyncio.sleep(0)
                    yield piece
            for piece in decoder.end():
                yield piece
        except UnknownEncoding as unknown:
            raise BadBody(415, "unsupported_encoding", str(unknown), headers={"Accept-Encoding": TAKEN}) from None
        except BrokenEncoding as broken:
            await self._drain()
            raise BadBody(400, "broken_gzip", str(broken)) from None

    async def _drain(self) -> None:
        """Throw the rest away, up to a bound."""
        dropped = 0
        async for chunk in self._chunks:
            dropped += len(chunk)
            if dropped > DRAIN_BYTES:
                return


def _too_slow(sentence: str) -> BadBody:
    return BadBody(408, "body_too_slow", sentence)
