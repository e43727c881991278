"""The events known of a customer, and which of them stand given all corrections. PURE.

A set by name: the order in which events came and how often leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.codec import InvalidEvent
from services.rules.entries import Entry, Key


class Change(NamedTuple):
    """The events that ceased to stand, and those that began to."""

    fell: tuple[Entry, ...] = ()
    rose: tuple[Entry, ...] = ()


NOTHING = Change()


class Known:
    """All events by their name for ever."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.limit: int | None = None
        """How many events there may be."""
        self._corrections: dict[Key, list[Entry]] = {}

    def is_new(self, entry: Entry) -> bool:
        """Whether the event was not known. Raises InvalidEvent: id_reused when another of this name is, too_many_items
        when there is no room for it."""
        known = self.entries.get(entry.key)
        if known is not None and known.digest != entry.digest:
            raise InvalidEvent(
                "id_reused", "another event with this source and id is known", (), entry.id, entry.source
            )
        if known is None and self.limit is not None and len(self.entries) >= self.limit:
            raise InvalidEvent(
                "too_many_items", f"the customer has {self.limit} events already", (), entry.id, entry.source
            )
        return known is None

    def read(self, entries: Iterable[Entry]) -> list[Entry]:
        """Takes in what was known of a customer of whom nothing is known yet; which of it stands, in no order."""
        known = self.entries
        for entry in entries:
            key = entry.key
            if key in known:  # a crash came between two writes
                continue
            known[key] = entry
            if entry.supersedes is not None:
                self._corrections.setdefault(Key(entry.source, entry.supersedes), []).append(entry)
        if not self._corrections:
            return [entry for entry in known.values() if entry.data is not None]
        return [entry for entry in known.values() if self.stands(entry)]

    def learn(self, entry: Entry) -> Change:
        """Takes a new event in; says what stands now that did not, and the other way round."""
        key = entry.key
        if entry.supersedes is None and key not in self._corrections:
            self.entries[key] = entry
            return Change((), (entry,)) if entry.data is not None else NOTHING
        root = self._root(entry)
        # A correction may join two chains: what stood for itself, waiting for it, now stands or falls with the whole.
        stood = {id(item): item for item in (self._standing(root), self._standing(key)) if item is not None}
        self.entries[key] = entry
        if entry.supersedes is not None:
            self._corrections.setdefault(Key(entry.source, entry.supersedes), []).append(entry)
        stands = self._standing(root)
        fell = tuple(item for item in stood.values() if item is not stands)
        return Change(fell, () if stands is None or id(stands) in stood else (stands,))

    def drop(self, entry: Entry) -> None:
        """Forgets an event for good."""
        del self.entries[entry.key]
        if entry.supersedes is not None:
            self._corrections.pop(Key(entry.source, entry.supersedes), None)

    def stands(self, entry: Entry) -> bool:
        """Whether an event that is known stands."""
        return self._standing(self._root(entry)) is entry

    def chains(self) -> list[set[Key]]:
        """The events that corrections bind to each other, each chain whole."""
        chains: dict[Key | None, set[Key]] = {}
        for corrections in self._corrections.values():
            for entry in corrections:
                chain = chains.setdefault(self._root(entry), set())
                chain.update({entry.key, Key(entry.source, str(entry.supersedes))} & self.entries.keys())
        return list(chains.values())

    def _root(self, entry: Entry) -> Key | None:
        """The first event of the chain of corrections to which this one belongs; it may not be known yet.

        None for a ring of events that correct each other, and for what hangs on one: nothing of it stands.
        """
        key, seen = entry.key, {entry.key}
        current: Entry | None = entry
        while current is not None and current.supersedes is not None:
            key = Key(current.source, current.supersedes)
            if key in seen:
                return None
            seen.add(key)
            current = self.entries.get(key)
        return key

    def _standing(self, root: Key | None) -> Entry | None:
        """What stands in the place of `root`: itself, its newest correction's newest correction, or nothing."""
        key = root
        while key is not None:
            corrections = self._corrections.get(key)
            if not corrections:
                entry = self.entries.get(key)
                return entry if entry is not None and entry.data is not None else None
            key = max(corrections, key=lambda entry: (entry.time, entry.id)).key
        return None
