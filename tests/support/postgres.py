"""A real PostgreSQL for tests, where its programs are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from deploy.ports import free_port
from deploy.process import Child, start_child
from tests.support.databases import OpenDatabase
from tests.support.waiting import wait_until

USER = "bellwether"
# PostgreSQL refuses to run as root; its package makes this account.
UNPRIVILEGED_ACCOUNT = "postgres"
INIT_TIMEOUT_S = 60.0


class PostgresServer:
    """A server with a data directory of its own, on a free port of 127.0.0.1. Where it is not `durable`, it is made to
    be quick: a crash of the machine, which no test plays, would lose what was committed."""

    def __init__(self, postgres: Path, *, durable: bool = False) -> None:
        self._durable = durable
        self._bin = postgres.parent
        self._directory = Path(tempfile.mkdtemp(prefix="bellwether-postgres-"))
        self._port = free_port()
        self._child: Child | None = None
        self._migrated: dict[OpenDatabase, str] = {}

    def start(self) -> None:
        """Make the cluster, start it, and return when it answers."""
        if os.geteuid() == 0:
            shutil.chown(self._directory, UNPRIVILEGED_ACCOUNT)
        data = self._directory / "data"
        initdb = [str(self._bin / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [*self._as_account(), *initdb, "--locale=C"],
            check=True,
            capture_output=True,
            timeout=INIT_TIMEOUT_S,
            cwd=self._directory,
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._child = start_child(
            "postgres",
            [*self._as_account(), str(self._bin / "postgres"), "-D", str(data), *settings],
            log_file=self._directory / "postgres.log",
            cwd=self._directory,
        )
        wait_until(self._answers, "PostgreSQL to answer", 30)

    def new_database(self, name: str, like: str = "template1") -> str:
        """An empty database, or a copy of another to which nobody is connected; gives its URL."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"'.encode())
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{name}"

    def new_migrated_database(self, name: str, open_database: OpenDatabase) -> str:
        """A database without rows, with the newest schema; gives its URL."""
        if open_database not in self._migrated:
            like = f"migrated_{len(self._migrated)}"
            made = open_database(self.new_database(like))
            made.migrate()
            made.close()
            self._migrated[open_database] = like
        return self.new_database(name, self._migrated[open_database])

    def drop_database(self, name: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._child is not None:
            self._child.stop(5)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _as_account(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        # A change of account clears the signal that ends a child with its parent, so it is asked for again.
        account = ["--reuid", UNPRIVILEGED_ACCOUNT, "--regid", UNPRIVILEGED_ACCOUNT, "--clear-groups"]
        return ["setpriv", *account, "--pdeathsig", "KILL", "--"]

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self._port} user={USER} dbname={database} connect_timeout=2"

    def _answers(self) -> bool:
        assert self._child is not None
        assert self._child.exit_code() is None, self._child.log_tail()
        try:
            with psycopg.connect(self._conninfo("postgres")):
                return True
        except psycopg.OperationalError:
            return False
