"""PURE whose an event is: ids that sources have of their own, customers that turned out to be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.events import CustomerEvent, Event
from schemas.sales import CustomerMerged
from services.ingest.records import Record
from services.ingest.treating import Coming

MERGED_TYPE = "bellwether.customer.merged"

UNKNOWN = "unknown_customer"
"""Why an event waits: nobody has said whose the id is."""

BEHIND_OTHERS = "behind_others"
"""Why an event waits: earlier ones of the same id do, or its customer is being joined with another."""

IdKey = tuple[str, str]
"""A source, and an id that it uses. Of a source without ids of its own the id is the customer's."""


class Place(NamedTuple):
    """What is remembered of an id: whose it is (None: nobody's yet), and whether events of it wait."""

    customer_id: str | None
    queued: bool


@dataclass(frozen=True, slots=True)
class Merge:
    """A customer turned out to be `surviving`; `done` when its events lie there and nothing else of it is kept."""

    surviving: str
    done: bool


Merges = Mapping[str, Merge]
"""By the id that was merged away."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is kept until somebody says whose it is. `index`: its place in the request."""

    index: int
    source: str
    external_id: str
    event_id: str
    value: bytes

    @property
    def key(self) -> IdKey:
        """The id it waits for."""
        return self.source, self.external_id


@dataclass(frozen=True, slots=True)
class Joining:
    """An accepted event says that `merged` is `surviving`; `record` is that event."""

    index: int
    merged: str
    surviving: str
    record: Record


class MustLook(Exception):
    """What these ids are is not in memory: look it up, then judge again."""

    def __init__(self, keys: set[IdKey]) -> None:
        super().__init__(f"{len(keys)} ids are to be looked up")
        self.keys = keys


def survivor(customer_id: str, merges: Merges) -> str:
    """Who the customer is by now. Rings are never kept, so the way ends."""
    while customer_id in merges:
        customer_id = merges[customer_id].surviving
    return customer_id


def is_held(customer_id: str, merges: Merges) -> bool:
    """Whether a merge on the customer's way is still at work: events sent now would come before older ones."""
    while customer_id in merges:
        if not merges[customer_id].done:
            return True
        customer_id = merges[customer_id].surviving
    return False


def why_not_joined(merged: str, surviving: str, merges: Merges) -> str | None:
    """Why `merged` cannot become `surviving`, for people; None when it can, or has already."""
    if survivor(surviving, merges) == merged:
        return f"{surviving} is {merged} already: the two would be merged into each other"
    known = merges.get(merged)
    if known is not None and survivor(known.surviving, merges) != survivor(surviving, merges):
        return f"{merged} was merged into {known.surviving} already: merge that one"
    return None


def names_another(event: Event) -> str | None:
    """The id that a customer.merged says is its customer's too."""
    if isinstance(event, CustomerEvent) and isinstance(event.data, CustomerMerged):
        return event.data.merged_customer_id
    return None


def readdressed(coming: Coming, customer_id: str, merged: str | None) -> Coming:
    """The same event as one of `customer_id`; `merged` is what a customer.merged is to name."""
    update: dict[str, Any] = {"subject": customer_id}
    document = {**coming.document, "subject": customer_id}
    if merged is not None and isinstance(coming.event, CustomerEvent):
        changed = {"merged_customer_id": merged}
        update["data"] = coming.event.data.model_copy(update=changed)
        document["data"] = {**document["data"], **changed}
    return Coming(coming.event.model_copy(update=update), document)
