"""Run a command that cannot outlive the process that asked for it, not even when that one is killed with -9.

    python -I deploy/guard.py prctl PARENT_PID -- COMMAND...
    python -I deploy/guard.py pipe FD -- COMMAND...

Started as a plain script, it must stay free of imports from the project: every child process pays for what is here.

`prctl` (Linux) asks the kernel for a SIGKILL when the parent *thread* ends; the request survives exec. `pipe`
(elsewhere) leaves a small watcher behind which reads from a pipe held open by the parent: end of file means that the
parent is gone. Either way the command itself replaces this process, so its id, signals and exit code are the child's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_PARENT_GONE = 3
EXIT_NOT_FOUND = 127


def die_with_parent_thread(parent_pid: int) -> None:
    """Have the kernel send SIGKILL when the parent thread ends; leave at once if it has ended already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before prctl was called; then no signal will ever come.
    if os.getppid() != parent_pid:
        sys.exit(EXIT_PARENT_GONE)


def leave_watcher(pipe_fd: int) -> None:
    """Fork a watcher that kills this process when the write end of the pipe closes."""
    guarded = os.getpid()
    if os.fork() != 0:
        os.close(pipe_fd)
        return
    # Its own group: a signal meant for the command (Ctrl-C, stop) must not end its watcher first.
    os.setpgid(0, 0)
    os.closerange(0, pipe_fd)
    os.closerange(pipe_fd + 1, 256)
    while os.read(pipe_fd, 1):
        pass
    # Still its child: the process id has not been given to somebody else.
    if os.getppid() == guarded:
        os.kill(guarded, signal.SIGKILL)
    os._exit(0)


def main(arguments: list[str]) -> None:
    """Guard, then become the command."""
    mode, number, separator, *command = arguments
    if separator != "--" or not command:
        sys.exit(__doc__)
    if mode == "prctl":
        die_with_parent_thread(int(number))
    else:
        leave_watcher(int(number))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv[1:])
