"""Child processes: logged, stopped in time, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from deploy.process import Child, start_child
from tests.support.commands import ROOT
from tests.support.waiting import wait_until

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
POLITE = textwrap.dedent("""
    import signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print('up', flush=True)
    time.sleep(600)
""")


def python(tmp_path: Path, code: str, *, use_prctl: bool = True) -> Child:
    child = start_child("it", [sys.executable, "-c", code], log_file=tmp_path / "it.log", use_prctl=use_prctl)
    wait_until(lambda: "up" in child.log_tail(), "the child to be up", 10)
    return child


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not collected yet counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("use_prctl", [True, False], ids=["prctl", "pipe"])
def test_a_polite_child_leaves_on_sigterm_with_its_own_exit_code(tmp_path: Path, use_prctl: bool) -> None:
    child = python(tmp_path, POLITE, use_prctl=use_prctl)
    assert child.exit_code() is None
    assert child.stop(grace_s=10) == 0
    assert child.exit_code() == 0


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    assert python(tmp_path, STUBBORN).stop(grace_s=0.2) == -signal.SIGKILL


def test_stopping_what_has_ended_gives_its_exit_code(tmp_path: Path) -> None:
    child = start_child("it", [sys.executable, "-c", "raise SystemExit(7)"], log_file=tmp_path / "it.log")
    assert child.wait(10) == 7
    assert child.stop() == 7
    assert child.kill() == 7


def test_the_log_keeps_what_the_run_before_said(tmp_path: Path) -> None:
    for word in ("first", "second"):
        start_child("it", [sys.executable, "-c", f"print('{word}')"], log_file=tmp_path / "it.log").wait(10)
    child = start_child("it", [sys.executable, "-c", "print('third')"], log_file=tmp_path / "it.log")
    child.wait(10)
    assert child.log_tail(2).splitlines() == ["second", "third"]


def test_a_command_that_does_not_exist_says_so_in_the_log(tmp_path: Path) -> None:
    child = start_child("it", ["/no/such/command"], log_file=tmp_path / "it.log")
    assert child.wait(10) == 127
    assert "/no/such/command: No such file or directory" in child.log_tail()


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    """Linux sends the death signal when the starting thread ends, so another thread must be the one that starts."""
    children: list[Child] = []
    thread = threading.Thread(target=lambda: children.append(python(tmp_path, SLEEPER)))
    thread.start()
    thread.join()
    # Its signal would be there before this command has run to its end.
    subprocess.run([sys.executable, "-c", ""], check=True)
    assert children[0].exit_code() is None
    children[0].kill()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("use_prctl", [True, False], ids=["prctl", "pipe"])
def test_children_die_when_their_parent_is_killed_with_9(tmp_path: Path, use_prctl: bool) -> None:
    parent_code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from deploy.process import start_child
        child = start_child("it", [sys.executable, "-c", {STUBBORN!r}], log_file=Path("it.log"), use_prctl={use_prctl})
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until(lambda: "up" in (tmp_path / "it.log").read_text(), "the grandchild to be up", 10)
        assert is_alive(pid)
        parent.kill()
    wait_until(lambda: not is_alive(pid), "the grandchild to be gone", 10)
