"""/v1/ids: the same as `bellwether ids`, for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import orjson
from fastapi import Body, Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import Response

from schemas.fields import EventId, Identifier
from services.ingest import ids_changing, ids_store, ids_waiting, merging_store
from services.ingest.answers import Problem, problem_answer
from services.ingest.ids_registry import Registry
from services.ingest.publisher import TryLater
from services.ingest.treating import Sender

MAX_ROWS = 10_000
"""Ids in one request, asked for or given."""

Who = Callable[[Request], Sender]
"""The administrator who asks. Raises what answers anybody else."""


class ExternalId(BaseModel):
    """Whose an id of a source is."""

    source: EventId
    external_id: Identifier
    customer_id: Identifier


class Owner(BaseModel):
    """Whose an id is to be."""

    customer_id: Identifier


class RefusedId(BaseModel):
    """A row that was not taken: its place, from 0, and why."""

    index: int
    reason: str


class Applied(BaseModel):
    """What became of the rows. `changed` were another customer's before: what was sent under them stays there."""

    new: int
    same: int
    changed: int
    refused: list[RefusedId]


class Ids(BaseModel):
    """Some ids in their order; `next` is what to give as `after` for those that follow."""

    ids: list[ExternalId]
    next: str | None


class WaitingId(BaseModel):
    """An id for which events wait."""

    source: str
    external_id: str
    events: int
    oldest: str


class WaitingIds(BaseModel):
    """Some of the ids for which events wait, in their order, and how many events wait in all."""

    total: int
    waiting: list[WaitingId]
    next: str | None


class MergeState(BaseModel):
    """A customer that turned out to be another. `resent`: events that were sent again under the surviving one."""

    merged_id: str
    surviving_id: str
    at: str
    resent: int
    done_at: str | None


class MergeStates(BaseModel):
    """All merges, the newest first."""

    merges: list[MergeState]


Limit = Annotated[int, Query(ge=1, le=MAX_ROWS)]
After = Annotated[str | None, Query(description="`next` of the page before", max_length=400)]
SHOWN_ERRORS = 5
COMMON: dict[int | str, dict[str, Any]] = {422: {"model": Problem}, 503: {"model": Problem}}


def add_ids(app: FastAPI, registry: Registry, who: Who) -> None:
    """Adds the routes, for administrators. This replica knows at once what it was told; others within a second."""
    guarded = [Depends(who)]
    _add_problems(app)
    _add_changes(app, registry, who, guarded)
    _add_lists(app, registry, guarded)


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Places and what is wanted, never what was given.
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:SHOWN_ERRORS]]
        return problem_answer(422, "invalid", "; ".join(found))

    @app.exception_handler(TryLater)
    @app.exception_handler(OperationalError)
    async def away(_request: Request, _error: Exception) -> Response:
        return problem_answer(503, "database_unavailable", "the database does not answer", {"Retry-After": "5"})


def _add_changes(app: FastAPI, registry: Registry, who: Who, guarded: list[Any]) -> None:
    database = registry.database
    taken: dict[int | str, dict[str, Any]] = {**COMMON, 409: {"model": Problem}}
    nobodys: dict[int | str, dict[str, Any]] = {**COMMON, 404: {"model": Problem}}

    @app.put("/v1/ids", dependencies=guarded, responses=COMMON)
    def put_ids(
        request: Request,
        rows: Annotated[list[ExternalId], Body(max_length=MAX_ROWS)],
        force: bool = False,
        dry_run: bool = False,
    ) -> Applied:
        """Say whose ids are. Good rows are kept; an id that is another customer's is refused unless `force`."""
        judged = [ids_changing.given(index, row.model_dump()) for index, row in enumerate(rows)]
        with database.writing() as tx:
            done = ids_changing.apply(tx, judged, registry.now(), who(request).name, force=force, dry_run=dry_run)
        registry.refresh()
        refused = [RefusedId(index=one.place, reason=str(one.problem)) for one in done.refused]
        return Applied(new=done.new, same=done.same, changed=done.changed, refused=refused)

    @app.put("/v1/ids/{source}/{external_id:path}", dependencies=guarded, responses=taken, response_model=ExternalId)
    def put_id(
        request: Request, source: EventId, external_id: Identifier, owner: Owner, force: bool = False
    ) -> Response:
        """Say whose one id is: 409 when it is another customer's, unless `force`."""
        named = {"source": source, "external_id": external_id, "customer_id": owner.customer_id}
        with database.writing() as tx:
            one = ids_changing.given(0, named)
            done = ids_changing.apply(tx, [one], registry.now(), who(request).name, force=force, dry_run=False)
        registry.refresh()
        if done.refused:
            return problem_answer(409, "id_taken", str(done.refused[0].problem))
        return Response(orjson.dumps(named), media_type="application/json")

    @app.delete("/v1/ids/{source}/{external_id:path}", status_code=204, dependencies=guarded, responses=nobodys)
    def delete_id(source: EventId, external_id: Identifier) -> Response:
        """The id is nobody's: its later events wait."""
        with database.writing() as tx:
            if ids_store.delete_id(tx, source, external_id) is None:
                return problem_answer(404, "not_found", "it is nobody's id")
        registry.refresh()
        return Response(status_code=204)


def _add_lists(app: FastAPI, registry: Registry, guarded: list[Any]) -> None:
    database = registry.database

    @app.get("/v1/ids", dependencies=guarded, responses=COMMON)
    def get_ids(
        source: EventId | None = None, customer_id: Identifier | None = None, after: After = None, limit: Limit = 1000
    ) -> Ids:
        """Ids and whose they are."""
        with database.reading() as tx:
            rows = ids_store.list_ids(tx, source, customer_id, _place(after), limit)
        found = [ExternalId(**{name: row[name] for name in ids_changing.COLUMNS}) for row in rows]
        return Ids(ids=found, next=_next(rows, limit))

    @app.get("/v1/ids/waiting", dependencies=guarded, responses=COMMON)
    def get_waiting(source: EventId | None = None, after: After = None, limit: Limit = 1000) -> WaitingIds:
        """Ids for which events wait."""
        with database.reading() as tx:
            rows = ids_waiting.list_waiting(tx, source, _place(after), limit)
            total, _ = ids_waiting.total(tx)
        found = [WaitingId(**{**row, "oldest": row["oldest"].isoformat()}) for row in rows]
        return WaitingIds(total=total, waiting=found, next=_next(rows, limit))

    @app.get("/v1/ids/merges", dependencies=guarded, responses=COMMON)
    def get_merges(limit: Limit = 1000) -> MergeStates:
        """Customers that were merged, or are being merged."""
        with database.reading() as tx:
            rows = merging_store.list_merges(tx, limit)
        return MergeStates(
            merges=[
                MergeState(
                    merged_id=row["merged_id"],
                    surviving_id=row["surviving_id"],
                    at=row["at"].isoformat(),
                    resent=row["resent"],
                    done_at=row["done_at"].isoformat() if row["done_at"] else None,
                )
                for row in rows
            ]
        )


def _place(after: str | None) -> tuple[str, str] | None:
    # Neither part can hold a space.
    source, _, external_id = (after or "").partition(" ")
    return (source, external_id) if after else None


def _next(rows: Sequence[Any], limit: int) -> str | None:
    return f"{rows[-1]['source']} {rows[-1]['external_id']}" if len(rows) == limit else None
