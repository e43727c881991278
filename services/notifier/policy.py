"""PURE: who is paged about a warning, when it escalates, what a case becomes. Time and the directory are arguments."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from schemas import warnings as wire
from schemas.cases import CaseEventType, Decision
from services.notifier import lists, reviews, team
from services.notifier.calling import owner_among, pages_about, remembered, told_by
from services.notifier.case import (
    Case,
    Entry,
    Held,
    ListedTask,
    Outcome,
    Page,
    PageKind,
    ReviewClock,
    Role,
    TaskChange,
    Verdict,
)
from services.notifier.house import House
from services.notifier.people import Directory
from services.notifier.reviews import merged
from services.notifier.routing import Plan, matter_of
from services.notifier.stages import moved

HOUSE = House()
"""What holds where nothing is set: office hours in Beijing, no tree of routes."""

_CASES = uuid.UUID("8d0a2b5e-6c1f-4f0e-9b51-5a2f1f6f7c11")

LATE_AFTER = timedelta(hours=24)
"""Between an episode's start and its being found, or between that and its coming here. What is found as it happens
comes within a day, the pace of a nightly export; what comes later was told of after the fact, and what belongs to it
(the payment of an old invoice) is likely to follow at once."""

LONGEST_SETTLING = timedelta(minutes=15)
"""An import may go on for hours; people are not kept waiting for its end."""

PAST_AFTER = timedelta(days=7)
"""An episode that was over for so long is historical (design.md, decision 7): here by the clock of the people."""


def as_seen(warning: wire.Warning, now: datetime, *, worse: bool = False) -> wire.Warning:
    """The warning as it looks to people who hear of it now.

    The rules service may have found it in time by another clock than theirs (the events' own), or long before it could
    be told: what has been over for a week by then is the past, and the past is not paged. `worse`: a revision before
    this one, not acted on yet, was worse than all before.
    """
    if warning.historical or (warning.end is not None and now - warning.end > PAST_AFTER):
        return warning.model_copy(update={"historical": True, "pages_again": False})
    return warning.model_copy(update={"pages_again": True}) if worse else warning


def repeated(warning: wire.Warning, known_revision: int) -> Verdict | None:
    """The verdict on a revision that is not new. `known_revision` is the highest received so far, 0 for none."""
    if warning.revision > known_revision:
        return None
    return Verdict.REPEATED if warning.revision == known_revision else Verdict.OUT_OF_ORDER


def must_settle(
    warning: wire.Warning, holding: Case | None, now: datetime, *, task_is_open: bool, task_was_set: bool = False
) -> bool:
    """Whether to wait until things are calm before anybody is paged: it was found or told late, and nobody is at work
    on it yet. `holding` is the case in which it was filed, `task_is_open` says that it is on somebody's list, and
    `task_was_set` that it is or has been."""
    late = warning.first_detected_at - warning.start > LATE_AFTER or now - warning.detected_at > LATE_AFTER
    if not late or warning.output == "suggestion":
        return False
    if warning.output == "task":
        calls = warning.change == "raised" or (
            warning.change == "amended" and (warning.pages_again or not task_was_set)
        )
        return calls and not task_is_open and not warning.historical
    held = holding.held(warning.id) if holding else None
    if holding is not None and holding.status == "open" and held is not None and held.state != "withdrawn":
        return False
    return _calls(held, warning)


def settled_since(oldest: datetime, newest: datetime, now: datetime, quiet: timedelta) -> datetime | None:
    """Of the warnings that wait, those first received up to the instant returned are to be decided; None: none yet.

    `oldest` is when the first of them was first received, `newest` when the last revision of any was.
    """
    if now - newest >= quiet:
        return now
    # The latest arrivals wait on: they may be taken back any moment, and a round for each would be a page for each.
    return now - quiet if now - oldest >= LONGEST_SETTLING else None


def case_for(holding: Case | None, open_case: Case | None, warning: wire.Warning) -> Case | None:
    """The case a warning concerns: the one that holds it, but the customer's open one when the warning must be acted on
    and its own case is closed, so that a customer never has two open cases."""
    if holding is None or holding.status == "open" or open_case is None:
        return holding or open_case
    return open_case if _calls(holding.held(warning.id), warning) else holding


def on_warning(
    case: Case | None,
    warning: wire.Warning,
    now: datetime,
    directory: Directory,
    known_revision: int = 0,
    house: House = HOUSE,
) -> Outcome:
    """Decide on one revision of a warning. `case` is what case_for gave; `known_revision` the highest received so far,
    0 for a warning never seen."""
    nothing_new = repeated(warning, known_revision)
    if nothing_new is not None or warning.output == "suggestion":
        return Outcome(nothing_new or Verdict.FILED_SUGGESTION)
    at = _At(now, directory, house, house.plan(matter_of(warning, directory), case, now, directory))
    if warning.output == "task":
        return _on_task(warning, at, known_revision)
    held = case.held(warning.id) if case else None
    if case is not None and held is not None and held.state != "withdrawn" and not _returns(case, warning):
        return _on_held(case, held, warning, at)
    if warning.change == "withdrawn":
        return Outcome(Verdict.FILED_NEVER_PAGED)
    if warning.historical:
        return Outcome(Verdict.FILED_HISTORICAL)
    return _take_in(case, warning, at)


def on_tick(case: Case, now: datetime, directory: Directory, house: House = HOUSE) -> Outcome:
    """What happens to a case by itself: its reviews' nudges and escalations, reminders of its tasks, and that it comes
    back when nobody works on it. Each once, however late the tick comes. The verdict is the gravest."""
    taken: list[Outcome] = []
    for step in _steps(case, now, directory, house):
        outcome = step(case)
        if outcome.case is not None:
            case = outcome.case
            taken.append(outcome)
    if not taken:
        return Outcome(Verdict.NOT_DUE)
    pages = team.told_once([page for outcome in taken for page in outcome.pages])
    events = tuple(entry for outcome in taken for entry in outcome.events)
    return remembered(Outcome(min((one.verdict for one in taken), key=_GRAVITY.index), case, pages, events))


_GRAVITY = (
    Verdict.BREACHED,
    Verdict.HANDED_OVER,
    Verdict.NUDGED,
    Verdict.CAME_BACK,
    Verdict.REMINDED,
    Verdict.DELEGATION_OVER,
)


def _steps(case: Case, now: datetime, directory: Directory, house: House) -> Iterator[Callable[[Case], Outcome]]:
    """What may have to be done; each is asked of the case as those before have left it."""
    yield partial(lists.without_past_delegations, now=now)
    for held in case.warnings:
        yield partial(reviews.step, held=held, now=now, directory=directory, house=house)
    yield partial(lists.come_back, now=now, directory=directory, house=house)
    for todo in case.todos:
        yield partial(lists.due_todo, todo=todo, now=now, directory=directory, house=house)
    yield partial(team.remind, now=now, directory=directory, house=house)


@dataclass(frozen=True)
class _At:
    """The circumstances of a decision."""

    now: datetime
    directory: Directory
    house: House
    plan: Plan


def _calls(held: Held | None, warning: wire.Warning) -> bool:
    """True when somebody must act on this revision: it is new to the case, back, or worse than before."""
    if warning.historical or warning.change == "withdrawn":
        return False
    return held is None or held.state == "withdrawn" or warning.pages_again


def _returns(case: Case, warning: wire.Warning) -> bool:
    """A warning of a closed case that is worse than before: people have to look again."""
    return case.status == "closed" and warning.pages_again and not warning.historical and warning.change != "withdrawn"


def _take_in(case: Case | None, warning: wire.Warning, at: _At) -> Outcome:
    now = at.now
    # One that is back after its withdrawal, or worse than when its case was closed, is found now.
    known = case.held(warning.id) if case is not None else None
    clock = reviews.start(warning, at.plan, now, at.house, None if known is None else warning.detected_at)
    note = None if at.directory.responsible(warning.customer_id).assigned else _UNASSIGNED
    joined = Entry("case.warning_joined", now, warning_id=warning.id, note=note)
    verdict, events = Verdict.JOINED, [joined]
    if case is None or (case.status == "closed" and known is None):
        case = Case(case_id_of(warning), warning.customer_id, now)
        verdict, events = Verdict.OPENED, [Entry("case.opened", now, note=note), joined]
    elif case.status == "closed":
        case = reopened(case)
        verdict, events = Verdict.REOPENED, [Entry("case.reopened", now), joined]
    pages = _pages(warning, "raised", case, at, clock)
    held = Held(
        id=warning.id,
        revision=warning.revision,
        rule=warning.rule,
        name=warning.name,
        severity=warning.severity,
        state="ended" if warning.change == "ended" else "standing",
        paged=tuple(page.person for page in pages),
        review=clock,
        category=matter_of(warning, at.directory).category,
    )
    return _asked_for(Outcome(verdict, case.with_held(held), pages, tuple(events)), warning, at)


def _asked_for(outcome: Outcome, warning: wire.Warning, at: _At) -> Outcome:
    """People have just been called: what the warning advises is a task from now on, the days in which nobody does
    anything are counted anew, and the departments of its review are asked to join."""
    assert outcome.case is not None, "who is called is called about a case"
    case = lists.advised(outcome.case, warning, at.now, at.directory, at.house)
    owner = case.owner or at.directory.responsible(case.customer_id).owner
    case = replace(case, idle_at=at.house.clocks.idle_at(at.now), returns=0, owner=owner)
    held = case.held(warning.id)
    assert held is not None, "the case has just taken it in"
    return team.ask(replace(outcome, case=case), held, at.plan, at.now, at.house)


def reopened(case: Case) -> Case:
    """The case as it is open again: what was acknowledged, who was asked and who had joined belongs to its past,
    and whoever owns the customer now hears of it."""
    stage = moved(case.stage, "reopen")
    case = replace(case, departments_joined=(), asked=(), acknowledged_by=(), owner=None)
    return replace(case, status="open", stage=stage, closed_at=None, decision=None)


_UNASSIGNED = (
    "通讯录中没有此客户的负责人，因此通知后备联系人。 / "
    "The directory names no owner for this customer: the fallback is paged in the owner's place."
)


def _on_held(case: Case, held: Held, warning: wire.Warning, at: _At) -> Outcome:
    if warning.change == "withdrawn":
        return _withdraw(case, held, warning, at)
    calls = _calls(held, warning)
    clock = held.clock
    if clock is None or (calls and not clock.running):
        # A review that was held before it got worse says nothing about what is worse now.
        clock = reviews.start(warning, at.plan, at.now, at.house, warning.detected_at) or clock
    pages = _pages(warning, "amended", case, at, clock) if calls else ()
    after = replace(
        held,
        revision=warning.revision,
        severity=warning.severity,
        state=_state(held, warning),
        paged=merged(held.paged, *(page.person for page in pages)),
        review=clock,
    )
    kind: CaseEventType = "case.warning_ended" if warning.change == "ended" else "case.warning_amended"
    verdict = Verdict.PAGED_AGAIN if pages else Verdict.ENDED if warning.change == "ended" else Verdict.UPDATED
    outcome = Outcome(verdict, case.with_held(after), pages, (Entry(kind, at.now, warning_id=held.id),))
    return _asked_for(outcome, warning, at) if pages else outcome


def _state(held: Held, warning: wire.Warning) -> Literal["standing", "ended"]:
    """An amended episode that had ended and has no end any more goes on."""
    still_over = held.state == "ended" and warning.end is not None
    return "ended" if warning.change == "ended" or still_over else "standing"


def _withdraw(case: Case, held: Held, warning: wire.Warning, at: _At) -> Outcome:
    """Those who were paged are told (the outbox leaves out whom no page has reached). Nothing else standing or ended in
    the case: it closes by itself."""
    now, step = at.now, f"withdrawn:{warning.id}:{warning.revision}"
    owner = at.directory.responsible(case.customer_id).owner
    drawn_in = {person for one in case.asked for person in one.people}
    roles: dict[str, Role] = {
        person: "owner" if person == owner else "department" if person in drawn_in else "superior"
        for person in held.paged
    }
    pages = tuple(Page(step, "withdrawn", person, role, warning.id, warning.revision) for person, role in roles.items())
    note = _merged(warning)
    events = [Entry("case.warning_withdrawn", now, warning_id=warning.id, note=note)]
    case = case.with_held(replace(held, revision=warning.revision, state="withdrawn"))
    advice = case.todo(warning.id)
    if advice is not None and advice.status == "open":
        case = case.with_todo(replace(advice, status="withdrawn"))
    if case.status == "closed" or any(other.state != "withdrawn" for other in case.warnings):
        if case.status == "open":
            # The clock of its review may have kept the case from coming back; the others have their days from now on.
            case = replace(case, idle_at=at.house.clocks.idle_at(now))
        outcome = Outcome(Verdict.WITHDRAWN, case, pages, tuple(events))
        return team.ask_again(outcome, warning.id, now, at.directory, at.house)
    events.append(Entry("case.closed", now, decision="withdrawn", note=_NOTHING_LEFT))
    return Outcome(Verdict.WITHDRAWN_AND_CLOSED, closed(case, "withdrawn", now), pages, tuple(events))


def closed(case: Case, decision: Decision, now: datetime) -> Case:
    """The case as it is over, and what was to be done about it."""
    stage = moved(case.stage, "close")
    return lists.ended(replace(case, status="closed", stage=stage, closed_at=now, decision=decision, idle_at=None))


CUSTOMER_MERGED = "客户已并入 / the customer was merged into: "
"""What the note of a withdrawal begins with whose customer turned out to be another."""


def _merged(warning: wire.Warning) -> str | None:
    if warning.customer_merged_into:
        return CUSTOMER_MERGED + warning.customer_merged_into
    return f"已并入 / merged into: {warning.merged_into}" if warning.merged_into else None


_NOTHING_LEFT = "所有预警都已撤回。 / Every warning of the case has been withdrawn."


def _on_task(warning: wire.Warning, at: _At, known_revision: int) -> Outcome:
    """A task goes to people's lists with a nudge. It has no case; a date by which it is to be done, and reminders."""
    people, clocks = tuple(told_by(at.plan)), at.house.clocks
    if warning.change == "ended" or warning.change == "withdrawn":
        return Outcome(Verdict.TASK_ENDED, task=TaskChange(people, warning.change, warning.department))
    if warning.historical:
        return Outcome(Verdict.FILED_HISTORICAL)
    # A ticket is opened once: that more is known of it is no reason to call a whole department again.
    worse = warning.pages_again and warning.department is None
    calls = known_revision == 0 or warning.change == "raised" or worse
    pages = pages_about(warning, "nudge", at.plan, at.now, at.directory) if calls else ()
    due = clocks.act_by(at.now, warning.severity, warning.act_within_days)
    # Whose it is has to be told so: with a revision that calls nobody it stays whose it was, until it is handed over.
    mine = calls and owner_among(at.plan, warning.customer_id, at.directory) is not None
    owner = at.directory.responsible(warning.customer_id).owner if mine else None
    task = TaskChange(people, "open", warning.department, due, clocks.first_reminder(due), owner)
    return Outcome(Verdict.TASK_SET, pages=pages, task=task)


def on_task_due(task: ListedTask, now: datetime, directory: Directory, house: House = HOUSE) -> Outcome:
    """Reminds of a task in people's lists; `task.remind_at` is then the next time."""
    reminder = lists.remind(task.people, task.reminders, None, now, directory, house)
    step = f"{lists.reminder_of(task.id)}{task.due.isoformat()}:{task.reminders + 1}"
    pages = tuple(Page(step, "reminder", who, role, task.id, task.revision) for who, role in reminder.people)
    return Outcome(Verdict.REMINDED, pages=pages, remind_at=reminder.next_at)


def _pages(warning: wire.Warning, kind: PageKind, case: Case, at: _At, clock: ReviewClock | None) -> tuple[Page, ...]:
    return pages_about(warning, kind, at.plan, at.now, at.directory, case=case, clock=clock)


def case_id_of(warning: wire.Warning) -> str:
    """The same for the same warning and revision: a step done twice opens the same case."""
    return str(uuid.uuid5(_CASES, f"{warning.customer_id}/{warning.id}/{warning.revision}"))
