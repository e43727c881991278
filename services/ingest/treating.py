"""PURE what is done to a valid event on its way: may its sender say this, whose is it, what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.events import Event


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as far as its key tells; None: no bound. `name` is for logs and notes, and is no secret. `admin`: may
    see and change what is not its own. `per_second`: events that its key may send; None: what its source may."""

    name: str = "anybody"
    source: str | None = None
    types: frozenset[str] | None = None
    customers: frozenset[str] | None = None
    admin: bool = False
    per_second: int | None = None


ANYBODY = Sender()
"""Whoever sends where no keys are asked for."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A valid event on its way, and the document that is written if nothing must be kept out of it. What changes one
    changes both."""

    event: Event
    document: dict[str, Any]


class Waits(Exception):
    """Whose event it is cannot be told yet: it waits until somebody says whose the id is."""

    def __init__(self, source: str, external_id: str) -> None:
        super().__init__(f"{external_id} of {source} is nobody's id yet")
        self.source = source
        self.external_id = external_id


Treatment = Callable[[Coming, Sender], Coming]
"""Raises InvalidEvent for what must be refused, Waits for what must wait."""
