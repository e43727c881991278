"""PURE. What `bellwether forget` found and did, as data and as text. It quotes no personal value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from services.forgetting.traces import Found, Values


@dataclass
class Report:
    """The proof. `values` counts by field what was known of people before; `remains` what of it still stands in
    records of the customer, `elsewhere` in others', where it may be another's by chance.

    After all was done: `keys_left` and `sealed_open` are the keys of it that there are and the sealed fields they open,
    `sealed_closed` those that none opens; by compacted topic `tombstones` and `kept` are its keys whose newest record
    is a tombstone, or is none.
    """

    customer_id: str
    also: list[str]
    asked_by: str
    asked_at: datetime
    values: dict[str, int] = field(default_factory=dict)
    values_searched: int = 0
    values_unreadable: int = 0
    cleared: dict[str, int] = field(default_factory=dict)
    searched: dict[str, int] = field(default_factory=dict)
    remains: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)
    keys_left: int = 0
    sealed_open: int = 0
    sealed_closed: int = 0
    tombstones: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    done_at: datetime | None = None

    def note_values(self, values: Values) -> None:
        """What the search will look for."""
        self.values = {path: len(found) for path, found in sorted(values.known.items())}
        self.values_searched = len(values.searched)
        self.values_unreadable = values.closed

    def note_found(self, found: Found) -> None:
        """What the search has found."""
        for trace, count in sorted(found.traces.items()):
            line = {"where": trace.place, "count": count, "until": trace.until}
            (self.remains if trace.ours else self.elsewhere).append(line)
        self.searched = found.searched
        self.keys_left, self.sealed_open, self.sealed_closed = found.keys, found.fields.opened, found.fields.closed
        self.tombstones, self.kept = found.tombstones, found.kept

    @property
    def is_clean(self) -> bool:
        """No personal value is left in a record of the customer, no key, and no state."""
        return not (self.remains or self.keys_left or self.sealed_open or any(self.kept.values()))

    def as_data(self) -> dict[str, Any]:
        """For JSON; instants are datetimes."""
        return {**asdict(self), "clean": self.is_clean}

    def as_text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        known = sum(self.values.values())
        lines = [
            f"{self.customer_id} was forgotten, as {self.asked_by} asked at {self.asked_at.isoformat()}.",
            *([f"So were the ids merged into it: {', '.join(self.also)}."] if self.also else []),
            f"{known} personal values were known of it before:",
            *(f"  {count:6d}  {path}" for path, count in self.values.items()),
        ]
        if self.values_unreadable:
            lines.append(
                f"  {self.values_unreadable:6d}  sealed fields no key opened: nobody can read or search for them"
            )
        lines += self._key_lines()
        lines.append(
            "Cleared: " + (", ".join(f"{count} {what}" for what, count in self.cleared.items() if count) or "-")
        )
        lines.append(f"Searched for {self.values_searched} of the values (the others are too short to tell) in:")
        lines += [f"  {count:6d}  {place}" for place, count in self.searched.items()]
        if self.remains:
            lines.append("STILL THERE, in records of the customer:")
            lines += [f"  {line['count']:6d}  {line['where']}, until {line['until']}" for line in self.remains]
        else:
            lines.append("None of them stands in any record of the customer.")
        if self.elsewhere:
            lines.append("The same text stands in others' records; it may be theirs:")
            lines += [f"  {line['count']:6d}  {line['where']}" for line in self.elsewhere]
        return [*lines, "What stays:", *(f"  - {sentence}" for sentence in self.stays)]

    def _key_lines(self) -> list[str]:
        lines = [f"On the topics lie {self.sealed_closed} sealed fields of it that no key opens any more."]
        if self.keys_left or self.sealed_open:
            lines.append(
                f"STILL THERE: {self.keys_left} keys of it, which open {self.sealed_open} fields. Run it again."
            )
        for topic, count in self.tombstones.items():
            lines.append(f"Of {topic} {count} keys of it are tombstones, and {self.kept.get(topic, 0)} are not.")
        if any(self.kept.values()):
            lines.append("STILL THERE: a state that was begun meanwhile. Run it again.")
        return lines


STAYS = (
    "ids in its events (its own, of contacts, invoices, orders), until the events' retention ends",
    "what rules read in them: amounts, dates, the month and day of a birthday",
    "its snapshots and states in the logs of the compacted topics until the broker compacts them: nobody is given them",
    "its line in the directory of people and customers: take it out of the file",
    "messages that were sent by e-mail or chat, and log files",
    "backups of ingest's database hold its key: let them expire, or rewrap the keys and destroy the old master key",
)
