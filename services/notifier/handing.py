"""PURE: who works on a case: giving it to somebody, delegating for a while, and its tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from services.notifier.case import Case, Delegation, Entry, Outcome, Page, Role, Todo, Verdict
from services.notifier.house import House
from services.notifier.lists import may_finish, worker
from services.notifier.people import Directory
from services.notifier.refusals import done, refusal, refused
from services.notifier.reviews import hand_over, merged, reviewers
from services.notifier.views import Refusal

LONGEST_DELEGATION = timedelta(days=366)
MOST_TODOS = 100
"""Of one case: more are a project."""


@dataclass(frozen=True)
class Assign:
    """`person` works on the case from now on, beside the customer's owner."""

    actor: str
    person: str
    note: str = ""


@dataclass(frozen=True)
class Delegate:
    """`person` acts in this case in the actor's place, up to `until`."""

    actor: str
    person: str
    until: datetime
    note: str = ""


@dataclass(frozen=True)
class SetTask:
    """Something more to do about the case, by the end of the day `due`. `key` tells a repeated request."""

    actor: str
    person: str
    due: date
    text: str
    key: str


@dataclass(frozen=True)
class FinishTask:
    actor: str
    task: str


def assign(case: Case, action: Assign, now: datetime, directory: Directory) -> Outcome:
    """Tasks of who worked on it go along; they are not done by being handed on."""
    if action.person not in directory.people:
        return refused(_nobody(action.person))
    before = worker(case, directory)
    if action.person == before:
        return Outcome(Verdict.ALREADY_DONE)
    for todo in case.todos:
        if todo.status == "open" and todo.person == before:
            case = case.with_todo(replace(todo, person=action.person))
    entry = Entry("case.assigned", now, action.actor, person=action.person, note=action.note.strip() or None)
    pages = _told(case, f"assigned:{now.isoformat()}", action.person, action.actor, "assignee")
    return done(replace(case, assignee=action.person), entry, pages=pages)


def delegate(case: Case, action: Delegate, now: datetime, directory: Directory, house: House) -> Outcome:
    """Reviews that the actor is asked for are asked of the other from now on; and who acts for the owner from now on
    does not review."""
    reasons = list(_unfit(case, action, now, directory))
    if reasons:
        return refused(*reasons)
    kept = tuple(one for one in case.delegations if one.by != action.actor and now < one.until)
    case = replace(case, delegations=(*kept, Delegation(action.actor, action.person, action.until)))
    for held in case.warnings:
        clock = held.clock
        if clock is not None and clock.running and clock.holder == action.actor:
            after = replace(clock, holder=action.person, asked=merged(clock.asked, action.person))
            case = case.with_held(replace(held, review=after, paged=merged(held.paged, action.person)))
    entry = Entry("case.delegated", now, action.actor, person=action.person, note=action.note.strip() or None)
    pages = _told(case, f"delegated:{now.isoformat()}", action.person, action.actor, "stand_in")
    events: tuple[Entry, ...] = (entry,)
    for held in case.warnings:
        handed = hand_over(case, held, now, directory, house)
        case, pages, events = handed.case or case, (*pages, *handed.pages), (*events, *handed.events)
    return done(case, *events, pages=pages)


def _unfit(case: Case, action: Delegate, now: datetime, directory: Directory) -> list[Refusal]:
    found = []
    if action.person not in directory.people:
        found.append(_nobody(action.person))
    if action.person == action.actor:
        found.append(refusal("yourself", "不能委托给自己。", "Nobody can delegate to themselves."))
    if not now < action.until <= now + LONGEST_DELEGATION:
        zh, en = "委托须有截止时间，且不超过一年。", "A delegation ends some time from now, within a year."
        found.append(refusal("until", zh, en))
    owner = directory.responsible(case.customer_id).owner
    if action.person == owner and action.actor in reviewers(case, directory, now):
        zh, en = "审核人不能委托给客户负责人。", "A reviewer cannot delegate to the owner of the customer."
        found.append(refusal("owner", zh, en))
    return found


def set_task(case: Case, action: SetTask, now: datetime, directory: Directory, house: House) -> Outcome:
    """A task that people add."""
    if case.todo(action.key) is not None:
        return Outcome(Verdict.ALREADY_DONE)
    due, found = house.clocks.end_of_day(action.due), []
    if action.person not in directory.people:
        found.append(_nobody(action.person))
    if not action.text.strip():
        found.append(refusal("empty_task", "请说明要做什么。", "Please say what is to be done."))
    if not now < due <= now + LONGEST_DELEGATION:
        found.append(refusal("due", "完成日期须在一年之内。", "It is due some day from today, within a year."))
    if len(case.todos) >= MOST_TODOS:
        zh, en = f"一个案件最多 {MOST_TODOS} 项待办。", f"A case has at most {MOST_TODOS} tasks."
        found.append(refusal("too_many_tasks", zh, en))
    if found:
        return refused(*found)
    todo = Todo(action.key, action.person, due, house.clocks.first_reminder(due), None, action.text.strip())
    entry = Entry("task.set", now, action.actor, person=action.person, note=todo.text)
    pages = _told(case, f"task:{action.key}", action.person, action.actor, "assignee")
    return done(case.with_todo(todo), entry, pages=pages)


def finish_task(case: Case, action: FinishTask, now: datetime, directory: Directory) -> Outcome:
    """By the person, by who stands in, or by somebody above."""
    todo = case.todo(action.task)
    if todo is None:
        return refused(refusal("no_task", "案件没有这项待办。", "The case has no such task."))
    if todo.status != "open":
        return Outcome(Verdict.ALREADY_DONE)
    delegates = {one.to for one in case.delegations if one.by == todo.person and now < one.until}
    if action.actor not in may_finish(todo.person, now, directory) | delegates | {worker(case, directory)}:
        zh = "只有这项待办的负责人或其上级可以完成它。"
        en = "Only the person whose task it is, or a superior, can finish it."
        return refused(refusal("not_your_task", zh, en))
    after = case.with_todo(replace(todo, status="done", done_by=action.actor))
    entry = Entry("task.done", now, action.actor, warning_id=todo.warning_id, note=todo.text or None)
    return done(after, entry)


def _told(case: Case, step: str, person: str, actor: str, role: Role) -> tuple[Page, ...]:
    """Who gives something to themselves needs no page."""
    held = case.gravest
    return () if person == actor else (Page(step, "assigned", person, role, held.id, held.revision),)


def _nobody(person: str) -> Refusal:
    return refusal("unknown_person", f"通讯录中没有 {person[:50]}。", f"{person[:50]} is not in the directory.")
