"""PURE what is done to a valid event on its way: may its sender say this, whose is it, what is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    changes both; a changed document is another object."""

    event: Event
    document: dict[str, Any]


class Waits(Exception):
    """Whose event it is cannot be told yet: it waits until somebody says whose the id is. `code`: why it waits."""

    def __init__(self, source: str, external_id: str, code: str = "unknown_customer") -> None:
        super().__init__(f"an id of {source} has to wait: {code}")
        self.source = source
        self.external_id = external_id
        self.code = code


Treatment = Callable[[Coming, Sender], Coming]
"""Raises InvalidEvent for what must be refused, Waits for what must wait."""


Foresee = Callable[[Sequence[Any]], None]
"""A treatment that looks things up has a method `foresee` of this kind: it is shown all documents of a request before
the first is treated. They are not judged yet: anything may be in them. May raise what says that some is missing."""
