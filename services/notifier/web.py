"""The notifier's web application: health, metrics, counts, and the console below them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from services.common.ops import Check
from services.notifier.api import add_case_api
from services.notifier.desk import Desk
from services.notifier.outbox_api import outbox_api


def build_web(
    desk: Desk,
    healthy: Check,
    ready: Check,
    registry: CollectorRegistry,
    console: ASGIApp,
    more: Sequence[BaseRoute] = (),
) -> FastAPI:
    """The ASGI application, with `more` addresses beside the console. Endpoints are sync: they block on the database,
    on FastAPI's threads."""
    app = FastAPI(title="Bellwether notifier", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> Response:
        return _answer(healthy())

    @app.get("/readyz")
    def readyz() -> Response:
        return _answer(ready())

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/api/summary")
    def summary(request: Request) -> Response:
        if not _is_loopback(request):
            return JSONResponse({"error": "the summary is answered on this machine only"}, status_code=403)
        counts = desk.summary()
        names = ("cases_open", "pages", "warnings", "pages_uncertain", "settling", "rejected", "undelivered")
        return JSONResponse({name: getattr(counts, name) for name in names})

    add_case_api(app, desk)
    app.include_router(outbox_api(desk))
    app.router.routes.extend(more)
    app.mount("/", console)
    return app


def _answer(problems: object) -> JSONResponse:
    return JSONResponse(
        {"status": "failing" if problems else "ok", "problems": problems}, status_code=503 if problems else 200
    )


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
