"""What the desk shows of cases, pages and people: plain values, ready to render. Instants have UTC as their zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas import warnings as wire
from schemas.cases import Decision
from schemas.warnings import Bilingual, Severity

CaseStatus = Literal["open", "closed"]
ReviewState = Literal["none", "waiting", "overdue", "opened", "decided"]
PageState = Literal["pending", "sending", "accepted", "failed", "uncertain", "cancelled"]
TaskStatus = Literal["open", "done", "ended", "withdrawn"]


@dataclass(frozen=True)
class Summary:
    """`warnings` counts warnings, not their revisions; `pages` every page in whatever state; `settling` the warnings
    that were found late and wait until things are calm."""

    cases_open: int
    pages: int
    warnings: int
    pages_uncertain: int
    settling: int = 0


@dataclass(frozen=True)
class CaseFilter:
    """Which cases to list, newest first. `person` keeps those the person owns or was paged for; `text` is looked for in
    the customer's id and name. None and "" do not filter."""

    status: CaseStatus | None = "open"
    severity: Severity | None = None
    person: str | None = None
    text: str = ""
    limit: int = 200


@dataclass(frozen=True)
class CaseLine:
    """A case in the list. `due` is the earliest review deadline still running."""

    id: str
    customer_id: str
    customer_name: str
    owner: str
    owner_name: str
    severity: Severity
    status: CaseStatus
    opened_at: datetime
    closed_at: datetime | None
    warnings: tuple[Bilingual, ...]
    review: ReviewState
    due: datetime | None


@dataclass(frozen=True)
class WarningView:
    """A warning of the case in its newest revision, with the clock of its own review."""

    warning: wire.Warning
    state: Literal["standing", "ended", "withdrawn"]
    review: ReviewState
    review_due: datetime | None
    reviewer: str | None


@dataclass(frozen=True)
class TimelineEntry:
    """`type` is a CaseEventType of schemas/cases.py. `actor_name` and `person_name` are the directory's names."""

    sequence: int
    type: str
    at: datetime
    actor: str | None = None
    actor_name: str | None = None
    warning_id: str | None = None
    person: str | None = None
    person_name: str | None = None
    department: str | None = None
    channel: str | None = None
    decision: Decision | None = None
    note: str | None = None


@dataclass(frozen=True)
class PageView:
    """One page to one person through one channel, and what became of it: written down `at`, taken over by the provider
    `sent_at`; cancelled when its warning was withdrawn before. `error` is the channel's own sentence."""

    person: str
    person_name: str
    role: str
    kind: str
    channel: str
    state: PageState
    at: datetime
    attempts: int
    error: str | None
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be done, as a stable code and a sentence for people."""

    code: str
    text: Bilingual


@dataclass(frozen=True)
class CaseView:
    """Everything on a case's page. `missing` says what stands in the way of closing it, empty when nothing does;
    `may_review` lists the people whose review counts; `departments` are those that may be drawn in."""

    line: CaseLine
    warnings: tuple[WarningView, ...]
    timeline: tuple[TimelineEntry, ...]
    pages: tuple[PageView, ...]
    missing: tuple[Refusal, ...]
    may_review: tuple[str, ...]
    departments: tuple[str, ...]
    departments_joined: tuple[str, ...]
    acknowledged_by: tuple[str, ...]


@dataclass(frozen=True)
class TaskView:
    """Something for the owner's list. No case, no deadline."""

    id: str
    customer_id: str
    customer_name: str
    person: str
    name: Bilingual
    advice: Bilingual
    status: TaskStatus
    created_at: datetime


@dataclass(frozen=True)
class InboxView:
    """A page as the local inbox keeps it. `case_id` is None for a task or a digest."""

    id: int
    subject: str
    text: str
    at: datetime
    case_id: str | None
    read: bool


@dataclass(frozen=True)
class Account:
    """A console account; `person` is the directory id under which its user acts."""

    name: str
    person: str


@dataclass(frozen=True)
class Session:
    """A signed-in browser. `token` goes in the cookie and is stored only as a hash; `csrf` in every form."""

    token: str
    csrf: str
    account: Account
    expires_at: datetime
