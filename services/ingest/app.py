"""The HTTP side of ingest: read a body within bounds, have it judged, make it durable, answer."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any, Protocol

import orjson
from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from schemas.topics import Topics
from services.common.clock import Now
from services.ingest import description, idempotency
from services.ingest.answers import problem_answer, results_answer
from services.ingest.bodies import Posted, Room
from services.ingest.idempotency import digest_of, key_of
from services.ingest.ids_keeping import Judge, Keeping
from services.ingest.judge import LINES_TYPES, BadBody, Judgement, Post, judge, judge_lines, kind_of
from services.ingest.keys_gate import Gate, Turned, add_gate
from services.ingest.lines import Line
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import TryLater
from services.ingest.records import Hide, Record, as_it_came
from services.ingest.repeating import Repeating
from services.ingest.sealing_keeping import Keeper, off_the_loop_if_needed, with_keys_kept
from services.ingest.spooling import notes_of
from services.ingest.streaming import LineStream, Pause, ResultLines
from services.ingest.treating import Sender, Treatment

log = logging.getLogger(__name__)

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


class Intake:
    """Takes posts in. One per process."""

    def __init__(
        self,
        publisher: Publisher,
        topics: Topics,
        now: Now,
        metrics: IngestMetrics,
        treatments: Sequence[Treatment] = (),
        repeating: Repeating | None = None,
        pause: Pause = asyncio.sleep,
        hide: Hide = as_it_came,
        sealing: Keeper | None = None,
        gate: Gate | None = None,
        keeping: Keeping | None = None,
        noted: Callable[[Judgement], None] | None = None,
    ) -> None:
        """`treatments` are done to every valid event, in their order; `hide` to what is refused; `sealing` keeps the
        keys by which they have sealed. `repeating` answers Idempotency-Keys, which are refused without it; `pause` is
        how streams wait; `gate` tells who sends, and without it everybody may; `keeping` takes care of what waits for
        its customer; `noted` is told of what is durable."""
        self._noted = noted
        self.gate = gate or Gate()
        self._keeping = keeping
        self._sealing = sealing
        self._treatments = treatments
        self._hide = hide
        self.publisher = publisher
        self.metrics = metrics
        self.room = Room()
        self._topics = topics
        self._now = now
        self._repeating = repeating
        self._pause = pause

    async def take(self, request: Request) -> Response:
        """Answer one POST. The answer never claims more than the broker has acknowledged."""
        sender = self.gate.admit(request)
        try:
            if kind_of(request.headers.get("content-type", "")) in LINES_TYPES:
                return await self._take_lines(request, sender)
            with self.metrics.seconds.time(), closing(self.room.share()) as held:
                post = Post(await Posted(request).whole(held), request.headers, self._now())
                return await self._answer(post, sender)
        except BadBody as bad:
            return await self._refuse(bad)
        except TryLater as later:
            return self._later(later)

    async def _answer(self, post: Post, sender: Sender) -> Response:
        key = key_of(post)
        if key is None:
            return await self._act(post, sender)
        if self._repeating is None:
            raise BadBody(400, "bad_idempotency_key", "this ingest keeps no answers: leave the Idempotency-Key out")
        asked = idempotency.Request(sender.source or sender.name, key, digest_of(post))
        return await self._repeating.once(asked, lambda: self._act(post, sender))

    async def _act(self, post: Post, sender: Sender) -> Response:
        def judging() -> Judgement:
            return judge(post, self._topics, self._treatments, sender, self._hide)

        try:
            judgement = await self._judged(judging, len(post.body))
            self.gate.count(sender, len(judgement.verdicts))
            judgement = await self._made_durable(judgement, judging, len(post.body))
        except BadBody as bad:
            return await self._refuse(bad)
        except TryLater as later:
            return self._later(later)
        return results_answer(judgement)

    async def _judged(self, judging: Callable[[], Judgement], size: int) -> Judgement:
        """Judge so many bytes."""
        judge_once = self._once(judging, size)
        return await (judge_once() if self._keeping is None else self._keeping.judged(judge_once))

    def _once(self, judging: Callable[[], Judgement], size: int) -> Judge:
        async def judge_once() -> Judgement:
            if size < THREAD_FROM_BYTES:
                return await off_the_loop_if_needed(self._sealing, judging)
            return await asyncio.to_thread(judging)

        return lambda: with_keys_kept(self._sealing, judge_once)

    async def _made_durable(self, judgement: Judgement, judging: Callable[[], Judgement], size: int) -> Judgement:
        """Return when all that is accepted is durable, all that is refused too, and all that waits. It is judged again
        when something could go after all that was to wait."""
        if self._keeping is not None:
            judgement = await self._keeping.kept(judgement, self._once(judging, size))
        await self.publisher.publish(judgement.records)
        self.metrics.count(judgement)
        if self._noted is not None:
            self._noted(judgement)
        return judgement

    async def _take_lines(self, request: Request, sender: Sender) -> Response:
        only_refused = _only_refused(request)
        if idempotency.HEADER in request.headers:
            sentence = "a stream takes no Idempotency-Key: its events are recognised by (source, id) if sent again"
            raise BadBody(400, "bad_idempotency_key", sentence)
        post = Post(b"", request.headers, self._now())

        async def take(lines: Sequence[Line]) -> Judgement:
            self._still(request)
            size = sum(len(line.raw or b"") for line in lines)
            # A stream that is too fast is not read for a while, instead of being refused in its middle.
            while wait_s := self.gate.draw_s(sender, len(lines)):
                await self._pause(wait_s)

            def judging() -> Judgement:
                return judge_lines(lines, post, self._topics, self._treatments, sender, self._hide)

            return await self._made_durable(await self._judged(judging, size), judging, size)

        held = self.room.share()
        stream = LineStream(
            Posted(request),
            held,
            take,
            only_refused=only_refused,
            pause=self._pause,
            cut=self.metrics.count_problem,
        )
        results = stream.results()
        try:
            # Until the first chunk is durable a problem is answered as one, with its own status.
            first = await anext(results)
        except BaseException:
            held.close()
            raise
        return ResultLines(first, results, held.close)

    def _still(self, request: Request) -> None:
        """A key that is revoked while a stream comes ends it."""
        try:
            self.gate.sender(request)
        except Turned as turned:
            raise BadBody(turned.status, turned.code, turned.message, headers=turned.headers) from None

    async def _refuse(self, bad: BadBody) -> Response:
        try:
            if bad.records:
                await self.publisher.publish(bad.records)
        except TryLater as later:
            return self._later(later)
        self.metrics.count_problem(bad.code)
        return problem_answer(bad.status, bad.code, bad.message, bad.headers)

    def _later(self, later: TryLater) -> Response:
        self.metrics.count_problem(later.code)
        return problem_answer(503, later.code, later.message, {"Retry-After": str(later.after_s)})


def _only_refused(request: Request) -> bool:
    wanted = request.query_params.get("results", "all")
    if wanted not in ("all", "refused"):
        raise BadBody(400, "bad_query", 'results is "all" or "refused"')
    return wanted == "refused"


Worker = Callable[[], Coroutine[Any, Any, None]]
"""Runs beside the requests until it is cancelled, and mends itself what goes wrong."""


def build_app(intake: Intake, workers: Sequence[Worker] = ()) -> FastAPI:
    """The web application. Its life cycle starts and flushes the publisher, and runs the workers in between."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        intake.publisher.start()
        running = [asyncio.create_task(work()) for work in workers]
        yield
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await intake.publisher.close()

    # No documentation pages: they would load scripts from outside. /openapi.json stays.
    app = FastAPI(
        title="Bellwether ingest", version="1", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None
    )
    _add_events(app, intake)
    _add_ops(app, intake)
    _add_problems(app, intake.metrics)
    add_gate(app, intake.metrics)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Event" not in schemas:
            schemas.update(description.components())
            document["components"]["securitySchemes"] = description.SECURITY
            document["paths"] = {"/v1/events": {"post": description.operation()}, **document["paths"]}
        return document

    @functools.cache
    def encoded() -> bytes:
        return orjson.dumps(app.openapi())

    async def document(_request: Request) -> Response:
        # Encoded once: whoever needs no key for it must not keep us busy with it.
        return Response(encoded(), media_type="application/json")

    app.add_route("/openapi.json", document, include_in_schema=False)
    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual does it


def _add_events(app: FastAPI, intake: Intake) -> None:
    async def post_events(request: Request) -> Response:
        try:
            return await intake.take(request)
        except ClientDisconnect:
            # Nobody reads this; it only keeps a cut connection out of the error log.
            return problem_answer(400, "disconnected", "the sender went away before the body was complete")

    # A route of Starlette's: FastAPI's own, which would only pass the request on, is a quarter of what a request costs.
    app.add_route("/v1/events", post_events, methods=["POST"])


def _add_ops(app: FastAPI, intake: Intake) -> None:
    publisher = intake.publisher
    intake.metrics.watch(lambda: publisher.outstanding, lambda: publisher.problem is None)

    state = {"responses": description.state_responses()}

    @app.get("/healthz", summary="Must the process be replaced?", response_model=None, openapi_extra=state)
    async def healthz() -> Response:
        return _state({} if publisher.alive else {"kafka": "the sending thread has ended"})

    @app.get("/readyz", summary="Are events taken?", response_model=None, openapi_extra=state)
    async def readyz() -> Response:
        return _state({"kafka": publisher.problem} if publisher.problem else {}, notes_of(publisher))

    @app.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(intake.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _state(problems: dict[str, str], notes: dict[str, str] | None = None) -> Response:
    """As the ops pages of the other services answer; `notes` where something is to be said although all is well."""
    status = "failing" if problems else "ok"
    told = {"notes": notes} if notes else {}
    return JSONResponse({"status": status, "problems": problems, **told}, 503 if problems else 200)


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
