"""Thousands of bad connections at a time, from a process of their own: `python -m tests.support.nuisances PORT NUMBER`.

Each is of one KIND for ever; when it is ended it comes again. Every second a line of JSON is written: how many are
open, and how many were opened since the start. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import sys
from collections.abc import AsyncIterator, Callable

import uvloop

KINDS = ("silent", "dripping_header", "endless_header", "dripping_body", "large_body", "deaf")

ADDRESSES = 50
"""Addresses of this machine that they come from: Linux lets a client take any of 127.0.0.0/8."""

DRIP_EVERY_S = 2.0
POST = b"POST /v1/events HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\n"
ASK = b"GET /openapi.json HTTP/1.1\r\nHost: ingest\r\n\r\n"


async def _silent() -> AsyncIterator[bytes]:
    yield b""


async def _dripping_header() -> AsyncIterator[bytes]:
    for byte in POST + b"X-More: " + b"x" * 1000:
        yield bytes([byte])
        await asyncio.sleep(DRIP_EVERY_S)


async def _endless_header() -> AsyncIterator[bytes]:
    yield POST
    while True:
        yield b"X-More: " + b"x" * 12_000 + b"\r\n"
        await asyncio.sleep(DRIP_EVERY_S)


async def _dripping_body() -> AsyncIterator[bytes]:
    yield POST + b"Content-Length: 100000\r\n\r\n["
    while True:
        yield b" "
        await asyncio.sleep(DRIP_EVERY_S)


async def _large_body() -> AsyncIterator[bytes]:
    yield POST + b"Content-Length: 100000000\r\n\r\n["
    while True:
        yield b" " * 4000
        await asyncio.sleep(DRIP_EVERY_S)


async def _deaf() -> AsyncIterator[bytes]:
    for _ in range(40):
        yield ASK
    await asyncio.sleep(3600)


SPEECHES: dict[str, Callable[[], AsyncIterator[bytes]]] = {
    "silent": _silent,
    "dripping_header": _dripping_header,
    "endless_header": _endless_header,
    "dripping_body": _dripping_body,
    "large_body": _large_body,
    "deaf": _deaf,
}


class Nuisances:
    """All of them."""

    def __init__(self, port: int, number: int, seed: int) -> None:
        self._port = port
        self._number = number
        self._random = random.Random(seed)
        self.open = 0
        self.opened = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for index in range(self._number):
                group.create_task(self._be(index))

    async def _be(self, index: int) -> None:
        # Not all at once: as a crowd comes, over some seconds.
        await asyncio.sleep(self._random.random() * 8)
        while True:
            with contextlib.suppress(OSError):
                await self._once(index)
            await asyncio.sleep(0.5 + self._random.random())

    async def _once(self, index: int) -> None:
        reader, writer = await self._connect(index)
        self.open += 1
        self.opened += 1
        kind = KINDS[index % len(KINDS)]
        speech = asyncio.create_task(_speak(writer, SPEECHES[kind]()))
        try:
            if kind == "deaf":
                await speech
            else:
                while await reader.read(65536):
                    pass
        finally:
            self.open -= 1
            speech.cancel()
            writer.transport.abort()

    async def _connect(self, index: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = socket.socket()
        made.setblocking(False)  # noqa: FBT003 - it has no name
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.bind((f"127.0.9.{1 + index % ADDRESSES}", 0))
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self._port))
        return await asyncio.open_connection(sock=made, limit=1024)


async def _speak(writer: asyncio.StreamWriter, speech: AsyncIterator[bytes]) -> None:
    try:
        async for words in speech:
            writer.write(words)
            await writer.drain()
    except OSError:
        return


async def _main(port: int, number: int, seed: int) -> None:
    nuisances = Nuisances(port, number, seed)
    running = asyncio.create_task(nuisances.run())
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    while not ended.done():
        print(json.dumps({"open": nuisances.open, "opened": nuisances.opened}), flush=True)
        await asyncio.wait([ended], timeout=1)
    running.cancel()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1))
