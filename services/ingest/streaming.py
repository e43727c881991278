"""A stream of events, one a line, of any length: judged and made durable in chunks, each with its results.

One chunk at a time: a sender faster than the broker is not read, and who does not read results is not sent more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import islice

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.ingest.answers import line_results, summary_line
from services.ingest.bodies import Held, Posted
from services.ingest.judge import LINES_TYPES, BadBody, Judgement
from services.ingest.lines import Line, Lines
from services.ingest.publisher import TryLater
from services.ingest.tallying import Tally

log = logging.getLogger(__name__)

CHUNK_LINES = 500
"""Made durable together."""

WRITE_TIMEOUT_S = 60.0
"""For results that nobody reads; then the connection is closed."""

MOST_WAITS = 30
"""How often a stream waits because all senders together are too fast, before its sender is told."""

Take = Callable[[Sequence[Line]], Awaitable[Judgement]]
"""Judges lines and returns when all that they say is durable; raises TryLater."""

Pause = Callable[[float], Awaitable[None]]


class LineStream:
    """One request's lines on their way."""

    def __init__(
        self, posted: Posted, held: Held, take: Take, *, only_refused: bool, pause: Pause, cut: Callable[[str], None]
    ) -> None:
        """`cut` is told the code of what cuts it short."""
        self._posted = posted
        self._held = held
        self._take = take
        self._only_refused = only_refused
        self._pause = pause
        self._cut = cut
        self._tally = Tally()

    async def results(self) -> AsyncIterator[bytes]:
        """JSON lines, of each chunk together, and the summary. Raises BadBody and TryLater as long as nothing is taken;
        after that the summary tells of them."""
        try:
            async for lines, last in self._chunks():
                judgement = await self._taken(lines)
                self._tally.add(judgement, last)
                yield line_results(judgement, only_refused=self._only_refused)
        except (BadBody, TryLater) as trouble:
            if not self._tally.lines:
                raise
            self._cut(trouble.code)
            yield summary_line(self._tally, trouble)
        else:
            yield summary_line(self._tally)

    async def _chunks(self) -> AsyncIterator[tuple[list[Line], int]]:
        """Lines, and the number up to which there are no others."""
        lines = Lines()
        async for piece in self._posted.pieces():
            self._held.count(lines.held_bytes + len(piece))
            for chunk in _by(CHUNK_LINES, lines.feed(piece)):
                yield chunk, chunk[-1].number
        for chunk in _by(CHUNK_LINES, lines.end()):
            yield chunk, chunk[-1].number
        if lines.number > self._tally.lines:
            # Empty lines at the end.
            yield [], lines.number

    async def _taken(self, lines: Sequence[Line]) -> Judgement:
        for _ in range(MOST_WAITS):
            try:
                return await self._take(lines)
            except TryLater as later:
                if later.code != "overloaded":
                    raise
                await self._pause(later.after_s)
        return await self._take(lines)


def _by(size: int, lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, size)):
        yield chunk


class ResultLines(Response):
    """Sends results while the request is still being read. Starlette's own streaming answer would swallow what comes:
    it waits for the end of the connection by reading."""

    media_type = LINES_TYPES[0]

    def __init__(self, first: bytes, rest: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        """`close` is called at the end, however it comes."""
        super().__init__(None, 200)
        del self.headers["content-length"]
        self._first = first
        self._rest = rest
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Returns before the end, and so has the connection closed, when nobody reads or the sender goes away."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await _write(send, self._first)
            async for lines in self._rest:
                await _write(send, lines)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.warning("a stream was given up: its results were not read for %g s", WRITE_TIMEOUT_S)
        except ClientDisconnect:
            log.info("a stream's sender went away before its end")
        finally:
            self._close()


async def _write(send: Send, lines: bytes) -> None:
    if lines:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await send({"type": "http.response.body", "body": lines, "more_body": True})
