"""Answers that are kept for their Idempotency-Key, in the database: replicas share them at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from services.common.database import Database
from services.ingest.idempotency import KEPT_FOR, Kept, Request, Turn, turn_of
from services.ingest.tables import idempotent_answers as answers


class IdempotencyStore:
    """Claims keys and keeps answers. Raises SQLAlchemyError when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, request: Request, now: datetime) -> tuple[Turn, Kept | None]:
        """What to do, and what is kept of the key. With Turn.DO the key is the caller's from now on: of all who ask at
        once, only one gets it."""
        with self._database.writing() as connection:
            kept = _kept(connection, request)
            turn = turn_of(request, kept, now)
            if turn is Turn.DO:
                connection.execute(delete(answers).where(_is(request)))
                row = {"source": request.sender, "key": request.key, "body_digest": request.digest, "at": now}
                connection.execute(insert(answers).values(row))
            return turn, kept

    def keep(self, request: Request, status: int, answer: bytes, claimed_at: datetime) -> None:
        """The answer of the claim made at that instant; if another has taken it over, nothing."""
        mine = _mine(request, claimed_at)
        with self._database.writing() as connection:
            connection.execute(update(answers).where(mine).values(status=status, answer=answer))

    def release(self, request: Request, claimed_at: datetime) -> None:
        """Nothing was done: whoever comes next may."""
        with self._database.writing() as connection:
            connection.execute(delete(answers).where(_mine(request, claimed_at)))

    def purge(self, now: datetime) -> int:
        """Forget what is older than KEPT_FOR; how many that were."""
        with self._database.writing() as connection:
            return int(connection.execute(delete(answers).where(answers.c.at <= now - KEPT_FOR)).rowcount)


def _is(request: Request) -> Any:
    return (answers.c.source == request.sender) & (answers.c.key == request.key)


def _mine(request: Request, claimed_at: datetime) -> Any:
    return _is(request) & (answers.c.at == claimed_at) & answers.c.status.is_(None)


def _kept(connection: Connection, request: Request) -> Kept | None:
    columns = (answers.c.body_digest, answers.c.status, answers.c.answer, answers.c.at)
    row = connection.execute(select(*columns).where(_is(request))).first()
    return None if row is None else Kept(bytes(row[0]), row[1], bytes(row[2] or b""), row[3])
