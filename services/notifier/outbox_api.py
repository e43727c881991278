"""The outbox over HTTP, for programs on this machine: what could not be delivered, and what is to become of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.notifier.bounds import MAX_NUMBER
from services.notifier.desk import Desk, Refused
from services.notifier.undelivered import MAX_NAME, MAX_REASON

Number = Annotated[int, Path(ge=1, le=MAX_NUMBER)]


class Retry(BaseModel):
    """Who has it sent again, and why."""

    by: str = Field(min_length=1, max_length=MAX_NAME)
    reason: str = Field("", max_length=MAX_REASON)


class Drop(BaseModel):
    """Who drops it, and why."""

    by: str = Field(min_length=1, max_length=MAX_NAME)
    reason: str = Field(min_length=1, max_length=MAX_REASON)


def here_only(request: Request) -> None:
    """Others get 403: there is nothing here that says who they are."""
    try:
        here = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise HTTPException(403, "this is answered on this machine only")


def outbox_api(desk: Desk) -> APIRouter:
    """GET /api/outbox, POST /api/outbox/{page}/retry and /drop. A body of JSON keeps other sites' forms out."""
    api = APIRouter(prefix="/api/outbox", dependencies=[Depends(here_only)])

    @api.get("")
    def listed(limit: Annotated[int, Query(ge=1, le=1000)] = 200, *, handled: bool = False) -> Response:
        found = desk.list_undelivered(handled=handled, limit=limit)
        return JSONResponse({"pages": jsonable_encoder([asdict(one) for one in found])})

    @api.post("/{page}/retry")
    def retry(page: Number, body: Retry) -> Response:
        return _done(lambda: desk.send_again(page, body.by, body.reason))

    @api.post("/{page}/drop")
    def drop(page: Number, body: Drop) -> Response:
        return _done(lambda: desk.drop_page(page, body.by, body.reason))

    return api


def _done(act: Callable[[], None]) -> Response:
    try:
        act()
    except Refused as refused:
        reasons = [{"code": one.code, "zh": one.text.zh, "en": one.text.en} for one in refused.reasons]
        return JSONResponse({"refused": reasons}, status_code=409)
    return JSONResponse({"done": True})
