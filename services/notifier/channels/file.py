"""Reads the file of channels (BELLWETHER_CHANNELS_FILE). What is wrong in it is said in sentences that name the entry,
and never repeats what stands there: it may be a secret in the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

from services.common.clock import Now
from services.common.errors import UserError
from services.notifier.channels.addresses import Guard, NotANetwork, networks
from services.notifier.channels.base import Channel
from services.notifier.channels.kinds import AnyKind, Opening
from services.notifier.channels.secrets import Secrets

MAX_BYTES = 1_000_000
INBOX = "inbox"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class ChannelsInvalid(UserError):
    """The file cannot be used; `problems` has a sentence for each entry at fault."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__(f"the channels in {path} cannot be used:\n  " + "\n  ".join(problems[:20]))
        self.problems = problems


class ChannelsFile(BaseModel):
    """`allow`: networks that are not public and that every channel may connect to all the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] = ()
    channels: dict[Name, AnyKind] = {}

    @field_validator("allow")
    @classmethod
    def _are_networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        networks(given)
        return given


def read_channels_file(path: Path) -> ChannelsFile:
    """The file's entries; secrets are not read yet. Raises ChannelsInvalid with every problem found."""
    document = _document(path)
    try:
        file = ChannelsFile.model_validate(document)
    except ValidationError as error:
        raise ChannelsInvalid(path, [_sentence(item["loc"], item["msg"]) for item in error.errors()]) from None
    problems = [f"channels.{INBOX}: the inbox is always there"] if INBOX in file.channels else []
    for name, kind in file.channels.items():
        try:
            networks(kind.allow)
        except NotANetwork as odd:
            problems.append(f"channels.{name}.allow: {odd} is no network such as 10.0.0.0/8")
    if problems:
        raise ChannelsInvalid(path, problems)
    return file


def open_channels_file(
    path: Path, env: Mapping[str, str], now: Now, guard: Guard, console_url: str = ""
) -> dict[str, Channel]:
    """The file's channels by name, in its order. Raises ChannelsInvalid, for secrets that are not there too."""
    file = read_channels_file(path)
    allowed = Guard((*guard.allowed, *networks(file.allow)))
    found, problems = {}, []
    for name, kind in file.channels.items():
        try:
            found[name] = kind.open(Opening(name, Secrets(env), now, allowed, console_url))
        except UserError as error:
            problems.append(f"channels.{name}: {error}")
    if problems:
        raise ChannelsInvalid(path, problems)
    return found


def _document(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ChannelsInvalid(path, [f"it is larger than {MAX_BYTES} bytes"])
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        # Not the error's own words: they show the line.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else "somewhere"
        raise ChannelsInvalid(path, [f"{where}: this is no YAML"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ChannelsInvalid(path, [f"it cannot be read: {getattr(error, 'strerror', None) or 'no UTF-8'}"]) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    """channels.sales.key: Field required."""
    # The third is the kind again, which pydantic names when it has chosen by it.
    parts = [str(part) for n, part in enumerate(location) if not (n == 2 and location[0] == "channels")]
    return f"{'.'.join(parts) or 'the file'}: {message}"
