"""PURE which files of a watched folder are complete, how each is read, and what is reported of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from services.ingest.imports.chunks import Summary

MARKER = ".done"
"""FILE.done beside FILE says that FILE is complete."""

DRAFTS = (".part", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", MARKER)
"""Names that programs give to what they are still writing; they rename it when it is whole."""

REJECTED = ".rejected.csv"
"""FILE.rejected.csv is what was refused of FILE; once it is mended it is dropped like any other file."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as the folder lists it."""

    name: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file that looks the same since then. Seconds of a clock that only goes forward."""

    seen: Seen
    since_s: float


@dataclass(frozen=True, slots=True)
class Patience:
    """When a file counts as complete: when it has looked the same for `settle_s`, or, with `marker_only`, only once its
    marker is there. A marker is enough in either case."""

    settle_s: float = 5.0
    marker_only: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Files whose name fits the pattern are read by that mapping; a `snapshot` is compared with the list before."""

    pattern: str
    mapping: str
    snapshot: bool = False


def waiting(listing: Sequence[Seen]) -> list[Seen]:
    """Those that are meant for us, oldest first."""
    names = (seen for seen in listing if not _is_other(seen.name))
    return sorted(names, key=lambda seen: (seen.modified_ns, seen.name))


def being_taken(listing: Sequence[Seen]) -> list[Seen]:
    """Those of the files in our own hands that were dropped: not what is being refused of one of them."""
    names = {seen.name for seen in listing}
    return [seen for seen in waiting(listing) if _dropped_as(seen.name) not in names]


def _dropped_as(name: str) -> str | None:
    return name.removesuffix(REJECTED) if name.endswith(REJECTED) else None


def sight(before: Mapping[str, Sighting], listing: Sequence[Seen], now_s: float) -> dict[str, Sighting]:
    """Since when each file looks as it does."""
    found = {}
    for seen in waiting(listing):
        known = before.get(seen.name)
        found[seen.name] = known if known is not None and known.seen == seen else Sighting(seen, now_s)
    return found


def complete(sightings: Mapping[str, Sighting], listing: Sequence[Seen], now_s: float, patience: Patience) -> list[str]:
    """The names of the files that may be taken, in the order in which they were written."""
    names = {seen.name for seen in listing}
    return [
        name
        for name, sighting in sightings.items()
        if name + MARKER in names
        or (not patience.marker_only and sighting.seen.size and now_s - sighting.since_s >= patience.settle_s)
    ]


def route_of(name: str, routes: Sequence[Route]) -> Route | None:
    """The first whose pattern fits."""
    return next((route for route in routes if fnmatchcase(name.lower(), route.pattern.lower())), None)


@dataclass(frozen=True, slots=True)
class Report:
    """How it went with a file. `outcome`: imported, rejects (its other rows are imported), repeated (imported before,
    not again) or failed (nothing of it counts as imported)."""

    file: str
    digest: str
    mapping: str
    outcome: str
    reason: str
    begun_at: datetime
    ended_at: datetime
    summary: Summary = field(default_factory=Summary)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the file goes. What is in `failed` wants somebody to look at it."""
        return "done" if self.outcome in ("imported", "repeated") else "failed"

    def document(self) -> dict[str, Any]:
        """As it is written beside the file."""
        return {
            "file": self.file,
            "sha256": self.digest,
            "mapping": self.mapping,
            "outcome": self.outcome,
            "reason": self.reason,
            "begun_at": self.begun_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "rows": self.summary.rows,
            "events": self.summary.events,
            "rejected_rows": self.summary.rejected_rows,
            "first_rejected": [
                {"row": row.number, "column": row.column, "reason": row.reason} for row in self.summary.rejected
            ],
            **self.notes,
        }


def other_name(name: str, digest: str) -> str:
    """Where a file of that name lies already: with the beginning of its digest before the last ending."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.{digest[:12]}{dot}{ending}" if stem else f"{name}.{digest[:12]}"


def _is_other(name: str) -> bool:
    lower = name.lower()
    # "~$" is how office programs name the lock beside an open workbook.
    return lower.startswith((".", "~$")) or lower.endswith(DRAFTS)
