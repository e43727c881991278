"""What the desk shows of cases, pages and people: plain values, ready to render. Instants have UTC as their zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas import warnings as wire
from schemas.cases import Decision
from schemas.warnings import Bilingual, Severity

CaseStatus = Literal["open", "closed"]
Stage = Literal["opened", "acknowledged", "in_review", "intervention", "closed", "reopened"]
"""How far a case has come; stages.py has the table."""
ReviewState = Literal["none", "waiting", "overdue", "opened", "decided"]
PageState = Literal[
    "pending", "sending", "accepted", "delivered", "opened", "failed", "uncertain", "cancelled", "dropped"
]
TaskStatus = Literal["open", "done", "ended", "withdrawn"]


@dataclass(frozen=True)
class Summary:
    """`warnings` counts warnings, not their revisions; `pages` every page in whatever state; `settling` the warnings
    that were found late and wait until things are calm; `rejected` the records that could not be kept; `undelivered`
    the pages that could not be delivered and wait for somebody's decision."""

    cases_open: int
    pages: int
    warnings: int
    pages_uncertain: int
    settling: int = 0
    rejected: int = 0
    undelivered: int = 0


@dataclass(frozen=True)
class CaseFilter:
    """Which cases to list, newest first. `person` keeps those the person owns or was paged for; `text` is looked for in
    the customer's id and name, `customer_id` is one customer's. None and "" do not filter."""

    status: CaseStatus | None = "open"
    severity: Severity | None = None
    person: str | None = None
    text: str = ""
    limit: int = 200
    customer_id: str | None = None


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
    stage: Stage = "opened"
    assignee_name: str | None = None


@dataclass(frozen=True)
class TodoView:
    """Something to do about a case. `advice` is what the rule of a warning says, `text` what people wrote;"""

    id: str
    case_id: str
    customer_name: str
    person: str
    person_name: str
    due: datetime
    status: TaskStatus
    advice: Bilingual | None = None
    text: str = ""
    done_by: str | None = None


@dataclass(frozen=True)
class DelegationView:
    """Who acts for whom in a case, up to when."""

    by_name: str
    to_name: str
    until: datetime


@dataclass(frozen=True)
class Recorded:
    """A superior's review or a department that joined, since the case was opened (again): who said what, and when."""

    kind: Literal["review", "department"]
    who: str
    at: datetime
    decision: Decision | None = None
    department: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class WorkView:
    """Who works on a case, what there is to do, what has been recorded. `value` is at risk, as people say. `idle_at`:
    by then somebody has to do something, or the case comes back. `people` are those it can be given to: id, name."""

    assignee: str | None
    todos: tuple[TodoView, ...]
    delegations: tuple[DelegationView, ...]
    recorded: tuple[Recorded, ...]
    value: str | None
    idle_at: datetime | None
    people: tuple[tuple[str, str], ...]


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
    value: str | None = None


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
class UndeliveredView:
    """A page that could not be delivered, or may not have been (`state` uncertain). `handled_by` says who decided what
    becomes of it, `note` why; "bellwether" when another page in its place was accepted."""

    id: int
    state: PageState
    person: str
    person_name: str
    channel: str
    kind: str
    critical: bool
    case_id: str | None
    customer_name: str
    warning_id: str
    error: str
    attempts: int
    written_at: datetime
    lost_at: datetime
    handled_by: str | None
    handled_at: datetime | None
    note: str


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be done, as a stable code and a sentence for people."""

    code: str
    text: Bilingual


@dataclass(frozen=True)
class Related:
    """Something else that holds of the customer: in a case, or on a page of its own where `case_id` is None. `known` is
    False for what the notifier has not heard of (yet): there is no page to lead to."""

    id: str
    name: Bilingual
    severity: Severity
    start: datetime
    known: bool
    case_id: str | None


@dataclass(frozen=True)
class Drawn:
    """A department that a review of the case wants, or that takes part: it has `joined`, or its `people` were
    asked to see to it by `due`; none: nobody was."""

    department: str
    joined: bool
    people: tuple[str, ...] = ()
    due: datetime | None = None


@dataclass(frozen=True)
class CaseView:
    """Everything on a case's page. `missing` says what stands in the way of closing it, empty when nothing does;
    `may_review` lists the people whose review counts; `departments` are those that may be drawn in, `team` how
    those stand that are wanted; `related` is what holds of the customer beside the case's own warnings."""

    line: CaseLine
    warnings: tuple[WarningView, ...]
    timeline: tuple[TimelineEntry, ...]
    pages: tuple[PageView, ...]
    missing: tuple[Refusal, ...]
    may_review: tuple[str, ...]
    departments: tuple[str, ...]
    departments_joined: tuple[str, ...]
    acknowledged_by: tuple[str, ...]
    related: tuple[Related, ...] = ()
    team: tuple[Drawn, ...] = ()
    work: WorkView | None = None


@dataclass(frozen=True)
class TaskView:
    """Something in the lists of `people` (their names), to be done by `due`. No case.

    `department`: it is this department's ticket; with `stand_in` nobody works there, and the owner and the superior
    have it. It went out of the list at `updated_at`, done by `done_by` or by itself.
    """

    id: str
    customer_id: str
    customer_name: str
    warning: wire.Warning
    people: tuple[str, ...]
    status: TaskStatus
    created_at: datetime
    updated_at: datetime
    department: str | None = None
    stand_in: bool = False
    done_by: str | None = None
    due: datetime | None = None


@dataclass(frozen=True)
class Revision:
    """One revision of a warning as it came."""

    revision: int
    change: str
    severity: Severity
    at: datetime


@dataclass(frozen=True)
class FindingView:
    """A task or a suggestion on its own page. `standing`: its newest revision says that it holds."""

    warning: wire.Warning
    customer_name: str
    standing: bool
    case_id: str | None
    task: TaskView | None
    history: tuple[Revision, ...]
    related: tuple[Related, ...]


@dataclass(frozen=True)
class SuggestionView:
    """Something that might be done for a customer, and that asks nobody."""

    customer_name: str
    owner_name: str
    warning: wire.Warning


@dataclass(frozen=True)
class CustomerView:
    """Everything about one customer: cases newest first, tasks that are open, suggestions that hold."""

    id: str
    name: str
    region: str
    owner_name: str
    cases: tuple[CaseLine, ...]
    tasks: tuple[TaskView, ...]
    suggestions: tuple[SuggestionView, ...]


@dataclass(frozen=True)
class Rejected:
    """A record of the warnings topic that could not be kept: `beginning` is what can be shown of it."""

    topic: str
    partition: int
    position: int
    key: str
    error: str
    beginning: str
    at: datetime


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
