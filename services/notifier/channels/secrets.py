"""Secrets of channels: they stand in the environment or in files of their own, never in the file of channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from services.common.errors import UserError

LONGEST = 8192


@dataclass(frozen=True)
class Source:
    """Where a secret is: `env` names a variable, `file` a file; one of the two."""

    env: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        """What to mend when it is not there."""
        return f"the variable {self.env}" if self.env else f"the file {self.file}"


class SecretMissing(UserError):
    """A secret is not where the file says; the message names the place and never a value."""


@dataclass(frozen=True)
class Secrets:
    """Reads them; `env` is the process's environment."""

    env: Mapping[str, str] = field(repr=False)

    def read(self, source: Source) -> str:
        """The secret, without the line end that an editor leaves. Raises SecretMissing."""
        try:
            found = self.env.get(source.env, "") if source.env else _contents(Path(str(source.file)))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise SecretMissing(f"{source} cannot be read: {reason}") from None
        if not found:
            raise SecretMissing(f"{source} is not set or empty")
        if not found.isprintable():
            raise SecretMissing(f"{source} has more than one line")
        return found


def _contents(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.read(LONGEST).rstrip("\r\n")


def _source(given: Any) -> Source:
    match given:
        case Source():
            return given
        case {"env": str(name), **rest} if name and not rest:
            return Source(env=name)
        case {"file": str(path), **rest} if path and not rest:
            return Source(file=path)
    # What was written there is not repeated: it may be the secret itself.
    raise ValueError("a secret does not stand in this file: write {env: NAME} or {file: PATH}")


Secret = Annotated[Source, BeforeValidator(_source)]
"""A field of the file that says where a secret is."""
