"""A service's database: connections, transactions that exclude each other, and migrations at the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from services.common.errors import UserError
from services.common.turns import Turns

BUSY_TIMEOUT_S = 20
"""How long a writer waits for another; the longest transaction files one batch of warnings."""

FRESH_S = 1.0
"""A connection to a server that was used so lately is not asked whether it is still there."""

_USED = "bellwether_used"
_WRITES = "bellwether_writes"
_LAST = "bellwether_last"

Last = Callable[[Connection, Sequence[Any]], None]


@dataclass(frozen=True)
class Schema:
    """Whose tables they are. `setting` is the variable that names the database; `lock` any number that no other schema
    and no other program on the same PostgreSQL uses; `versions` the table in which alembic notes how far it has come,
    so that several services may share one database."""

    migrations: Path
    setting: str
    lock: int
    versions: str


class BadDatabaseUrl(UserError):
    """A database's setting is none that SQLAlchemy knows. The message does not repeat it: it may hold a password."""


class Database:
    """A SQLite file or a PostgreSQL database. Safe to share between threads."""

    def __init__(self, url: str, schema: Schema) -> None:
        """Raises BadDatabaseUrl. The folder of a SQLite file is made."""
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise BadDatabaseUrl(f"{schema.setting} is not understood; sqlite:///some.db is one that is") from None
        self._schema = schema
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self._sqlite = parsed.get_backend_name() == "sqlite"
        if self._sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._turns = Turns()
        self._engine = _sqlite_engine(parsed) if self._sqlite else _server_engine(parsed)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server's database, or one in memory."""
        named = self._engine.url.database
        return Path(named) if self._sqlite and named and named != ":memory:" else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write, committed at the end. One at a time: what it reads stays true, and no two can
        wait for each other's rows. Raises OperationalError when another writer takes too long."""
        options = {_WRITES: True, _LAST: {}}
        with self._turn(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            if not self._sqlite:
                # SQLite has one writer by itself. Here cases, pages and waiting warnings would be locked row by row, by
                # each thread in the order of its own work.
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": self._schema.lock})
            yield connection
            _finish(connection)

    @contextmanager
    def claiming(self) -> Iterator[Connection]:
        """A transaction that takes work: on PostgreSQL beside all others. It must lock rows with SKIP LOCKED, or one
        row alone, so that it waits for nobody who may be waiting for it. Raises OperationalError as writing does."""
        options = {_WRITES: True, _LAST: {}}
        with self._turn(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
            _finish(connection)

    def _turn(self) -> AbstractContextManager[bool]:
        """SQLite lets a writer in who happens to look while nobody writes: one thread that writes all the time would
        keep the others out for seconds. Its lock still counts, for other processes."""
        return self._turns.turn(BUSY_TIMEOUT_S) if self._sqlite else nullcontext(enter_result=True)

    @contextmanager
    def alone(self, number: int) -> Iterator[bool]:
        """Whether the caller is the only one of all processes who does what the number stands for, while this lasts;
        who is not must leave it. SQLite has one process by itself."""
        if self._sqlite:
            yield True
            return
        with self._engine.connect() as connection, connection.begin():
            query = text("SELECT pg_try_advisory_xact_lock(:lock, :number)")
            yield bool(connection.execute(query, {"lock": self._schema.lock, "number": number}).scalar_one())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent look that waits for nobody."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Several looks at one state of everything, however long they take and whatever is committed meanwhile."""
        options: dict[str, Any] = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def migrate(self, revision: str = "head", *, down: bool = False) -> None:
        """Up to that revision, or `down` to it. Two processes that start at once do it one after the other."""
        config = Config()
        config.set_main_option("script_location", str(self._schema.migrations).replace("%", "%%"))
        config.attributes["versions"] = self._schema.versions
        with self.writing() as connection:
            config.attributes["connection"] = connection
            move = command.downgrade if down else command.upgrade
            move(config, revision)

    def close(self) -> None:
        """Close the pool's connections."""
        self._engine.dispose()


def do_last(tx: Connection, act: Last, *things: Any) -> None:
    """Have `act(tx, things)` done as the last of a writing transaction, once, with all that it was given until then, in
    order. What locks a row that every writer needs belongs there: it is held for the shortest time, and as nothing is
    locked after it no two writers can wait for each other."""
    tx.get_execution_options()[_LAST].setdefault(act, []).extend(things)


def _finish(tx: Connection) -> None:
    for act, things in tx.get_execution_options()[_LAST].items():
        act(tx, things)


def _server_engine(url: Any) -> Engine:
    # hide_parameters, here and below: an error in a log must not show customers.
    engine = create_engine(url, hide_parameters=True, pool_size=10, max_overflow=30)

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # Once a connection, not once a transaction: each word to the server is a way there and back.
        dbapi_connection.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S}s'")
        dbapi_connection.commit()

    @event.listens_for(engine, "checkin")
    def note(_dbapi_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(dbapi_connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        # Not before each transaction, as pool_pre_ping does: one that was good a moment ago is good, and to ask takes
        # as long as many a transaction.
        if time.monotonic() - record.info.get(_USED, time.monotonic()) > FRESH_S:
            _require_alive(engine, dbapi_connection)

    return engine


def _require_alive(engine: Engine, dbapi_connection: Any) -> None:
    """Raises DisconnectionError, for which the pool makes another connection."""
    try:
        alive = engine.dialect.do_ping(dbapi_connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error
    if not alive:
        raise DisconnectionError


def _sqlite_engine(url: Any) -> Engine:
    options = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    engine = create_engine(url, connect_args=options, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # sqlite3 must not begin on its own: BEGIN is ours, below, and DDL stays inside the transaction.
        dbapi_connection.isolation_level = None
        dbapi_connection.execute("PRAGMA journal_mode=WAL")
        dbapi_connection.execute("PRAGMA synchronous=FULL")
        dbapi_connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a reader that turns writer halfway would fail with "database is locked" without waiting.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
