"""PURE: whom a warning calls, and by which channels: when it comes, when it is worse, and when a hold lets go of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas import warnings as wire
from services.notifier import lists
from services.notifier.case import Case, Outcome, Page, PageKind, ReviewClock, Role, TaskChange, Verdict
from services.notifier.house import acting
from services.notifier.people import Directory
from services.notifier.routing import Plan, Target


@dataclass(frozen=True)
class Stale:
    """Pages that ask for what was done meanwhile: of these kinds, about these warnings and to these people, or whatever
    and whomever they are about."""

    kinds: tuple[PageKind, ...]
    warnings: tuple[str, ...] | None = None
    people: tuple[str, ...] | None = None


_TO_JOIN: tuple[PageKind, ...] = ("join", "join_due")


def called_off(outcome: Outcome) -> Stale | None:
    """Which pages of the case nobody needs any more if they still wait, for a morning or for company."""
    case = outcome.case
    if case is not None and case.status == "closed":
        return Stale(("due_soon", "idle", "reminder", *_TO_JOIN))
    if case is not None and any(entry.type == "intervention.joined" for entry in outcome.events):
        still = {person for one in case.asked if one.department not in case.departments_joined for person in one.people}
        asked = {person for one in case.asked for person in one.people}
        return Stale(_TO_JOIN, people=tuple(sorted(asked - still)))
    opened = tuple(entry.warning_id for entry in outcome.events if entry.type == "review.opened" and entry.warning_id)
    return Stale(("due_soon",), opened) if opened else None


def pages_about(
    warning: wire.Warning,
    kind: PageKind,
    plan: Plan,
    now: datetime,
    directory: Directory,
    *,
    case: Case | None = None,
    clock: ReviewClock | None = None,
    step: str | None = None,
) -> tuple[Page, ...]:
    """To those of the plan, to who works on the case in the owner's place, and to whoever the review's clock runs for:
    a route may tell others only, and a review may have gone up the line. `step` names another occasion than the
    revision."""
    told = told_by(plan)
    if case is not None and case.assignee is not None:
        told.setdefault(acting(case, lists.worker(case, directory), now, directory), "assignee")
    due = None
    if clock is not None and clock.running:
        due = clock.due
        told.setdefault(clock.holder, role_of(clock, warning.customer_id, directory))
    name = step or f"{kind}:{warning.id}:{warning.revision}"
    about = warning.id, warning.revision, due, plan.critical
    return tuple(
        Page(name, kind, person, role, *about, channels=plan.channels_of(person)) for person, role in told.items()
    )


def remembered(outcome: Outcome) -> Outcome:
    """The outcome with a case that knows whom it told of each warning: they are told too when it is withdrawn."""
    case = outcome.case
    if case is None:
        return outcome
    for page in outcome.pages:
        held = case.held(page.warning_id)
        if held is not None and page.person not in held.paged:
            case = case.with_held(replace(held, paged=(*held.paged, page.person)))
    return replace(outcome, case=case)


def told_by(plan: Plan) -> dict[str, Role]:
    """The plan's people, each with what they have to do with it."""
    return {target.person: "stand_in" if target.instead_of else target.role for target in plan.targets}


def owner_among(plan: Plan, customer_id: str, directory: Directory) -> Target | None:
    """Who is told as the customer's owner, or in the owner's place; None where it is not the owner's matter."""
    line = directory.responsible(customer_id)
    mine: Role = "owner" if line.assigned else "fallback"
    places = (one for one in plan.targets if one.role == mine and line.owner in (one.person, one.instead_of))
    return next(places, None)


def task_to_new_owner(
    warning: wire.Warning, before: Sequence[str], plan: Plan, now: datetime, directory: Directory
) -> Outcome:
    """A task in the lists of those `before` whose customer is somebody else's by now: it is in the lists of those to
    whom it would come today, and who has not had it hears of it; its owner in any case. Its date stays."""
    owner = owner_among(plan, warning.customer_id, directory)
    if owner is None:
        return Outcome(Verdict.NOT_DUE)
    people, step = told_by(plan), f"owner:{warning.id}:{now.isoformat()}"
    pages = tuple(
        Page(step, "assigned", person, role, warning.id, warning.revision, channels=plan.channels_of(person))
        for person, role in people.items()
        if person == owner.person or person not in before
    )
    whose = directory.responsible(warning.customer_id).owner
    return Outcome(
        Verdict.HANDED_OVER, pages=pages, task=TaskChange(tuple(people), "open", warning.department, owner=whose)
    )


def role_of(clock: ReviewClock, customer_id: str, directory: Directory) -> Role:
    """Of who is asked for a review: one above the owner, or somebody to whom it has come in their place."""
    superior = clock.holder in directory.responsible(customer_id).superiors
    return "superior" if superior and not clock.breaches else "escalation"
