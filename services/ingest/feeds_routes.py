"""/v1/feeds: when sources were heard, what is expected of them, and which are late or silent."""

# Annotations are evaluated here at once: FastAPI would not find the dependency, a local name, in a string.

from datetime import timedelta
from typing import Annotated

import orjson
from fastapi import Depends, FastAPI, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.common.clock import Now
from services.common.database import Database
from services.ingest import feeds_store
from services.ingest.answers import Problem, problem_answer
from services.ingest.feeds import Calendar, Expected
from services.ingest.letters_routes import Admin, anybody
from services.ingest.letters_showing import feed_row
from services.ingest.treating import Sender

MAX_MINUTES = 366 * 24 * 60

Source = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]


class FeedState(BaseModel):
    """A source. `late_minutes`: how much longer than expected it was not heard, by events or heartbeats; null when it
    is in time or nothing is expected. `silent`: it used to send heartbeats, so rules do not take its silence for a
    fact."""

    source: str
    last_event: str | None
    last_heartbeat: str | None
    complete_until: str | None
    expected_minutes: int | None
    working_days: bool
    late_minutes: int | None
    silent: bool


class FeedStates(BaseModel):
    """All, by name."""

    feeds: list[FeedState]


class Expectation(BaseModel):
    """How often a source is to be heard at least; with `working_days` only their time counts."""

    minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)]
    working_days: bool = False


class Feeds:
    """What the routes do."""

    def __init__(self, database: Database, now: Now, calendar: Calendar, silent_after: timedelta) -> None:
        self.database = database
        self.now = now
        self._calendar = calendar
        self._silent_after = silent_after

    def every(self) -> Response:
        with self.database.reading() as tx:
            found = feeds_store.every(tx)
        rows = [feed_row(feed, self.now(), self._calendar, self._silent_after) for feed in found]
        return Response(orjson.dumps({"feeds": rows}), media_type="application/json")

    def expect(self, source: str, expected: Expected | None, by: str) -> Response:
        with self.database.writing() as tx:
            feeds_store.expect(tx, source, expected, by)
        return Response(status_code=204)

    def remove(self, source: str) -> Response:
        with self.database.writing() as tx:
            if not feeds_store.remove(tx, source):
                return problem_answer(404, "not_found", "no source of that name was ever heard or expected")
        return Response(status_code=204)


def add_feeds(app: FastAPI, feeds: Feeds, admin: Admin = anybody) -> None:
    """Adds the routes; `admin` guards all of them."""

    @app.get("/v1/feeds", responses={200: {"model": FeedStates}}, response_model=None)
    def every(_by: Annotated[Sender, Depends(admin)]) -> Response:
        """Every source that was heard or of which something is expected."""
        return feeds.every()

    @app.put("/v1/feeds/{source:path}", status_code=204, response_model=None)
    def expect(source: Source, wanted: Expectation, by: Annotated[Sender, Depends(admin)]) -> Response:
        """From now on it is late when it was not heard for so long."""
        expected = Expected(timedelta(minutes=wanted.minutes), feeds.now(), wanted.working_days)
        return feeds.expect(source, expected, by.name)

    @app.delete("/v1/feeds/{source:path}", status_code=204, responses={404: {"model": Problem}}, response_model=None)
    def remove(source: Source, _by: Annotated[Sender, Depends(admin)]) -> Response:
        """It is gone: forget when it was heard. If it sends again it is back."""
        return feeds.remove(source)
