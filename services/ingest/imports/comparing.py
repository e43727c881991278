"""PURE a list of open items against the one before: what is new, what changed, what is gone, as events.

Every event id follows from the list, the item and what was said of it before: the same comparison gives the same ids
again, so an import that is cut off before the list is kept does no harm when it is run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from services.common.errors import UserError

MAX_ITEMS = 2_000_000
MAX_MISSING_SHARE = 0.5
"""Of what was open: if more is gone at once, somebody cut the file short, or sent the wrong one."""

Document = dict[str, Any]


class SnapshotRefused(UserError):
    """A list that is not believed; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Said:
    """The event that holds of an item now: its id, what it said (a digest), and what a retraction needs of it. Without
    content it is the retraction itself: nothing holds, and an id was used up."""

    id: str
    content: str
    type: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """What is remembered of an item: the cells of its last row by column, the events that hold by their place in the
    mapping, the event that settled it, if it is gone and one did, and how often it came back after that."""

    cells: Mapping[str, str]
    said: Mapping[str, Said]
    settled: Said | None = None
    returns: int = 0

    @property
    def subjects(self) -> frozenset[str]:
        """Whose it is, by what was said of it: mostly one customer's."""
        said = [*self.said.values(), *([self.settled] if self.settled else [])]
        return frozenset(one.subject for one in said if one.subject is not None)

    def to_json(self) -> str:
        """As it is kept."""
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS).decode()

    @staticmethod
    def from_json(text: str) -> Item:
        """As `to_json` wrote it."""
        raw = orjson.loads(text)
        said = {part: Said(**one) for part, one in raw["said"].items()}
        return Item(raw["cells"], said, Said(**raw["settled"]) if raw["settled"] else None, raw["returns"])


@dataclass(frozen=True, slots=True)
class Present:
    """An item of the new list: the row that it stands in, its cells, and its events by their place in the mapping."""

    row: int
    cells: Mapping[str, str]
    events: Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Change:
    """What is sent of one item, and what is kept of it once that is safe. `row` is 0 for an item that is gone."""

    item: str
    row: int
    documents: list[Document]
    after: Item


@dataclass(slots=True)
class Difference:
    """What a new list comes to. `missing` are items of which nothing is said; they stay as they were."""

    changes: list[Change] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    settled: int = 0
    back: int = 0
    missing: list[str] = field(default_factory=list)


Settle = Callable[[Mapping[str, str]], Document | None]
"""The cells of a gone item to the event that settles it; None where its last row does not tell enough for one."""


@dataclass(frozen=True)
class Comparison:
    """How lists are compared. `settle` is None where nothing is said of what is gone; `now` dates retractions."""

    source: str
    now: datetime
    settle: Settle | None = None
    history: bool = False

    def compare(self, before: Mapping[str, Item], present: Mapping[str, Present], complete: bool) -> Difference:
        """The new list against the last. `complete` is False when rows of it were refused: then nothing is gone."""
        found = Difference()
        for name, item in present.items():
            self._present(found, name, item, before.get(name))
        if complete:
            for name in sorted(before.keys() - present.keys()):
                self._gone(found, name, before[name])
        return found

    def _present(self, found: Difference, name: str, present: Present, before: Item | None) -> None:
        known = before or Item({}, {})
        said, documents = self._said(known.said, present.events)
        if known.settled is not None:
            documents.append(self._taken_back(known.settled))
        after = Item(present.cells, said, None, known.returns + (known.settled is not None))
        if after != before:
            found.changes.append(Change(name, present.row, documents, after))
        found.new += before is None
        found.back += known.settled is not None
        found.changed += before is not None and known.settled is None and bool(documents)

    def _said(
        self, before: Mapping[str, Said], events: Mapping[str, Document]
    ) -> tuple[dict[str, Said], list[Document]]:
        said = dict(before)
        documents: list[Document] = []
        for part, event in events.items():
            content = _content(event)
            old = before.get(part)
            if old is not None and old.content == content:
                continue
            document = dict(event)
            if old is not None:
                document["id"] = _next_id(event["id"], old.id, content)
                documents += self._replaced(old, document)
            documents.append(document)
            said[part] = Said(document["id"], content, event["type"], event.get("subject"))
        for part, old in before.items():
            if part not in events and old.content:
                documents.append(self._taken_back(old))
                said[part] = replace(old, id=documents[-1]["id"], content="")
        return said, documents

    def _replaced(self, old: Said, document: Document) -> list[Document]:
        """Have the document correct the old event, or take that back where it cannot."""
        if not old.content:
            return []
        if old.subject == document.get("subject"):
            document["supersedes"] = old.id
            return []
        # A correction goes to the customer whose event it corrects: this one is another's now.
        return [self._taken_back(old)]

    def _gone(self, found: Difference, name: str, before: Item) -> None:
        if before.settled is not None:
            return
        event = self.settle(before.cells) if self.settle is not None else None
        if event is None:
            found.missing.append(name)
            return
        # An item that comes back and goes again is settled by another event.
        event["id"] = _next_id(event["id"], *(said.id for said in before.said.values()), str(before.returns))
        settled = Said(event["id"], _content(event), event["type"], event.get("subject"))
        found.changes.append(Change(name, 0, [event], replace(before, settled=settled)))
        found.settled += 1

    def _taken_back(self, said: Said) -> Document:
        document: Document = {
            "specversion": "1.0",
            "id": _next_id(said.id, "taken back"),
            "source": self.source,
            "type": said.type,
            "time": self.now.isoformat(),
            "supersedes": said.id,
            "retracted": True,
        }
        if said.subject is not None:
            document["subject"] = said.subject
        return {**document, "history": True} if self.history else document


def check_missing(before: Mapping[str, Item], present: Mapping[str, Present], force: bool) -> None:
    """Raises SnapshotRefused for a list in which too much is missing of what was open."""
    was_open = [name for name, item in before.items() if item.settled is None]
    gone = sum(name not in present for name in was_open)
    if not force and gone > MAX_MISSING_SHARE * len(was_open):
        raise SnapshotRefused(
            f"{gone} of {len(was_open)} open items are missing from this list: if it is whole all the same, say --force"
        )


def _content(event: Document) -> str:
    parts = [event["type"], event.get("subject"), event["time"], event.get("data")]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _next_id(base: str, *before: str) -> str:
    return f"{base[:180]}~{hashlib.sha256('|'.join(before).encode()).hexdigest()[:12]}"
