"""Templates of messages as files: those that come with the software, and those that an operator puts in their place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from services.common.errors import UserError
from services.notifier.templating import Problem, Templates

SHIPPED = Path(__file__).with_name("templates")

MAX_BYTES = 64 * 1024
"""Of one template: what is larger is something else."""


class NoTemplates(UserError):
    """The folder of templates cannot be read; the message says why."""


def read_folder(folder: Path) -> dict[str, str]:
    """The templates of a folder by their names, such as `zh/labels.j2`. Raises NoTemplates."""
    if not folder.is_dir():
        raise NoTemplates(f"{folder} is no folder of templates")
    found = {}
    for file in sorted(folder.rglob("*.j2")):
        try:
            raw = file.read_bytes()
            if len(raw) > MAX_BYTES:
                raise NoTemplates(f"{file} is longer than {MAX_BYTES} bytes")
            found[file.relative_to(folder).as_posix()] = raw.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise NoTemplates(f"{file} cannot be read: {error}") from None
    return found


@cache
def shipped() -> Templates:
    """Those that come with the software."""
    return Templates(read_folder(SHIPPED))


def with_own(folder: Path | None, told: Callable[[Problem], None] = lambda _: None) -> Templates:
    """Those of an operator's folder before ours. `told` hears of one that failed; ours is taken then."""
    return shipped() if folder is None else Templates(read_folder(SHIPPED), read_folder(folder), told)
