"""A publisher that says what a test wants, and a talk with the application that a test leads step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from schemas.topics import Topics
from services.ingest.app import Intake, build_app
from services.ingest.metrics import IngestMetrics
from services.ingest.records import Record
from tests.unit.schemas.examples import example

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class ScriptedPublisher:
    """Takes everything, until a problem is set."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.alive = True
        self.outstanding = 0
        self.failure: Exception | None = None
        self.failures: list[Exception | None] = []
        """One for each call, before `failure`."""
        self.published: list[Record] = []
        self.closed = False

    def start(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True

    async def publish(self, records: Sequence[Record]) -> None:
        failure = self.failures.pop(0) if self.failures else self.failure
        if failure is not None:
            raise failure
        self.published += records

    @property
    def ids(self) -> list[str]:
        """Of the events that were published, in their order."""
        return [orjson.loads(record.value)["id"] for record in self.published if record.topic == "t.events"]


def intake_of(publisher: ScriptedPublisher, **more: Any) -> Intake:
    return Intake(publisher, Topics("t"), lambda: NOW, IngestMetrics(CollectorRegistry()), **more)


def event_line(number: int, **changes: Any) -> bytes:
    return orjson.dumps(example("promise.met", id=f"e-{number}", **changes)) + b"\n"


class Talk:
    """One request to the application, sent and read in whatever order a test likes. `reading` is cleared by who does
    not read."""

    def __init__(self, intake: Intake, content_type: str, query: str = "", **headers: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.asked = 0
        self._moved = asyncio.Event()
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/events",
            "raw_path": b"/v1/events",
            "root_path": "",
            "scheme": "http",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "server": ("ingest", 80),
            "client": ("127.0.0.1", 1),
            "state": {},
        }
        self.task = asyncio.create_task(build_app(intake)(scope, self._receive, self._send))

    def say(self, body: bytes, *, more: bool = True) -> None:
        """The next piece of the body."""
        self._coming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        """The connection breaks."""
        self._coming.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int | None:
        """As soon as it was answered."""
        return next((message["status"] for message in self.sent if "status" in message), None)

    @property
    def body(self) -> bytes:
        """What was answered so far."""
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def lines(self) -> list[Any]:
        """The same, as JSON lines."""
        return [orjson.loads(line) for line in self.body.splitlines()]

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the application work until then."""
        async with asyncio.timeout(20):
            while not condition():
                self._moved.clear()
                await self._moved.wait()

    async def end(self) -> None:
        """Return when the application has answered."""
        async with asyncio.timeout(20):
            await self.task

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        self._moved.set()
        return await self._coming.get()

    async def _send(self, message: Any) -> None:
        self._moved.set()
        await self.reading.wait()
        self.sent.append(message)
        self._moved.set()
