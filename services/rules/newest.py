"""Systems may report the same thing twice under other events' names; the last word on it counts. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from services.rules.entries import Entry


def last_said(entry: Entry) -> tuple[Any, ...]:
    """The rank of an event among those on the same thing: by when it was said, then by name."""
    return (entry.time, entry.source, entry.id)


def newest_by(field: str, entries: Iterable[Entry]) -> dict[str, Entry]:
    """The last word on each business id, which is the value of `field`."""
    newest: dict[str, Entry] = {}
    for entry in entries:
        name = str((entry.data or {})[field])
        known = newest.get(name)
        if known is None or last_said(known) < last_said(entry):
            newest[name] = entry
    return newest


class Newest:
    """The standing events on each business id (the value of one field), and which of them is the last word."""

    def __init__(self, field: str, rank: Callable[[Entry], Any] = last_said) -> None:
        self._field = field
        self._rank = rank
        # Nearly always there is just one: tuples are small, and that counts where there are very many.
        self._said: dict[str, tuple[Entry, ...]] = {}

    def change(self, entry: Entry, *, stands: bool) -> str:
        """Takes an event in, or out again; returns the business id it is about."""
        name = str((entry.data or {})[self._field])
        said = self._said.pop(name, ())
        if stands:
            self._said[name] = (*said, entry)
        else:
            index = said.index(entry)
            if len(said) > 1:
                self._said[name] = said[:index] + said[index + 1 :]
        return name

    def get(self, name: str) -> Entry | None:
        """The last word on `name`; None when nothing is said."""
        said = self._said.get(name)
        if said is None:
            return None
        return said[0] if len(said) == 1 else max(said, key=self._rank)
