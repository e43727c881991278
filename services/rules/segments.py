"""Which event of a customer is written in which record: months of truth, cut into chunks that stay small. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.rules.calendar import Calendar, Micros, Month, month_name
from services.rules.entries import Entry, Key
from services.rules.records import SCHEMA, Announced, Segment, Version, encoder, segment_decoder

CHUNK_ENTRIES = 64
"""Events in one record: what one more event of a busy month costs to write."""

CHUNK_BYTES = 200_000
"""A chunk that has grown to this size takes no more events, so that no record nears Kafka's limit."""


SMALL_ENTRIES = 24
"""A customer with at most so many events and as many closed episodes has no segments: all is in its head. Most are like
that, and one record is written, kept and read again for less than several."""

SMALL_BYTES = 8_000
"""What a small customer's events and episodes may weigh, so that one more event does not write them all for ever."""


class Chunk:
    """One record's worth of a month: events, and closed episodes that began in it by their number."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: dict[Key, Entry] = {}
        self.announced: dict[int, Announced] = {}
        self.is_full = False

    def encode(self, version: Version) -> bytes | None:
        """The record, None when nothing is left in it."""
        if not self.entries and not self.announced:
            return None
        entries = sorted(self.entries.values(), key=_order)
        record = encoder.encode(Segment(SCHEMA, *version, entries, [*self.announced.values()]))
        self.is_full = len(record) > CHUNK_BYTES
        return record


class Segments:
    """All chunks of a customer. An event stays in the chunk in which it was first written. Once they have left the head
    they do not go back; a customer whose all is in the head has none."""

    def __init__(self, calendar: Calendar, known: Mapping[Key, Entry]) -> None:
        """`known` are all events of the customer, whoever adds to them."""
        self._calendar = calendar
        self._known = known
        self._is_small = True
        self._closed: dict[int, Announced] = {}
        self._months: dict[Month, list[Chunk]] = {}
        self._place: dict[Key, Chunk] = {}
        self._shelf: dict[int, Chunk] = {}
        self._dirty: dict[str, Chunk] = {}

    def read(self, name: str, record: bytes) -> Segment:
        """Takes in a record as it was written."""
        self._is_small = False
        segment = segment_decoder.decode(record)
        chunk = self._chunk(name)
        chunk.is_full = len(record) > CHUNK_BYTES
        for entry in segment.entries:
            key = entry.key
            chunk.entries[key] = entry
            self._place[key] = chunk
        for one in segment.announced:
            chunk.announced[one.number] = one
            self._shelf[one.number] = chunk
        return segment

    def _chunk(self, name: str) -> Chunk:
        month, _, number = name.partition(".")
        chunks = self._months.setdefault(int(month[:4]) * 12 + int(month[5:7]) - 1, [])
        while len(chunks) <= int(number or 0):
            chunks.append(Chunk(f"{month}.{len(chunks)}" if chunks else month))
        return chunks[int(number or 0)]

    def read_head(self, entries: Iterable[Entry], closed: Iterable[Announced]) -> None:
        """Takes in what a head holds, after all segments: where there are any, a crash came between them and the next
        head, and what they lack is to be written with them."""
        if self._is_small:
            self._closed = {one.number: one for one in closed}
            return
        for entry in entries:
            if entry.key not in self._place:
                self.add(entry)
        for one in closed:
            if one.number not in self._shelf:
                self.shelve(one)

    def add(self, entry: Entry) -> None:
        """Puts a new event into the month in which it is true."""
        if self._is_small:
            return
        chunk, key = self._open(self._calendar.month_of(entry.at)), entry.key
        chunk.entries[key] = entry
        self._dirty[chunk.name] = chunk
        self._place[key] = chunk

    def _open(self, month: Month) -> Chunk:
        chunks = self._months.setdefault(month, [])
        if not chunks or chunks[-1].is_full or len(chunks[-1].entries) >= CHUNK_ENTRIES:
            name = month_name(month)
            chunks.append(Chunk(f"{name}.{len(chunks)}" if chunks else name))
        return chunks[-1]

    def drop(self, entry: Entry) -> None:
        """Takes an event out."""
        if self._is_small:
            return
        key = entry.key
        chunk = self._place.pop(key)
        del chunk.entries[key]
        self._dirty[chunk.name] = chunk

    def shelve(self, one: Announced) -> None:
        """Keeps a closed episode with the month in which it began."""
        self.unshelve(one)
        if self._is_small:
            self._closed[one.number] = one
            return
        chunk = self._months.setdefault(self._calendar.month_of(one.start), [])
        if not chunk:
            chunk.append(Chunk(month_name(self._calendar.month_of(one.start))))
        target = next((part for part in chunk if len(part.announced) < CHUNK_ENTRIES), None) or self._next(chunk)
        target.announced[one.number] = one
        self._dirty[target.name] = target
        self._shelf[one.number] = target

    @staticmethod
    def _next(chunks: list[Chunk]) -> Chunk:
        chunks.append(Chunk(f"{chunks[0].name}.{len(chunks)}"))
        return chunks[-1]

    def unshelve(self, one: Announced) -> None:
        """Takes an episode out, wherever it was."""
        if self._is_small:
            self._closed.pop(one.number, None)
            return
        chunk = self._shelf.pop(one.number, None)
        if chunk is not None:
            del chunk.announced[one.number]
            self._dirty[chunk.name] = chunk

    def before(self, at: Micros) -> list[Entry]:
        """All events that are true before an instant."""
        if self._is_small:
            return [entry for entry in self._known.values() if entry.at < at]
        last = self._calendar.month_of(at)
        chunks = [chunk for month, chunks in self._months.items() if month <= last for chunk in chunks]
        return [entry for chunk in chunks for entry in chunk.entries.values() if entry.at < at]

    def in_head(self) -> tuple[list[Entry], list[Announced]]:
        """The events and closed episodes of a small customer, for its head; nothing of others."""
        if not self._is_small or len(self._known) > SMALL_ENTRIES or len(self._closed) > SMALL_ENTRIES:
            self.leave_head()
            return [], []
        entries = sorted(self._known.values(), key=_order)
        return entries, [self._closed[number] for number in sorted(self._closed)]

    def leave_head(self) -> None:
        """From now on all is in segments."""
        if not self._is_small:
            return
        self._is_small = False
        for entry in self._known.values():
            self.add(entry)
        closed, self._closed = self._closed, {}
        for one in closed.values():
            self.shelve(one)

    def written(self, version: Version) -> list[tuple[str, bytes | None]]:
        """The records that changed since the last time."""
        if self._is_small:
            return []
        dirty, self._dirty = self._dirty, {}
        return [(name, dirty[name].encode(version)) for name in sorted(dirty)]


def _order(entry: Entry) -> tuple[Micros, Micros, str, str]:
    return entry.order
