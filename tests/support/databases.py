"""Databases for the stores' contracts: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.ports import free_port
from tests.support.programs import require_program
from tests.support.waiting import wait_until


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own on the loopback interface; skips where it is not installed."""
    binaries = _binaries(require_program("postgresql"))
    user = _server_user()
    # Not pytest's folder: that belongs to us alone, and the server may have to run as somebody else.
    home = Path(tempfile.mkdtemp(prefix="bellwether-pg-"))
    try:
        if user is not None:
            shutil.chown(home, user)
        data, port = home / "data", free_port()
        init = [str(binaries / "initdb"), "-D", str(data), "-U", "bellwether", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(init, user=user, check=True, capture_output=True, cwd=home)
        serve = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(home)]
        with subprocess.Popen(serve, user=user, cwd=home, stderr=subprocess.DEVNULL) as server:
            try:
                probe = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
                wait_until(lambda: subprocess.run(probe, check=False).returncode == 0, "PostgreSQL to be ready", 60)
                yield f"postgresql://bellwether@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _binaries(found: Path) -> Path:
    """Where initdb is: beside postgres, or beside what a link or the distribution's layout hides."""
    candidates = [found.parent, found.resolve().parent, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    return next(folder for folder in candidates if (folder / "initdb").exists() and (folder / "pg_isready").exists())


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root; its own account, or else nobody's, is there for that."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
