"""Child processes that are logged to a file, stopped within a bounded time, and gone when their parent is."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
DEFAULT_GRACE_S = 10.0
KILL_WAIT_S = 10.0
LOG_TAIL_BYTES = 64 * 1024


@functools.cache
def _spawner() -> ThreadPoolExecutor:
    """The one thread that starts children.

    Linux ties PR_SET_PDEATHSIG to the parent *thread*. A child started from a short-lived thread would be killed as
    soon as that thread ends; this one lives as long as the interpreter.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="child-spawner")


class Child:
    """A running command.

    Its output goes to `log_file` (appended, so a restart keeps what the run before said). It leads a process group of
    its own: a Ctrl-C at the terminal reaches only us, and we decide the order in which children stop.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log_file: Path, lifeline: int | None) -> None:
        self.name = name
        self.log_file = log_file
        self._process = process
        self._lifeline = lifeline

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._drop_lifeline()
        return code

    def wait(self, timeout_s: float) -> int:
        """Wait for the end and give the exit code. Raises subprocess.TimeoutExpired."""
        code = self._process.wait(timeout_s)
        self._drop_lifeline()
        return code

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM), without waiting."""
        if self.exit_code() is None:
            self._process.terminate()

    def stop(self, grace_s: float = DEFAULT_GRACE_S) -> int:
        """SIGTERM, wait up to `grace_s` seconds, then SIGKILL. Gives the exit code; fine on a process that ended."""
        self.terminate()
        try:
            return self.wait(grace_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL to its whole group, and wait until it is gone."""
        if self.exit_code() is None:
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait(KILL_WAIT_S)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log, for people."""
        with self.log_file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _drop_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def start_child(
    name: str,
    command: Sequence[str],
    *,
    log_file: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    use_prctl: bool = sys.platform == "linux",
) -> Child:
    """Start `command`; it is killed when this process ends for whatever reason.

    Args:
        name: what people call it.
        env: the whole environment; None inherits ours.
        use_prctl: False uses the watchdog pipe, the way of systems without PR_SET_PDEATHSIG.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    lifeline_read: int | None = None
    lifeline: int | None = None
    if use_prctl:
        guard = ["prctl", str(os.getpid())]
    else:
        lifeline_read, lifeline = os.pipe()
        guard = ["pipe", str(lifeline_read)]
    argv = [sys.executable, "-I", "-S", str(GUARD), *guard, "--", *command]

    def spawn() -> subprocess.Popen[bytes]:
        with log_file.open("ab") as log:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                process_group=0,
                pass_fds=() if lifeline_read is None else (lifeline_read,),
            )

    try:
        process = _spawner().submit(spawn).result()
    finally:
        if lifeline_read is not None:
            os.close(lifeline_read)
    return Child(name, process, log_file, lifeline)
