"""The door before uvicorn: takes a connection, holds what it sends until a request's header is whole, and only then
lets uvicorn see it. Whoever says nothing, says it slowly, never stops or does not listen costs little and goes when his
time is up (serving_bounds decides)."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.ingest.answers import PROBLEM_JSON, problem_answer
from services.ingest.serving_bounds import Bounds, Ending, GuestList, Phase, Standing, overdue

SWEEP_S = 0.1
SLICES = 20
"""Every connection is looked at once in SLICES sweeps: two seconds, and never all of them at one time."""

WRITE_HIGH_BYTES = 32 * 1024
"""Of an answer that its client has not read; beyond it the connection counts as one that does not listen."""

KERNEL_BYTES = 128 * 1024
"""What the kernel may hold of a connection in each direction, of bytes that somebody does not read. Left to itself it
takes megabytes."""

OVER_HEADER = (b"\r\n\r\n", b"\n\n", b"\n\r\n")


class House:
    """What the doors of one server share."""

    def __init__(self, bounds: Bounds, tell: Callable[[Ending], None] = lambda _ending: None) -> None:
        """`tell` hears of each connection that is ended by us."""
        self.bounds = bounds
        self.tell = tell
        self.guests: GuestList[Door] = GuestList(bounds)
        self.unread: OrderedDict[Door, int] = OrderedDict()
        self.unread_bytes = 0
        self._slices: list[set[Door]] = [set() for _ in range(SLICES)]
        self._turn = 0

    def come(self, door: Door) -> None:
        """A connection was made; somebody goes if there is no room."""
        self._slices[hash(door) % SLICES].add(door)
        goes = self.guests.come(door)
        if goes is not None:
            goes.end(Ending.REFUSED if goes is door else Ending.NO_ROOM)

    def leave(self, door: Door) -> None:
        """The connection is no more."""
        self._slices[hash(door) % SLICES].discard(door)
        self.guests.leave(door)
        self.listens(door)

    def listens_not(self, door: Door, unread_bytes: int) -> None:
        """So much of its answer is unread. If that is too much in all, who listens not for longest goes."""
        self.unread[door] = unread_bytes
        self.unread_bytes += unread_bytes
        while self.unread_bytes > self.bounds.unread_bytes:
            longest = next(iter(self.unread))
            self.listens(longest)
            longest.end(Ending.UNREAD)

    def listens(self, door: Door) -> None:
        """Its client has read on."""
        self.unread_bytes -= self.unread.pop(door, 0)

    def sweep(self, now: float) -> None:
        """Look at some of the connections."""
        self._turn = (self._turn + 1) % SLICES
        for door in list(self._slices[self._turn]):
            ending = door.overdue(now)
            if ending is not None:
                door.end(ending)

    async def run(self) -> None:
        """Sweep for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(loop.time())

    def protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn takes as its `http`."""

        def door(
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> Door:
            return Door(self, lambda: _Inner(config, server_state, app_state, _loop), server_state)

        # uvicorn only calls it.
        return cast("type[asyncio.Protocol]", door)


class _Wire:
    """What uvicorn takes for its transport. Of several requests sent at once uvicorn tells only the last that the
    connection has ended; what the others still write goes nowhere, instead of failing with a page of log each."""

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Unless the connection has ended."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Inner(HttpToolsProtocol):
    """uvicorn's side of a connection, telling its door how far it is."""

    door: Door
    in_header = False
    in_message = False
    working = 0
    deafened = False
    """More was sent at once than is taken: uvicorn would make a request of each, of 2 kB, however many there are. What
    follows is not heard; who sends so may count on no more than the answers that come before the end."""

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.deafened = self.deafened or self.working >= self.door.at_once
        if self.deafened:
            return
        self.in_header = self.in_message = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of its first line."""
        if not self.deafened:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of its header."""
        if not self.deafened:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its header was read."""
        if self.deafened:
            return
        self.in_header = False
        self.working += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        if not self.deafened:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Its body was read."""
        if self.deafened:
            return
        self.in_message = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Its answer was given."""
        self.working -= 1
        super().on_response_complete()
        self.door.look()


class Door(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_held", "_house", "_inner", "_make_inner", "_state", "_transport", "address", "standing")

    def __init__(self, house: House, make_inner: Callable[[], _Inner], state: ServerState) -> None:
        self._house = house
        self._make_inner = make_inner
        self._state = state
        self._inner: _Inner | None = None
        self._held = b""
        self._transport: asyncio.Transport | None = None
        self.address = ""
        now = asyncio.get_running_loop().time()
        self.standing = Standing(Phase.STRANGER, now, now)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        sock = transport.get_extra_info("socket")
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BYTES)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        # uvicorn ends all that are listed there when it stops.
        cast("set[Any]", self._state.connections).add(self)
        self._house.come(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        cast("set[Any]", self._state.connections).discard(self)
        self._house.leave(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops. uvicorn sees to the connections that it knows."""
        if self._inner is None and self._transport is not None:
            self._transport.close()

    def eof_received(self) -> None:
        """The other side will send no more, and is taken not to listen either, as uvicorn takes it."""

    def data_received(self, data: bytes) -> None:
        """Some bytes, of a header or of what follows it."""
        if self._transport is None or self._transport.is_closing():
            return
        now = asyncio.get_running_loop().time()
        self.standing.heard_at = now
        if self.standing.phase is Phase.BUSY:
            self._pass(data)
        elif self.standing.phase is Phase.DISCARDING:
            self.standing.discarded += len(data)
            self._pass(data)
            self.look()
        else:
            self._header(data, now)

    def _header(self, data: bytes, now: float) -> None:
        if self.standing.phase is Phase.IDLE:
            self.standing.phase, self.standing.since = Phase.HEADER, now
        searched = max(0, len(self._held) - 3)
        self._held += data
        known = self._inner is not None and self._inner.in_header
        ends = [at for mark in OVER_HEADER if (at := self._held.find(mark, searched)) >= 0]
        if (min(ends) if ends else len(self._held)) > self._house.bounds.header_bytes:
            self.end(Ending.LARGE_HEADER)
        elif ends or known:
            # `known`: uvicorn has the beginning already; it came with the request before.
            data, self._held = self._held, b""
            self._pass(data)
            self.look()

    def _pass(self, data: bytes) -> None:
        if self._inner is None and self._transport is not None:
            self._inner = self._make_inner()
            self._inner.door = self
            self._inner.connection_made(cast("asyncio.Transport", _Wire(self._transport)))
        if self._inner is not None and not self._inner.deafened:
            self._inner.data_received(data)

    @property
    def at_once(self) -> int:
        """So many requests may wait for their answers."""
        return self._house.bounds.at_once

    def look(self) -> None:
        """See how far uvicorn is with what it was passed."""
        inner, standing = self._inner, self.standing
        if inner is None or self._transport is None:
            return
        if self._transport.is_closing():
            # Whoever never reads the end of his answer goes as if he had nothing more to say.
            self._turn_to(Phase.IDLE)
        elif inner.working:
            self._turn_to(Phase.BUSY)
        elif inner.deafened:
            self._house.tell(Ending.TOO_MANY)
            self._transport.close()
            self._turn_to(Phase.IDLE)
        elif inner.in_message and not inner.in_header:
            self._turn_to(Phase.DISCARDING)
        elif standing.phase in (Phase.BUSY, Phase.DISCARDING):
            self._turn_to(Phase.IDLE)

    def _turn_to(self, phase: Phase) -> None:
        standing = self.standing
        if standing.phase is phase:
            return
        if phase is Phase.IDLE:
            self._house.guests.rest(self)
        else:
            self._house.guests.work(self)
        standing.phase, standing.since, standing.discarded = phase, asyncio.get_running_loop().time(), 0

    def pause_writing(self) -> None:
        """Its client does not read as fast as it is answered."""
        self.standing.unread_since = asyncio.get_running_loop().time()
        if self._inner is not None:
            self._inner.pause_writing()
        if self._transport is not None:
            self._house.listens_not(self, self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Its client has read."""
        self.standing.unread_since = None
        self._house.listens(self)
        if self._inner is not None:
            self._inner.resume_writing()

    def overdue(self, now: float) -> Ending | None:
        """Why it has to end now, if it has to."""
        inner, standing = self._inner, self.standing
        if inner is not None and standing.phase is Phase.BUSY:
            standing.awaited = inner.in_message and not inner.flow.read_paused
            if not standing.awaited:
                standing.heard_at = now
        return overdue(standing, self._house.bounds, now)

    def end(self, ending: Ending) -> None:
        """Close it, with a word where the other side may be listening."""
        transport = self._transport
        if transport is None or transport.is_closing():
            # One that does not read its last answer is closing for ever: it goes now.
            if transport is not None:
                transport.abort()
            return
        self._house.tell(ending)
        if ending in WORDS and (self._held or ending is Ending.LARGE_HEADER):
            self._held = b""
            transport.write(WORDS[ending])
            transport.close()
        else:
            transport.abort()


def _words(status: int, reason: str, code: str, detail: str) -> bytes:
    body = bytes(problem_answer(status, code, detail).body)
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


WORDS = {
    Ending.SLOW_HEADER: _words(
        408, "Request Timeout", "header_too_slow", "the request's header was not complete in time"
    ),
    Ending.LARGE_HEADER: _words(
        431, "Request Header Fields Too Large", "header_too_large", "the request's header is too large"
    ),
}
"""Answers that uvicorn does not know of."""
