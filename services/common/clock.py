"""The clock of all services: the wall's, or one that a file sets by hand. Event time is the rules service's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from schemas.fields import parse_instant

Now = Callable[[], datetime]
"""The present instant, with UTC as its zone."""


class ClockUnreadable(Exception):
    """The manual clock's file is missing or holds no instant; the message names the file."""


def wall_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def manual_clock(path: Path) -> Now:
    """A clock that stands at the one instant in `path` (RFC 3339) until somebody rewrites the file.

    Write the file by renaming a finished one over it; a half-written file reads as ClockUnreadable.
    """

    def now() -> datetime:
        try:
            return parse_instant(path.read_text().strip()).astimezone(UTC)
        except (OSError, ValueError) as error:
            raise ClockUnreadable(f"the manual clock {path} cannot be read: {error}") from None

    return now


def set_manual_clock(path: Path, instant: datetime) -> None:
    """Moves a manual clock, in one step for every reader."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(instant.isoformat())
    draft.replace(path)


def clock_from(setting: str) -> Now:
    """`wall`, `event` or `manual:FILE`. With `event`, people's deadlines still run on the wall clock."""
    if setting.startswith("manual:"):
        return manual_clock(Path(setting.removeprefix("manual:")))
    return wall_now
