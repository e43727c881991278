"""PURE: people's lists: what a rule advises as a task with a date, its reminders, and cases that nobody works on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from schemas import warnings as wire
from services.notifier.case import Case, Entry, Outcome, Page, Role, Todo, Verdict
from services.notifier.house import House, acting
from services.notifier.people import Directory
from services.notifier.stages import moved

SUPERIOR_AFTER = 3
"""Reminders of one task. From the next one on the superior is told as well."""


@dataclass(frozen=True)
class Reminder:
    """Who is told of a task now, and when the next time is."""

    people: tuple[tuple[str, Role], ...]
    next_at: datetime


def remind(
    people: Iterable[str], reminders: int, case: Case | None, now: datetime, directory: Directory, house: House
) -> Reminder:
    """A task of these people that is still not done, after so many reminders."""
    told: dict[str, Role] = {}
    for person in people:
        deputy = acting(case, person, now, directory)
        told.setdefault(deputy, "assignee" if deputy == person else "stand_in")
    if reminders >= SUPERIOR_AFTER:
        for person in tuple(told):
            above = directory.superiors_of(person)
            told.setdefault(acting(case, above[0], now, directory) if above else directory.fallback, "escalation")
    return Reminder(tuple(told.items()), house.clocks.next_reminder(now, reminders + 1))


def may_finish(person: str, now: datetime, directory: Directory) -> set[str]:
    """Who may say that a person's task is done: whoever may be reminded of it."""
    known = {person, directory.stand_in(person, now)}
    for one in tuple(known):
        above = directory.superiors_of(one) or (directory.fallback,)
        known |= {*above, *(directory.stand_in(superior, now) for superior in above)}
    return known


def reminder_of(task: str) -> str:
    """How the step of each reminder of a task begins, of a case's or of another; what a warning advises has its id."""
    return f"reminder:{task}:"


def worker(case: Case, directory: Directory) -> str:
    """Who works on the case: its assignee, or the customer's owner."""
    assigned = case.assignee if case.assignee in directory.people else None
    return assigned or directory.responsible(case.customer_id).owner


def advised(case: Case, warning: wire.Warning, now: datetime, directory: Directory, house: House) -> Case:
    """The case with what the warning advises as a task; one that was done is to be done again."""
    due = house.clocks.act_by(now, warning.severity, warning.act_within_days)
    person = worker(case, directory)
    return case.with_todo(Todo(warning.id, person, due, house.clocks.first_reminder(due), warning.id))


def ended(case: Case) -> Case:
    """The case's open tasks are over with it."""
    over = tuple(replace(todo, status="ended") if todo.status == "open" else todo for todo in case.todos)
    return replace(case, todos=over)


def to_new_owner(case: Case, before: str, now: datetime, directory: Directory) -> Outcome:
    """The customer is somebody else's than `before`, who was called about the case: they hear of it, and what the
    former owner has still to do is theirs. No clock begins anew: a handover gives nobody more time."""
    line = directory.responsible(case.customer_id)
    if case.status != "open" or line.owner == before:
        return Outcome(Verdict.NOT_DUE)
    for todo in case.todos:
        if todo.status == "open" and todo.person == before:
            case = case.with_todo(replace(todo, person=line.owner))
    deputy, held = acting(case, line.owner, now, directory), case.gravest
    role: Role = "stand_in" if deputy != line.owner else "owner" if line.assigned else "fallback"
    page = Page(f"owner:{now.isoformat()}", "assigned", deputy, role, held.id, held.revision)
    entry = Entry("case.assigned", now, person=line.owner)
    return Outcome(Verdict.HANDED_OVER, replace(case, owner=line.owner), (page,), (entry,))


def due_todo(case: Case, todo: Todo, now: datetime, directory: Directory, house: House) -> Outcome:
    """Reminds of one task of a case, where its reminder is due."""
    if case.status != "open" or todo.status != "open" or now < todo.remind_at:
        return Outcome(Verdict.NOT_DUE)
    reminder = remind((todo.person,), todo.reminders, case, now, directory, house)
    after = replace(todo, reminders=todo.reminders + 1, remind_at=reminder.next_at)
    held = case.held(todo.warning_id or "") or case.gravest
    name = f"{reminder_of(todo.id)}{todo.due.isoformat()}:{after.reminders}"
    pages = tuple(Page(name, "reminder", who, role, held.id, held.revision) for who, role in reminder.people)
    return Outcome(Verdict.REMINDED, case.with_todo(after), pages)


def without_past_delegations(case: Case, now: datetime) -> Outcome:
    """What was delegated comes back by itself: whoever was asked in somebody's place hands over with this tick."""
    kept = tuple(one for one in case.delegations if now < one.until)
    if case.status != "open" or len(kept) == len(case.delegations):
        return Outcome(Verdict.NOT_DUE)
    return Outcome(Verdict.DELEGATION_OVER, replace(case, delegations=kept))


def come_back(case: Case, now: datetime, directory: Directory, house: House) -> Outcome:
    """A case on which nobody has done anything for days is told again: to who works on it, and each time to one more
    of those above. What was acknowledged is so no more."""
    waiting = any(deadline.kind == "review" for deadline in case.deadlines)
    if case.status != "open" or case.idle_at is None or waiting or now < case.idle_at:
        return Outcome(Verdict.NOT_DUE)
    held = case.gravest
    ladder = directory.ladder(case.customer_id, now)
    owner = directory.responsible(case.customer_id).owner
    deputy = acting(case, owner, now, directory)
    told: dict[str, Role] = {deputy: "owner" if deputy == owner else "stand_in"}
    told.setdefault(acting(case, worker(case, directory), now, directory), "assignee")
    told.setdefault(acting(case, ladder[min(case.returns, len(ladder) - 1)], now, directory), "escalation")
    name = f"idle:{case.idle_at.isoformat()}"
    pages = tuple(Page(name, "idle", who, role, held.id, held.revision) for who, role in told.items())
    stage = moved(case.stage, "come_back")
    seen = case.acknowledged_by if stage == case.stage else ()
    after = replace(
        case,
        stage=stage,
        acknowledged_by=seen,
        returns=case.returns + 1,
        idle_at=house.clocks.idle_at(now),
    )
    return Outcome(Verdict.CAME_BACK, after, pages, (Entry("case.came_back", now),))
