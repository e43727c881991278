"""The `bellwether` command as a real process, or in this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner

from deploy.process import Child, start_child
from services.cli import main

ROOT = Path(__file__).resolve().parents[2]
RUN_TIMEOUT_S = 120.0
STOP_GRACE_S = 15.0


def bellwether_argv(*arguments: str) -> list[str]:
    """The command line, by module: it needs no installed script, only this interpreter."""
    return [sys.executable, "-m", "services.cli", *arguments]


def bellwether_env(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without the BELLWETHER_* settings of whoever runs the tests, and with `env`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BELLWETHER_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})}


def run_bellwether(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout_s: float = RUN_TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run to the end and give the exit code, stdout and stderr; a failure is the caller's to judge."""
    return subprocess.run(
        bellwether_argv(*arguments),
        env=bellwether_env(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def call_bellwether(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The same in this process, for what says nothing of processes: to start one takes longer than most commands do."""
    others = {name: None for name in os.environ if name.startswith("BELLWETHER_")}
    with contextlib.chdir(cwd or Path.cwd()):
        done = CliRunner().invoke(main, arguments, env={**others, **(env or {})})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


class Commands:
    """Starts long-running `bellwether` commands for one test, and ends every one of them after it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: list[Child] = []

    @property
    def directory(self) -> Path:
        """Where the test's own files lie."""
        return self._directory

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Child:
        """Start it and return at once; wait for what shows that it is ready with `wait_until`."""
        name = f"{len(self._children):02d}-{'-'.join(arguments[:2])}"
        child = start_child(
            name,
            bellwether_argv(*arguments),
            log_file=self._directory / f"{name}.log",
            env=bellwether_env({"BELLWETHER_DATA_DIR": str(self._directory / "data"), **(env or {})}),
            cwd=cwd,
        )
        self._children.append(child)
        return child

    def stop_all(self) -> None:
        """End all, newest first. What they said is printed: pytest shows it when the test has failed."""
        for child in reversed(self._children):
            child.terminate()
        for child in reversed(self._children):
            code = child.stop(STOP_GRACE_S)
            print(f"--- {child.name}: exit code {code}; the end of its log:\n{child.log_tail(40)}")
        self._children.clear()
