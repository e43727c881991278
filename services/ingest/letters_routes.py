"""/v1/dead-letters: the same as `bellwether dead-letters`, for programs."""

# Annotations are evaluated here at once: FastAPI would not find the dependency, a local name, in a string.

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, FastAPI, Query, Request
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from schemas.codec import MAX_EVENT_BYTES
from services.common.clock import Now
from services.common.database import Database
from services.ingest import letters_store as store
from services.ingest.answers import Problem, problem_answer
from services.ingest.letters import WAITING, Filed, Filter, place_of
from services.ingest.letters_editing import BadEdit, checked
from services.ingest.letters_showing import decision_row, letter_row, shown
from services.ingest.treating import ANYBODY, Sender

MAX_ROWS = 500

Admin = Callable[..., Any]
"""A dependency of FastAPI that lets administrators through, tells who it is, and answers all others."""

State = Literal["waiting", "asked", "sending", "replayed", "dropped"]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]+$")]


class Summary(BaseModel):
    """A letter without its event. `reason` does not quote what tells of a person."""

    id: str
    at: str
    state: State
    code: str
    reason: str
    source: str
    event_id: str
    customer_id: str | None
    origin: str


class Summaries(BaseModel):
    """Some letters in the order in which they were refused; `next` is what to give as `after` for those that follow."""

    letters: list[Summary]
    next: str | None


class Counted(BaseModel):
    """How many letters there are of a kind."""

    source: str
    code: str
    state: State
    letters: int
    oldest: str


class Counts(BaseModel):
    """The most first."""

    counts: list[Counted]


class Decided(BaseModel):
    """What was done about a letter."""

    at: str
    by: str
    what: str
    why: str


class Shown(Summary):
    """A letter. `event` is what a replay would send: JSON, or a text where it is none; masked unless asked for."""

    event: Any
    edited: bool
    headers: dict[str, str]
    decisions: list[Decided]


class Some(BaseModel):
    """Which of the waiting letters. `count` must be how many there are; without it, or with `dry_run`, they are only
    counted."""

    source: Text | None = None
    code: Text | None = None
    since: AwareDatetime | None = None
    dry_run: bool = False
    count: Annotated[int, Field(ge=0)] | None = None


class Unwanted(Some):
    """`why` is kept."""

    why: Annotated[Text, Field(max_length=1000)]


class Why(BaseModel):
    """Why a letter is dropped; it is kept."""

    why: Annotated[Text, Field(max_length=1000)]


class Done(BaseModel):
    """How many letters fit, and how many of them it was done to."""

    letters: int
    done: int


def anybody() -> Sender:
    """Where no keys are asked for everybody is an administrator."""
    return ANYBODY


def as_it_is(filed: Filed) -> bytes:
    """Where nothing is sealed."""
    return filed.event


NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
NOT_WAITING: dict[int | str, dict[str, Any]] = {404: {"model": Problem}, 409: {"model": Problem}}


class Letters:
    """What the routes do. Each call is a transaction of its own."""

    def __init__(self, database: Database, now: Now, unsealed: Callable[[Filed], bytes] = as_it_is) -> None:
        """`unsealed`: a letter's event, with what is sealed in it opened."""
        self.database = database
        self.now = now
        self._unsealed = unsealed

    def page(self, wanted: Filter, limit: int, after: str | None) -> Response:
        place = None if after is None else place_of(after)
        if after is not None and place is None:
            return problem_answer(400, "bad_query", "after: give what the answer before called next")
        with self.database.reading() as tx:
            rows = store.page(tx, wanted, limit + 1, place)
        letters = [letter_row(row) for row in rows[:limit]]
        return _json({"letters": letters, "next": letters[-1]["id"] if len(rows) > limit else None})

    def counts(self, wanted: Filter) -> Response:
        with self.database.reading() as tx:
            found = store.counts(tx, wanted)
        return _json({"counts": [{**one._asdict(), "oldest": one.oldest.isoformat()} for one in found]})

    def show(self, name: str, by: str, *, unmasked: bool) -> Response:
        place = place_of(name)
        with self.database.reading() as tx:
            filed = None if place is None else store.load(tx, place)
        if filed is None:
            return _not_found()
        if unmasked:
            with self.database.writing() as tx:
                store.look(tx, filed.letter.place, by, self.now())
        with self.database.reading() as tx:
            done = store.decisions(tx, filed.letter.place)
        row = shown(filed, self._unsealed(filed) if unmasked else filed.event, unmasked=unmasked)
        return _json({**row, "decisions": [decision_row(one) for one in done]})

    def edit(self, name: str, event: bytes, by: str) -> Response:
        try:
            event = checked(event)
        except BadEdit as bad:
            return problem_answer(422, "bad_edit", str(bad))
        place = place_of(name)
        with self.database.writing() as tx:
            if place is not None and store.edit(tx, place, event, by, self.now()):
                return Response(status_code=204)
            return _not_found() if place is None or store.load(tx, place) is None else _not_waiting()

    def decide(self, name: str, why: str | None, by: str) -> Response:
        """One letter is to be replayed, or with `why` dropped."""
        place = place_of(name)
        with self.database.writing() as tx:
            if place is None or store.load(tx, place) is None:
                return _not_found()
            done = self._do(tx, Filter(place=place), why, by)
        return _done(1, done, why) if done else _not_waiting()

    def decide_some(self, some: Some, why: str | None, by: str) -> Response:
        """All waiting letters of a source or a code, if the caller knows how many they are."""
        if some.source is None and some.code is None:
            return problem_answer(422, "too_wide", "name a source or a code")
        wanted = Filter(some.source, some.code, WAITING, some.since)
        with self.database.writing() as tx:
            waiting = store.number_of(tx, wanted)
            if some.dry_run or some.count is None:
                return _done(waiting, 0)
            if some.count != waiting:
                return problem_answer(409, "count_differs", f"{waiting} letters fit: look at them, and say that number")
            return _done(waiting, self._do(tx, wanted, why, by), why)

    def _do(self, tx: Connection, wanted: Filter, why: str | None, by: str) -> int:
        if why is None:
            return store.ask(tx, wanted, by, self.now())
        return store.drop(tx, wanted, why, by, self.now())


def add_letters(app: FastAPI, letters: Letters, admin: Admin = anybody) -> None:
    """Adds the routes; `admin` guards all of them."""
    _add_reading(app, letters, admin)
    _add_deciding(app, letters, admin)


def _add_reading(app: FastAPI, letters: Letters, admin: Admin) -> None:
    @app.get("/v1/dead-letters", responses={200: {"model": Summaries}, 400: {"model": Problem}}, response_model=None)
    def page(
        _by: Annotated[Sender, Depends(admin)],
        source: Annotated[Text | None, Query()] = None,
        code: Annotated[Text | None, Query()] = None,
        state: Annotated[State | None, Query()] = None,
        since: Annotated[AwareDatetime | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 100,
        after: Annotated[Text | None, Query()] = None,
    ) -> Response:
        """Letters in the order in which they were refused."""
        return letters.page(Filter(source, code, state, since), limit, after)

    @app.get("/v1/dead-letters/counts", responses={200: {"model": Counts}}, response_model=None)
    def counts(
        _by: Annotated[Sender, Depends(admin)],
        source: Annotated[Text | None, Query()] = None,
        state: Annotated[State | None, Query()] = None,
    ) -> Response:
        """How many there are, by source, code and state."""
        return letters.counts(Filter(source, None, state))

    @app.get("/v1/dead-letters/{letter}", responses={200: {"model": Shown}, **NOT_FOUND}, response_model=None)
    def show(letter: str, by: Annotated[Sender, Depends(admin)], *, unmasked: bool = False) -> Response:
        """One letter. That somebody saw it unmasked is kept with it."""
        return letters.show(letter, by.name, unmasked=unmasked)


def _add_deciding(app: FastAPI, letters: Letters, admin: Admin) -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    done: dict[str, Any] = {"model": Done}
    conflict: dict[int | str, dict[str, Any]] = {409: {"model": Problem}}
    bad: dict[int | str, dict[str, Any]] = {413: {"model": Problem}, 422: {"model": Problem}}

    @app.put(
        "/v1/dead-letters/{letter}/event",
        status_code=204,
        responses={**NOT_WAITING, **bad},
        response_model=None,
        openapi_extra={"requestBody": body},
    )
    async def edit(letter: str, request: Request, by: Annotated[Sender, Depends(admin)]) -> Response:
        """What is to be replayed in its place; what was refused is kept beside it."""
        event = bytearray()
        async for chunk in request.stream():
            event += chunk
            if len(event) > MAX_EVENT_BYTES:
                return problem_answer(413, "body_too_large", f"an event has at most {MAX_EVENT_BYTES} bytes")
        return await asyncio.to_thread(letters.edit, letter, bytes(event), by.name)

    @app.post("/v1/dead-letters/replay", responses={200: done, 202: done, **conflict}, response_model=None)
    def replay_some(some: Some, by: Annotated[Sender, Depends(admin)]) -> Response:
        """Letters are replayed within seconds; one that is refused again waits with the new reason."""
        return letters.decide_some(some, None, by.name)

    @app.post("/v1/dead-letters/drop", responses={200: done, **conflict}, response_model=None)
    def drop_some(some: Unwanted, by: Annotated[Sender, Depends(admin)]) -> Response:
        """They stay to be looked at, and are not replayed."""
        return letters.decide_some(some, some.why, by.name)

    @app.post(
        "/v1/dead-letters/{letter}/replay", status_code=202, responses={202: done, **NOT_WAITING}, response_model=None
    )
    def replay(letter: str, by: Annotated[Sender, Depends(admin)]) -> Response:
        """It is replayed within seconds."""
        return letters.decide(letter, None, by.name)

    @app.post("/v1/dead-letters/{letter}/drop", responses={200: done, **NOT_WAITING}, response_model=None)
    def drop(letter: str, why: Why, by: Annotated[Sender, Depends(admin)]) -> Response:
        """It stays to be looked at, and is not replayed."""
        return letters.decide(letter, why.why, by.name)


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _done(letters: int, done: int, why: str | None = None) -> Response:
    """202 where the rest happens later."""
    return _json({"letters": letters, "done": done}, 202 if done and why is None else 200)


def _not_found() -> Response:
    return problem_answer(404, "not_found", "there is no dead letter of that id, or its time is over")


def _not_waiting() -> Response:
    return problem_answer(409, "not_waiting", "the letter does not wait any longer: look at what was decided")
