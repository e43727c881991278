"""PURE: the clock of a review: who is asked, who is asked next, and who may answer. Time and directory are arguments."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from schemas import warnings as wire
from services.notifier.case import Case, Entry, Held, Outcome, Page, ReviewClock, Verdict
from services.notifier.clocks import Clocks
from services.notifier.people import Directory


def start(
    case: Case | None, warning: wire.Warning, now: datetime, directory: Directory, clocks: Clocks
) -> ReviewClock | None:
    """The review of this warning alone, asked of the superior; a later warning of the case starts its own."""
    review = warning.review
    if review is None:
        return None
    first = rungs(case, warning.customer_id, now, directory)[0]
    due = review.due
    if review.hours == "working":
        due = clocks.later(warning.first_detected_at, review.within_hours, review.hours)
    # A deadline that was over before anybody could be told of it is nobody's failure: the time counts from now. Else
    # whatever was found while the notifier was away, or on the events' own clock, would escalate as it comes in.
    if now >= due:
        due = clocks.later(now, review.within_hours, review.hours)
    return ReviewClock(
        within_hours=review.within_hours,
        departments=tuple(review.departments),
        quorum=review.quorum,
        due=due,
        holder=first,
        asked=(first,),
        hours=review.hours,
        nudges=clocks.nudges(now, due, review.hours),
    )


def acting(case: Case | None, person: str, at: datetime, directory: Directory) -> str:
    """Who acts for somebody in a case: to whom they delegated it, and for who is away the one who stands in."""
    delegated = {one.by: one.to for one in case.delegations if at < one.until} if case else {}
    seen = {person}
    while (following := delegated.get(person)) is not None and following not in seen:
        seen.add(following)
        person = following
    return directory.stand_in(person, at)


def rungs(case: Case | None, customer_id: str, at: datetime, directory: Directory) -> tuple[str, ...]:
    """Who is asked for a review in turn, as people are there and have delegated. Never the owner, nor who acts for the
    owner, unless nobody else is there: then the next one up is asked."""
    ladder = directory.ladder(customer_id, at)
    owner = directory.responsible(customer_id).owner
    found = dict.fromkeys(acting(case, person, at, directory) for person in ladder)
    return tuple(person for person in found if person not in (owner, acting(case, owner, at, directory))) or ladder


def reviewers(case: Case, directory: Directory, at: datetime | None = None) -> tuple[str, ...]:
    """Whose review counts: everybody above the owner, whoever was asked, and who acts for one of them `at` an instant.
    Who owns the customer by now is not among them, as long as there is anybody else."""
    asked = [person for clock in case.clocks for person in clock.asked]
    line = directory.responsible(case.customer_id)
    found = [*(line.superiors or directory.ladder(case.customer_id)), *asked]
    if at is not None:
        found += [*rungs(case, case.customer_id, at, directory), *_deputies(case, found, at)]
    others = tuple(dict.fromkeys(person for person in found if person != line.owner))
    return others or directory.ladder(case.customer_id)


def _deputies(case: Case, people: list[str], at: datetime) -> list[str]:
    return [one.to for one in case.delegations if one.by in people and at < one.until]


def step(case: Case, held: Held, now: datetime, directory: Directory, clocks: Clocks) -> Outcome:
    """What a review's clock does now: it is breached, handed over to somebody else, or reminds its holder."""
    clock = held.clock
    if clock is None or not clock.running or case.status != "open":
        return Outcome(Verdict.NOT_DUE)
    if now >= clock.due:
        return _breach(case, held, clock, now, directory, clocks)
    if clock.holder not in rungs(case, case.customer_id, now, directory):
        return _hand_over(case, held, clock, now, directory)
    over = sum(nudge <= now for nudge in clock.nudges)
    if over <= clock.nudged:
        return Outcome(Verdict.NOT_DUE)
    after = replace(clock, nudged=over)
    name = f"due_soon:{held.id}:{held.revision}:{clock.breaches}:{over}"
    page = _page(name, "due_soon", held, after)
    entry = Entry("review.nudged", now, warning_id=held.id, person=clock.holder)
    return Outcome(Verdict.NUDGED, case.with_held(_heard(held, after)), (page,), (entry,))


def _breach(
    case: Case, held: Held, clock: ReviewClock, now: datetime, directory: Directory, clocks: Clocks
) -> Outcome:
    """The next rung is asked, with the whole time from now on; beyond the last rung the last one is asked again."""
    holder = _next(case, clock, now, directory)
    due = clocks.later(now, clock.within_hours, clock.hours)
    after = replace(
        clock,
        holder=holder,
        due=due,
        breaches=clock.breaches + 1,
        asked=merged(clock.asked, holder),
        nudges=clocks.nudges(now, due, clock.hours),
        nudged=0,
    )
    page = _page(f"breached:{held.id}:{held.revision}:{after.breaches}", "breached", held, after)
    missed = f"期限 / due: {clock.due.isoformat()}"
    entry = Entry("review.breached", now, warning_id=held.id, person=clock.holder, note=missed)
    return Outcome(Verdict.BREACHED, case.with_held(_heard(held, after)), (page,), (entry,))


def _hand_over(case: Case, held: Held, clock: ReviewClock, now: datetime, directory: Directory) -> Outcome:
    """Whoever was asked is away, has left, owns the customer by now, or is not above its owner any more. The deadline
    stays: a reorganisation gives nobody more time."""
    holder = _next(case, clock, now, directory)
    after = replace(
        clock, holder=holder, asked=merged(clock.asked, holder), nudged=sum(nudge <= now for nudge in clock.nudges)
    )
    page = _page(f"handed_over:{held.id}:{held.revision}:{clock.breaches}:{len(after.asked)}", "due_soon", held, after)
    entry = Entry("review.handed_over", now, warning_id=held.id, person=holder)
    return Outcome(Verdict.NUDGED, case.with_held(_heard(held, after)), (page,), (entry,))


def _next(case: Case, clock: ReviewClock, now: datetime, directory: Directory) -> str:
    ladder = rungs(case, case.customer_id, now, directory)
    return next((person for person in ladder if person not in clock.asked), ladder[-1])


def _heard(held: Held, clock: ReviewClock) -> Held:
    return replace(held, review=clock, paged=merged(held.paged, clock.holder))


def _page(name: str, kind: Literal["breached", "due_soon"], held: Held, clock: ReviewClock) -> Page:
    # A deadline that was missed wakes people up; that one comes near only does where the matter itself would.
    critical = kind == "breached" or held.severity == "critical"
    return Page(name, kind, clock.holder, "escalation", held.id, held.revision, clock.due, critical)


def merged(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """Each once, in the order in which they came."""
    return tuple(dict.fromkeys((*people, *more)))
