"""A program that takes webhooks and counts them. Written without a look at what sends: HTTP by hand, JSON by name."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import orjson

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: %d\r\n\r\n"


class Receiver:
    """A server on a free port of the loopback interface, on a thread of its own. `got` has what it accepted: when
    (monotonic seconds), the key, the document. `pause_s`: so long it takes over each."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.got: list[tuple[float, str, dict[str, Any]]] = []
        self.pause_s = pause_s
        self.at_once = self.most_at_once = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/hook"

    def told(self) -> list[tuple[str, str, str]]:
        """(warning, person, kind) of every page in every message, in the order of their acceptance."""
        found = []
        for _, _, document in list(self.got):
            parts = document["pages"] if document["kind"] == "digest" else [document]
            found += [(part["warning_id"], document["to"]["id"], part["kind"]) for part in parts]
        return found

    def _run(self) -> None:
        async def serve() -> None:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.create_task(serve())
        self._loop.run_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                body = await reader.readexactly(int(_header(head, "content-length") or 0))
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                if self.pause_s:
                    await asyncio.sleep(self.pause_s)
                self.at_once -= 1
                self.got.append((time.monotonic(), _header(head, "idempotency-key"), orjson.loads(body)))
                writer.write(ANSWER % len(self.got))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _header(head: str, name: str) -> str:
    found = (line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith(name + ":"))
    return next(found, "")


def waited_for(condition: Callable[[], bool], deadline_s: float, poll_s: float = 0.02) -> bool:
    """Whether it came true in time."""
    give_up_at = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(poll_s)
    return True
