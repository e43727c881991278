"""PURE: a case as a value, and what a decision about it consists of. policy.py and actions.py decide, clerk.py acts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from schemas.cases import CaseEventType, Decision, Money
from schemas.warnings import SEVERITIES, Bilingual, Hours, Severity
from services.notifier.views import CaseStatus, Refusal, ReviewState, Stage, TaskStatus

PageKind = Literal[
    "raised",
    "amended",
    "withdrawn",
    "breached",
    "nudge",
    "undelivered",
    "uncertain",
    "due_soon",
    "idle",
    "reminder",
    "assigned",
    "join",
    "join_due",
]
"""`due_soon`: the review's deadline comes near; `idle`: a case came back on which nobody works; `reminder`: a task in
somebody's list is not done; `assigned`: a case or a task was given to somebody, or handed on for a while; `join`: a
department is asked to take part, `join_due`: it was asked, and half of its time has run."""

Role = Literal["owner", "superior", "escalation", "fallback", "department", "assignee", "stand_in"]


@dataclass(frozen=True)
class ReviewClock:
    """R4's clock of one warning: `holder` is asked to open the review by `due`, in the place of the last of `asked`.

    It runs until somebody entitled opens the review; `breaches` counts the deadlines missed so far. `nudges` are the
    instants at which the holder is reminded before `due`, of which `nudged` are over. `hours` says by which hours
    `within_hours` is counted. Each superior who decided is in `decided_all`, the first in `decided_by`.
    """

    within_hours: int
    departments: tuple[str, ...]
    quorum: int
    due: datetime
    holder: str
    asked: tuple[str, ...]
    breaches: int = 0
    opened_by: str | None = None
    decided_by: str | None = None
    decision: Decision | None = None
    hours: Hours = "wall"
    nudges: tuple[datetime, ...] = ()
    nudged: int = 0
    decided_all: tuple[str, ...] = ()

    @property
    def next_at(self) -> datetime:
        """The next step of the clock: a nudge, or the deadline."""
        return min((at for at in self.nudges[self.nudged :] if at < self.due), default=self.due)

    @property
    def running(self) -> bool:
        """Nobody has opened the review yet."""
        return self.opened_by is None

    def state(self, now: datetime) -> ReviewState:
        """The clock in a word; overdue also after a breach, although the next manager's deadline still runs."""
        if self.decided_by is not None:
            return "decided"
        if self.opened_by is not None:
            return "opened"
        return "overdue" if self.breaches or now >= self.due else "waiting"


@dataclass(frozen=True)
class Held:
    """What a case remembers of one warning; the whole of it stands in the table of warnings. `category` is the class
    of the customer that the rule looked at, where it did."""

    id: str
    revision: int
    rule: str
    name: Bilingual
    severity: Severity
    state: Literal["standing", "ended", "withdrawn"]
    paged: tuple[str, ...] = ()
    review: ReviewClock | None = None
    category: str = ""

    @property
    def clock(self) -> ReviewClock | None:
        """The review it demands; a withdrawn warning demands none."""
        return None if self.state == "withdrawn" else self.review


@dataclass(frozen=True)
class Todo:
    """Something to do about a case, in the list of `person` by `due`. What a rule advises has its warning's id and no
    `text`; `remind_at` is when the person is told of it (again), `reminders` how often that was."""

    id: str
    person: str
    due: datetime
    remind_at: datetime
    warning_id: str | None = None
    text: str = ""
    reminders: int = 0
    status: TaskStatus = "open"
    done_by: str | None = None


@dataclass(frozen=True)
class Delegation:
    """`by` has asked `to` to act in this case in their place, up to `until`."""

    by: str
    to: str
    until: datetime


@dataclass(frozen=True)
class Asked:
    """`people` were asked to see to it that their department takes part in the case by `due`, as the review of a
    warning wants it. `remind_at` is when they are told again unless it has joined; None: they were."""

    department: str
    people: tuple[str, ...]
    warning_id: str
    due: datetime
    remind_at: datetime | None = None


@dataclass(frozen=True)
class Deadline:
    """Something that happens to a case by itself: `next_at` is its next step, a reminder or what follows from `due`.
    `name` is unique within the case."""

    name: str
    kind: Literal["review", "idle", "task", "delegation", "team"]
    holder: str
    due: datetime
    next_at: datetime
    warning_id: str | None = None
    breaches: int = 0


@dataclass(frozen=True)
class Case:
    """One customer's case. At most one of a customer is open.

    `owner` is who was last called as the customer's owner, None in cases of older releases. `stage` is how far it has
    come (stages.py). `assignee` works on it beside the customer's owner. `idle_at`: if nobody
    does anything by then it comes back to people, which it did `returns` times since somebody last did. `asked` are the
    departments that were asked to join since it was opened.
    """

    id: str
    customer_id: str
    opened_at: datetime
    status: CaseStatus = "open"
    warnings: tuple[Held, ...] = ()
    acknowledged_by: tuple[str, ...] = ()
    departments_joined: tuple[str, ...] = ()
    closed_at: datetime | None = None
    decision: Decision | None = None
    stage: Stage = "opened"
    assignee: str | None = None
    delegations: tuple[Delegation, ...] = ()
    todos: tuple[Todo, ...] = ()
    value: Money | None = None
    idle_at: datetime | None = None
    returns: int = 0
    owner: str | None = None
    asked: tuple[Asked, ...] = ()

    def held(self, warning_id: str) -> Held | None:
        """The warning of that id, if the case has it."""
        return next((held for held in self.warnings if held.id == warning_id), None)

    def with_held(self, held: Held) -> Case:
        """The case with that warning put in its place, or added."""
        kept = tuple(held if other.id == held.id else other for other in self.warnings)
        return replace(self, warnings=kept if self.held(held.id) else (*kept, held))

    @property
    def severity(self) -> Severity:
        """The highest of its warnings that are not withdrawn, or of all when all are."""
        found = [held for held in self.warnings if held.state != "withdrawn"] or list(self.warnings)
        return max((held.severity for held in found), key=SEVERITIES.index)

    @property
    def clocks(self) -> tuple[ReviewClock, ...]:
        """The reviews that the case's warnings demand."""
        return tuple(held.clock for held in self.warnings if held.clock)

    def todo(self, todo_id: str) -> Todo | None:
        """The task of that id, if the case has it."""
        return next((todo for todo in self.todos if todo.id == todo_id), None)

    def with_todo(self, todo: Todo) -> Case:
        """The case with that task put in its place, or added."""
        kept = tuple(todo if other.id == todo.id else other for other in self.todos)
        return replace(self, todos=kept if self.todo(todo.id) else (*kept, todo))

    @property
    def awaited(self) -> tuple[Asked, ...]:
        """The departments that were asked, have not joined, and are to be reminded."""
        asked = self.asked if self.status == "open" else ()
        return tuple(one for one in asked if one.remind_at and one.department not in self.departments_joined)

    @property
    def wake_at(self) -> datetime | None:
        """The earliest deadline of a review still running; None when nobody is being waited for."""
        return min((held.due for held in self.running), default=None)

    @property
    def running(self) -> tuple[ReviewClock, ...]:
        """The clocks that still run. A closed case waits for nobody."""
        return tuple(clock for clock in self.clocks if clock.running and self.status == "open")

    def review(self, now: datetime) -> ReviewState:
        """The most pressing state of its reviews."""
        states = {clock.state(now) for clock in self.clocks}
        return next((state for state in _PRESSING if state in states), "none")

    @property
    def gravest(self) -> Held:
        """The warning that stands for the case where it is spoken of as a whole: what holds before what is over."""
        return max(self.warnings, key=lambda held: (_WEIGHT[held.state], SEVERITIES.index(held.severity)))

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        """All that is to happen to it by itself. While somebody is waited for by a clock, nobody can be idle."""
        if self.status != "open":
            return ()
        found = [
            Deadline(f"review:{held.id}", "review", clock.holder, clock.due, clock.next_at, held.id, clock.breaches)
            for held in self.warnings
            if (clock := held.clock) is not None and clock.running
        ]
        if self.idle_at is not None and not found:
            found.append(Deadline("idle", "idle", self.assignee or "", self.idle_at, self.idle_at))
        open_todos = (todo for todo in self.todos if todo.status == "open")
        found += [Deadline(f"task:{one.id}", "task", one.person, one.due, one.remind_at) for one in open_todos]
        found += [
            Deadline(f"delegation:{one.by}", "delegation", one.to, one.until, one.until) for one in self.delegations
        ]
        # By its place: the name of a department may be longer than that of a deadline.
        found += [
            Deadline(f"team:{place}", "team", one.people[0], one.due, one.remind_at or one.due, one.warning_id)
            for place, one in enumerate(self.awaited)
        ]
        return tuple(found)


_WEIGHT = {"withdrawn": 0, "ended": 1, "standing": 2}
_PRESSING: tuple[ReviewState, ...] = ("overdue", "waiting", "opened", "decided")


@dataclass(frozen=True)
class Page:
    """Somebody is to be told something. `step` names the occasion: (case, step, person, channel) is sent once.

    What is not `critical` waits for the end of the person's quiet hours, which is then in `not_before`.
    `channels`: by which it is wanted, the next if one fails; empty: by all that reach the person.
    """

    step: str
    kind: PageKind
    person: str
    role: Role
    warning_id: str
    revision: int
    due: datetime | None = None
    critical: bool = False
    not_before: datetime | None = None
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A new line of the timeline; the store numbers it."""

    type: CaseEventType
    at: datetime
    actor: str | None = None
    warning_id: str | None = None
    person: str | None = None
    department: str | None = None
    channel: str | None = None
    decision: Decision | None = None
    note: str | None = None
    value: Money | None = None


class Verdict(StrEnum):
    """What was made of a warning, a tick or an action: the same word in log lines, metrics and tests."""

    REPEATED = "repeated"
    OUT_OF_ORDER = "out_of_order"
    SETTLING = "settling"
    FILED_HISTORICAL = "filed_historical"
    FILED_SUGGESTION = "filed_suggestion"
    FILED_NEVER_PAGED = "filed_never_paged"
    TASK_SET = "task_set"
    TASK_ENDED = "task_ended"
    OPENED = "opened"
    JOINED = "joined"
    REOPENED = "reopened"
    UPDATED = "updated"
    PAGED_AGAIN = "paged_again"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    WITHDRAWN_AND_CLOSED = "withdrawn_and_closed"
    BREACHED = "breached"
    NUDGED = "nudged"
    HANDED_OVER = "handed_over"
    CAME_BACK = "came_back"
    DELEGATION_OVER = "delegation_over"
    REMINDED = "reminded"
    RELEASED = "released"
    NOT_DUE = "not_due"
    DONE = "done"
    ALREADY_DONE = "already_done"
    REFUSED = "refused"


@dataclass(frozen=True)
class TaskChange:
    """What becomes of the entry that the warning stands for, in the lists of `people`; `department`: it is a ticket.
    `due` is set where it is open, `owner` where the customer's owner is told that it is theirs: whoever that is."""

    people: tuple[str, ...]
    status: Literal["open", "ended", "withdrawn"]
    department: str | None = None
    due: datetime | None = None
    remind_at: datetime | None = None
    owner: str | None = None


@dataclass(frozen=True)
class ListedTask:
    """An open entry of people's lists whose reminder is due; `id` is its warning's."""

    id: str
    revision: int
    people: tuple[str, ...]
    due: datetime
    reminders: int


@dataclass(frozen=True)
class Outcome:
    """A decision: the case as it is from now on (None: no case is touched), and what follows from it. `remind_at`: when
    people are next reminded of the task that this was about."""

    verdict: Verdict
    case: Case | None = None
    pages: tuple[Page, ...] = ()
    events: tuple[Entry, ...] = ()
    task: TaskChange | None = None
    remind_at: datetime | None = None
    refusals: tuple[Refusal, ...] = ()
