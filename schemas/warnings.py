"""What the rules service says on the warnings topic, and the evidence it says it with."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import Field, TypeAdapter

from schemas.fields import EventId, Identifier, Instant, Label, Wire

Change = Literal["raised", "amended", "ended", "withdrawn"]
Severity = Literal["low", "medium", "high", "critical"]
Output = Literal["warning", "task", "suggestion"]
Hours = Literal["wall", "working"]
"""By which hours a time is counted: all of them, or those in which the company works."""
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""In rising order."""


ComparedOp = Literal["<", "<=", "==", "!=", ">=", ">", "in", "not in", "known", "not known"]


class Bilingual(Wire):
    """A text for people, in Chinese and English."""

    zh: str
    en: str


class EventRef(Wire):
    """An event by its name for ever."""

    source: EventId
    id: EventId


class Compared(Wire):
    """One leaf of the rule's condition with the value it saw. Values are texts: decimals stay exact.

    `decisive`: it began to hold as the episode did, or held where the severity was raised. `events` are the newest of
    the `events_total` behind its fact.
    `ratio`: value and threshold are parts of a whole, 0.6 for 60 %.
    """

    fact: str
    label: Bilingual
    value: str
    op: ComparedOp
    threshold: str
    held: bool
    decisive: bool = False
    ratio: bool = False
    events: list[EventRef] = []
    events_total: int = 0


class Branch(Wire):
    """The condition as a tree: `all` or `any` of its branches, or one leaf by its place in `compared`."""

    mode: Literal["all", "any", "leaf"]
    of: list[Branch] = []
    leaf: int | None = None


class Rise(Wire):
    """Why the severity is higher than the rule's own: a condition that held as well, as a tree whose leaves have their
    places in `compared` behind those of the rule's own condition."""

    to: Severity
    tree: Branch


class Evidence(Wire):
    """Why the warning holds: the events behind it (the newest `events` of `events_total`), the values compared and the
    condition tree over them. `rise` tells what raised the severity, where something did. Events behind another rule's
    class, or behind a rise, stand with their leaves only: more of them is no revision."""

    events: list[EventRef]
    events_total: int
    compared: list[Compared]
    summary: Bilingual
    tree: Branch | None = None
    rise: Rise | None = None


class Other(Wire):
    """Another warning of the customer that holds at the same time."""

    id: Identifier
    rule: Label
    name: Bilingual
    severity: Severity
    subject: str = ""
    start: Instant


class Review(Wire):
    """R4's demand. `due` = detected_at + `within_hours` by the wall clock; `by` is the superior; a case with such a
    warning closes only with a decision and at least `quorum` of `departments`. With `hours` = working the time is
    counted in the company's working hours, by the calendar of who keeps the case; `due` is then only the earliest."""

    within_hours: Annotated[int, Field(ge=1)]
    due: Instant
    departments: list[Label]
    quorum: Annotated[int, Field(ge=0)]
    hours: Hours = "wall"


class Warning(Wire):
    """One revision of a warning. (id, revision) is unique; a repeated one is to be ignored.

    raised     the episode is announced, or announced again after it had been withdrawn
    amended    the same episode with more evidence, another extent, severity or run
    ended      the condition stopped at `end`; its ground stays true
    withdrawn  given what is now known it held at no instant, or it was merged into `merged_into`, or
               its customer turned out to be `customer_merged_into`, of whom what holds is told by warnings of its own

    `start` and `end` are the episode's extent as now known (a point has end = start; an open one has no end);
    `run` is the number of periods in a row for a period streak. `pages_again` tells that this revision is worse than
    all before: higher severity or longer run. A `historical` warning is filed and pages nobody. `clears` tells what
    would end it, `others` what else holds of the customer (at most 20), `department` who is to act on a ticket.
    `act_within_days`: by how many working days the advice is to be followed, where the rule says so.
    """

    id: Identifier
    revision: Annotated[int, Field(ge=1)]
    change: Change
    output: Output
    rule: Label
    name: Bilingual
    customer_id: Identifier
    subject: str = ""
    kind: Literal["stretch", "streak", "point"]
    severity: Severity
    start: Instant
    end: Instant | None = None
    run: int = 0
    detected_at: Instant
    first_detected_at: Instant
    historical: bool = False
    pages_again: bool = False
    merged_into: str | None = None
    customer_merged_into: Identifier | None = None
    evidence: Evidence
    advice: Bilingual
    clause: Bilingual
    clause_source: Label
    clears: Bilingual | None = None
    audience: list[Literal["owner", "superior"]] = ["owner", "superior"]
    department: Label | None = None
    review: Review | None = None
    act_within_days: Annotated[int, Field(ge=1, le=366)] | None = None
    others: list[Other] = []


_ADAPTER: TypeAdapter[Warning] = TypeAdapter(Warning)


def encode_warning(warning: Warning) -> bytes:
    """The JSON on the warnings topic, keyed by customer_id."""
    return orjson.dumps(warning.model_dump(mode="json", exclude_none=True))


def decode_warning(raw: bytes) -> Warning:
    """Raises pydantic.ValidationError for what is no warning."""
    return _ADAPTER.validate_json(raw)
