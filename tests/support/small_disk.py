"""A file system of some megabytes that can be full: a tmpfs in a mount namespace of its own, for which nobody needs to
be root where Linux lets users have namespaces."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_CHUNK = 64 * 1024
_HOLD = 'mount -t tmpfs -o size="$1"m small-disk "$0" && echo mounted && exec cat'


class DiskUnavailable(Exception):
    """This machine does not let us mount anything; the message says what was refused."""


class SmallDisk:
    """`path` leads to it from outside the namespace while the process lives that holds it; then all on it is gone."""

    def __init__(self, folder: Path, mebibytes: int) -> None:
        """`folder` is made, and stays empty for everybody outside."""
        folder.mkdir(parents=True)
        try:
            self._holder = subprocess.Popen(
                [
                    *("unshare", "--user", "--map-root-user", "--mount"),
                    *("sh", "-c", _HOLD, str(folder), str(mebibytes)),
                ],
                # When we are gone its input ends, and with it the process.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise DiskUnavailable("the program unshare is not installed") from error
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        if self._holder.stdout.readline() != b"mounted\n":
            raise DiskUnavailable(f"no file system can be mounted: {self._holder.stderr.read().decode().strip()}")
        self.path = Path(f"/proc/{self._holder.pid}/root{folder}")

    @property
    def free(self) -> int:
        """Bytes."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_bsize

    def fill(self, leave: int = 0) -> None:
        """Until no more than so many bytes are free, to a page. Whoever writes meanwhile may be quicker."""
        with (self.path / "ballast").open("wb", buffering=0) as ballast:
            try:
                while self.free > leave:
                    ballast.write(bytes(min(_CHUNK, max(self.free - leave, 1))))
            except OSError:
                # Full to the last byte: "No space left on device".
                return

    def relieve(self) -> None:
        """Takes away what `fill` wrote."""
        (self.path / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        """All on it is gone, once nobody has a file on it open."""
        self._holder.communicate()
