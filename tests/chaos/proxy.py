"""A TCP proxy before a broker: slow, narrow, refusing, cut, or silent. It runs in a thread with a loop of its own.

Kafka names itself to its clients, so the broker must have a listener that advertises the proxy's port.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future

from deploy.ports import LOOPBACK, free_port

CHUNK_BYTES = 16_384


class Proxy:
    """Passes bytes on, `latency_s` later and at most `bytes_per_s` in each direction of a connection."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.latency_s = 0.0
        self.bytes_per_s = float("inf")
        self.passed_bytes = 0
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing: asyncio.Event | None = None

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._do(self._listen)

    def stop(self) -> None:
        """End all connections and the thread."""
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def refuse(self) -> None:
        """Nobody listens, and all connections are cut."""
        self._do(self._refuse)

    def accept(self) -> None:
        """Listen again."""
        self._do(self._listen)

    def cut(self) -> None:
        """All connections end with a reset; new ones are accepted."""
        self._do(self._cut)

    def silence(self) -> None:
        """Half open: connections stay, also new ones, and nothing passes in either direction."""
        self._do(self._silence)

    def speak(self) -> None:
        """What was held back goes on its way."""
        self._do(self._speak)

    def calm(self) -> None:
        """As new: no delay, no limit, nothing held back, listening."""
        self.latency_s, self.bytes_per_s = 0.0, float("inf")
        self.speak()
        self.accept()

    def _do(self, what: Callable[[], object]) -> None:
        async def call() -> None:
            result = what()
            if asyncio.iscoroutine(result):
                await result

        done: Future[None] = asyncio.run_coroutine_threadsafe(call(), self._loop)
        done.result(30)

    async def _listen(self) -> None:
        if self._flowing is None:
            self._flowing = asyncio.Event()
            self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port, reuse_address=True)

    async def _end(self) -> None:
        self._refuse()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cut()

    def _cut(self) -> None:
        for writer in list(self._open):
            # Closing must not wait for what is still on its way: the other side gets a reset.
            with contextlib.suppress(OSError):  # it may have ended by itself
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._open.clear()

    def _silence(self) -> None:
        if self._flowing is not None:
            self._flowing.clear()

    def _speak(self) -> None:
        if self._flowing is not None:
            self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                delay_s = self.latency_s + len(data) / self.bytes_per_s
                if delay_s:
                    await asyncio.sleep(delay_s)
                if self._flowing is not None:
                    await self._flowing.wait()
                self.passed_bytes += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()
