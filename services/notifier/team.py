"""PURE: the departments of a review are drawn in: asked to join, once, and reminded once. Time is an argument.

Who is told of the warning anyway has that in one page, which says of the department too (contents.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from services.notifier.calling import remembered
from services.notifier.case import Asked, Case, Entry, Held, Outcome, Page, ReviewClock, Verdict
from services.notifier.house import House, matter_of_held
from services.notifier.people import Directory
from services.notifier.reviews import merged
from services.notifier.routing import Plan, Target


def ask(outcome: Outcome, held: Held, plan: Plan, now: datetime, house: House) -> Outcome:
    """The outcome with pages to the departments of a warning's review that have neither joined the case nor been asked
    since it was opened. For whom nobody can be asked is asked when the next warning calls people."""
    case, clock = outcome.case, held.clock
    assert case is not None, "who is called is called about a case"
    wanted = _wanted(case, held)
    targets = [target for target in plan.team if target.department in wanted]
    if clock is None or not targets:
        return outcome
    due, half = _times(clock, now, house)
    asked = tuple(
        Asked(name, people, held.id, due, half)
        for name in wanted
        if (people := merged((), *(target.person for target in targets if target.department == name)))
    )
    told = {page.person for page in outcome.pages if page.warning_id == held.id}
    step = f"join:{held.id}:{now.isoformat()}"
    pages = pages_to(targets, held, "join", due, step, told, critical=plan.critical)
    entries = tuple(
        Entry("intervention.asked", now, warning_id=held.id, person=person, department=one.department)
        for one in asked
        for person in one.people
    )
    after = replace(case, asked=(*case.asked, *asked))
    more = replace(outcome, case=after, pages=(*outcome.pages, *pages), events=(*outcome.events, *entries))
    return remembered(more)


def ask_again(outcome: Outcome, withdrawn: str, now: datetime, directory: Directory, house: House) -> Outcome:
    """Who was asked because of a warning that is withdrawn need not come for it any more. Another warning of the open
    case may want them still, and then asks by itself."""
    case = outcome.case
    assert case is not None, "it is withdrawn from a case"
    if case.status != "open":
        return outcome
    case = replace(case, asked=tuple(one for one in case.asked if one.warning_id != withdrawn))
    outcome = replace(outcome, case=case)
    for held in case.warnings:
        if _wanted(outcome.case or case, held):
            plan = house.plan(matter_of_held(held, case.customer_id, directory), case, now, directory)
            outcome = ask(outcome, held, plan, now, house)
    return outcome


def _times(clock: ReviewClock, now: datetime, house: House) -> tuple[datetime, datetime | None]:
    """Until when a department is to join that is asked now, and when it is reminded."""
    due = clock.due
    if now >= due:
        # Its review was held long ago: who is asked now has the time that it had.
        due = house.clocks.later(now, timedelta(hours=clock.within_hours), clock.hours)
    return due, next(iter(house.clocks.nudges(now, due, clock.hours)), None)


def _wanted(case: Case, held: Held) -> tuple[str, ...]:
    settled = {*case.departments_joined, *(one.department for one in case.asked)}
    return tuple(name for name in held.clock.departments if name not in settled) if held.clock else ()


def remind(case: Case, now: datetime, directory: Directory, house: House) -> Outcome:
    """Reminds those who lead a department by then, which was asked and has not joined when half of the time is over."""
    pages: list[Page] = []
    before = case
    for one in before.awaited:
        held = case.held(one.warning_id)
        if held is None or one.remind_at is None or now < one.remind_at:
            continue
        plan = house.plan(matter_of_held(held, case.customer_id, directory), case, now, directory)
        targets = _targets(plan, one)
        told = {page.person for page in pages if page.warning_id == held.id}
        step = f"join_due:{held.id}:{now.isoformat()}"
        pages += pages_to(targets, held, "join_due", one.due, step, told, critical=plan.critical)
        case = _with(case, one, replace(_told(one, targets), remind_at=None))
    return Outcome(Verdict.NOT_DUE) if case is before else Outcome(Verdict.REMINDED, case, tuple(pages))


def ask_still(outcome: Outcome, held: Held, plan: Plan, step: str, now: datetime, house: House) -> Outcome:
    """The outcome with what a hold kept back of departments that were asked because of this warning and have not
    joined. Whose time ran out meanwhile has it anew."""
    case = outcome.case
    assert case is not None, "a hold keeps back pages of a case"
    wanted = [one for one in case.asked if one.warning_id == held.id and one.department not in case.departments_joined]
    told = {page.person for page in outcome.pages}
    for one in wanted:
        targets, again = _targets(plan, one), one
        if now >= one.due and held.clock is not None:
            due, half = _times(held.clock, now, house)
            again = replace(one, due=due, remind_at=half)
        pages = pages_to(targets, held, "join", again.due, f"{step}:join", told, critical=plan.critical)
        told.update(page.person for page in pages)
        case = _with(case, one, _told(again, targets))
        outcome = replace(outcome, case=case, pages=(*outcome.pages, *pages))
    return outcome


def _targets(plan: Plan, asked: Asked) -> list[Target]:
    return [target for target in plan.team if target.department == asked.department]


def _told(asked: Asked, targets: Iterable[Target]) -> Asked:
    return replace(asked, people=merged(asked.people, *(target.person for target in targets)))


def _with(case: Case, before: Asked, after: Asked) -> Case:
    return replace(case, asked=tuple(after if other == before else other for other in case.asked))


def pages_to(
    targets: Iterable[Target],
    held: Held,
    kind: Literal["join", "join_due"],
    due: datetime,
    step: str,
    told: Collection[str],
    *,
    critical: bool,
) -> tuple[Page, ...]:
    """One to each person, whoever is `told` left out."""
    people: dict[str, Target] = {}
    for target in targets:
        if target.person not in told:
            people.setdefault(target.person, target)
    about = held.id, held.revision, due, critical
    return tuple(
        Page(step, kind, person, "stand_in" if one.instead_of else one.role, *about, channels=one.channels)
        for person, one in people.items()
    )


def told_once(pages: Sequence[Page]) -> tuple[Page, ...]:
    """Of pages made at one instant: who is told of a warning anyway needs no reminder of the department beside it."""
    told = {(page.person, page.warning_id) for page in pages if page.kind != "join_due"}
    return tuple(page for page in pages if page.kind != "join_due" or (page.person, page.warning_id) not in told)
