"""The HTTP side of ingest: read a body within bounds, have it judged, make it durable, answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from schemas.topics import Topics
from services.common.clock import Now
from services.ingest.answers import Problem, Refused, Results, problem_answer, results_answer
from services.ingest.judge import MAX_BATCH_EVENTS, MAX_BODY_BYTES, BadBody, Judgement, Post, judge
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import TryLater, overloaded
from services.ingest.records import Hide, Record, as_it_came
from services.ingest.treating import ANYBODY, Treatment

log = logging.getLogger(__name__)

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Bodies in memory at one time, over all requests; beyond it senders are told to come back."""

DRAIN_BYTES = 4 * MAX_BODY_BYTES
"""What is read and thrown away of a body that is too large, so that its sender gets to see the answer."""

READ_TIMEOUT_S = 60.0
"""For a whole body: one that never ends must not hold its share of MAX_HELD_BYTES for ever."""

THREAD_FROM_BYTES = 64 * 1024
"""Larger bodies are judged off the event loop, so that small requests do not wait behind them."""


class Publisher(Protocol):
    """Where records become durable."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be published now, for people."""

    @property
    def alive(self) -> bool:
        """False when the process must be replaced."""

    @property
    def outstanding(self) -> int:
        """Records not yet acknowledged."""

    def start(self) -> None:
        """Begin to connect."""

    async def close(self) -> None:
        """Flush and end."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when all are durable; raises TryLater."""


class Keeper(Protocol):
    """What seals with keys that must be kept; see sealing.KeyRing."""

    @property
    def has_new(self) -> bool:
        """Whether there is a key to keep."""

    def mark(self) -> int:
        """Taken before something is sealed."""

    def keep(self, mark: int) -> None:
        """Return when the keys are durable with which anything was sealed since; raises TryLater."""


class Intake:
    """Takes posts in. One per process."""

    def __init__(
        self,
        publisher: Publisher,
        topics: Topics,
        now: Now,
        metrics: IngestMetrics,
        treatments: Sequence[Treatment] = (),
        hide: Hide = as_it_came,
        keys: Keeper | None = None,
    ) -> None:
        """`treatments` are done to every valid event, in their order; `hide` to what is refused. `keys` keeps those
        with which they have sealed."""
        self._keys = keys
        self._treatments = treatments
        self._hide = hide
        self.publisher = publisher
        self.metrics = metrics
        self._topics = topics
        self._now = now
        self._held_bytes = 0

    async def take(self, request: Request) -> Response:
        """Answer one POST. The answer never claims more than the broker has acknowledged."""
        body = bytearray()
        try:
            with self.metrics.seconds.time():
                await self._read_in_time(request, body)
                mark = self._keys.mark() if self._keys else 0
                judgement = await self._judge(request, bytes(body))
                await self._keep_keys(mark)
                await self.publisher.publish(judgement.records)
        except BadBody as bad:
            return await self._refuse(bad)
        except TryLater as later:
            return self._later(later)
        finally:
            self._held_bytes -= len(body)
        self.metrics.count(judgement)
        return results_answer(judgement)

    async def _read_in_time(self, request: Request, body: bytearray) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._read(request, body)
        except TimeoutError:
            raise BadBody(408, "body_too_slow", f"the body was not complete after {READ_TIMEOUT_S:g} s") from None

    async def _read(self, request: Request, body: bytearray) -> None:
        chunks = request.stream()
        async for chunk in chunks:
            if len(body) + len(chunk) > MAX_BODY_BYTES:
                await _drain(chunks)
                limit = MAX_BODY_BYTES // 1024**2
                raise BadBody(413, "body_too_large", f"the body is larger than {limit} MiB: send smaller batches")
            if self._held_bytes + len(chunk) > MAX_HELD_BYTES:
                raise overloaded()
            body += chunk
            self._held_bytes += len(chunk)

    async def _judge(self, request: Request, body: bytes) -> Judgement:
        post = Post(body, request.headers, self._now())
        if len(body) < THREAD_FROM_BYTES:
            return judge(post, self._topics, self._treatments, ANYBODY, self._hide)
        return await asyncio.to_thread(judge, post, self._topics, self._treatments, ANYBODY, self._hide)

    async def _keep_keys(self, mark: int) -> None:
        """Before anything is published: what no key opens is lost."""
        # Off the event loop, for it waits for a disk. Mostly there is nothing new.
        if self._keys is not None and (self._keys.has_new or self._keys.mark() != mark):
            await asyncio.to_thread(self._keys.keep, mark)

    async def _refuse(self, bad: BadBody) -> Response:
        try:
            await self.publisher.publish(bad.records)
        except TryLater as later:
            return self._later(later)
        self.metrics.count_problem(bad.code)
        return problem_answer(bad.status, bad.code, bad.message)

    def _later(self, later: TryLater) -> Response:
        self.metrics.count_problem(later.code)
        return problem_answer(503, later.code, later.message, {"Retry-After": str(later.after_s)})


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Throw the rest of a body away, up to a bound."""
    dropped = 0
    async for chunk in chunks:
        dropped += len(chunk)
        if dropped > DRAIN_BYTES:
            return


POST_DESCRIPTION = f"""
Takes one event, an array of up to {MAX_BATCH_EVENTS} events, or one event in CloudEvents binary mode (`ce-…` headers).

* **202**: every event is acknowledged by the broker (all in-sync replicas).
* **422**: at least one event was refused. Each has a result: those with status `accepted` *are* durable and must not be
  sent again; those with status `rejected` name the field and the reason, and their bytes are in the dead letters.
* **400**: the body is no JSON (truncated, NaN, …). Nothing is accepted; the bytes are in the dead letters.
* **408**, **413**, **415**: too slow, too large, or no JSON type. Nothing is accepted or kept.
* **503**: nothing is claimed to be durable. Send the whole request again after `Retry-After` seconds: an event is
  recognised by (source, id), so one that got through already does no harm.

`ignored_fields` names fields that Bellwether does not know; they were kept out of the event.
"""


def _openapi_body() -> dict[str, Any]:
    event = {"type": "object", "description": "a CloudEvents 1.0 event; `bellwether schema` writes the schema of each"}
    batch = {"type": "array", "items": event, "maxItems": MAX_BATCH_EVENTS}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": event},
                "application/cloudevents-batch+json": {"schema": batch},
                "application/json": {"schema": {"oneOf": [event, batch]}},
            },
        }
    }


def build_app(intake: Intake) -> FastAPI:
    """The web application. Its life cycle starts and flushes the publisher."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        intake.publisher.start()
        yield
        await intake.publisher.close()

    # No documentation pages: they would load scripts from outside. /openapi.json stays.
    app = FastAPI(title="Bellwether ingest", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_events(app, intake)
    _add_ops(app, intake)
    _add_problems(app, intake.metrics)
    return app


def _add_events(app: FastAPI, intake: Intake) -> None:
    problem: dict[str, Any] = {"model": Problem}

    @app.post(
        "/v1/events",
        status_code=202,
        response_model=None,
        description=POST_DESCRIPTION,
        openapi_extra=_openapi_body(),
        responses={
            202: {"model": Results},
            422: {"model": Refused},
            400: problem,
            408: problem,
            413: problem,
            415: problem,
            503: problem,
        },
    )
    async def post_events(request: Request) -> Response:
        try:
            return await intake.take(request)
        except ClientDisconnect:
            # Nobody reads this; it only keeps a cut connection out of the error log.
            return problem_answer(400, "disconnected", "the sender went away before the body was complete")


def _add_ops(app: FastAPI, intake: Intake) -> None:
    publisher = intake.publisher
    intake.metrics.watch(lambda: publisher.outstanding, lambda: publisher.problem is None)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return _state({} if publisher.alive else {"kafka": "the sending thread has ended"})

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return _state({"kafka": publisher.problem} if publisher.problem else {})

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(intake.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _state(problems: dict[str, str]) -> Response:
    """As the ops pages of the other services answer."""
    status = "failing" if problems else "ok"
    return JSONResponse({"status": status, "problems": problems}, 503 if problems else 200)


def _add_problems(app: FastAPI, metrics: IngestMetrics) -> None:
    @app.exception_handler(HTTPException)
    async def known(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise TypeError("registered for HTTPException only") from error
        names = {404: "not_found", 405: "method_not_allowed"}
        headers = dict(error.headers or {})
        return problem_answer(error.status_code, names.get(error.status_code, "http_error"), error.detail, headers)

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> Response:
        metrics.count_problem("internal")
        # The type alone: a message may hold a value from an event. Starlette raises it again for the server's log.
        log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
        return problem_answer(500, "internal", "the request met an error of ours; its events are not accepted")
