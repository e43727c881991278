"""PURE: the clock of a review: who is asked, who is asked next, who may answer. Time and directory are arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas import warnings as wire
from services.notifier.calling import role_of
from services.notifier.case import Case, Entry, Held, Outcome, Page, ReviewClock, Role, Verdict
from services.notifier.house import House, matter_of_held
from services.notifier.people import Directory
from services.notifier.routing import Plan


def start(
    warning: wire.Warning, plan: Plan, now: datetime, house: House, since: datetime | None = None
) -> ReviewClock | None:
    """The review of this warning alone, asked of the first of the plan; a later warning of the case starts its own. It
    counts from the finding of the warning, or from `since`: what is worse now, or back, was not there to be reviewed
    then."""
    review = warning.review
    if review is None:
        return None
    clocks, within = house.clocks, timedelta(hours=review.within_hours)
    hours: wire.Hours = "working" if "working" in (review.hours, plan.clock) else "wall"
    if since is None and hours == "wall":
        due = review.due
    else:
        due = clocks.later(since or warning.first_detected_at, within, hours)
    # A deadline that was over before anybody could be told of it is nobody's failure: the time counts from now. Else
    # whatever was found while the notifier was away, or on the events' own clock, would escalate as it comes in.
    if now >= due:
        due = clocks.later(now, within, hours)
    return ReviewClock(
        within_hours=review.within_hours,
        departments=tuple(review.departments),
        quorum=review.quorum,
        due=due,
        holder=plan.ladder[0],
        asked=plan.ladder[:1],
        hours=hours,
        nudges=clocks.nudges(now, due, hours),
    )


def reviewers(case: Case, directory: Directory, at: datetime | None = None) -> tuple[str, ...]:
    """Whose review counts: everybody above the owner, whoever was asked, and who acts for one of them `at` an instant.
    Who owns the customer by now is not among them, as long as there is anybody else; but whoever a clock waits for, or
    who has opened the review, is: an owner for want of others, while somebody who was asked before is still known. Who
    stands in for an owner whom nobody has named owns nothing."""
    asked = [person for clock in case.clocks for person in clock.asked]
    line = directory.responsible(case.customer_id)
    found = [*(line.superiors or directory.ladder(case.customer_id)), *asked]
    if at is not None:
        found += [directory.stand_in(person, at) for person in found]
        found += [one.to for one in case.delegations if one.by in found and at < one.until]
    called = {clock.holder for clock in case.running} | {clock.opened_by for clock in case.clocks}
    others = tuple(
        dict.fromkeys(person for person in found if not line.assigned or person != line.owner or person in called)
    )
    return others or directory.ladder(case.customer_id)


@dataclass(frozen=True)
class _Running:
    """A clock that runs, with what its next step depends on."""

    case: Case
    held: Held
    clock: ReviewClock
    plan: Plan
    now: datetime

    @property
    def following(self) -> str:
        """The first of those above who has not been asked; beyond the last one that one again."""
        left = (person for person in self.plan.ladder if person not in self.clock.asked)
        return next(left, self.plan.ladder[-1])

    def outcome(self, verdict: Verdict, after: ReviewClock, page: Page, entry: Entry) -> Outcome:
        held = replace(self.held, review=after, paged=merged(self.held.paged, after.holder))
        return Outcome(verdict, self.case.with_held(held), (page,), (entry,))

    def page(self, step: str, kind: Literal["breached", "due_soon"], after: ReviewClock, role: Role) -> Page:
        # A deadline that was missed wakes people up; that one comes near only does where the matter itself would.
        critical = kind == "breached" or self.plan.critical
        about = self.held.id, self.held.revision, after.due, critical
        return Page(step, kind, after.holder, role, *about, channels=self.plan.channels_of(after.holder))

    @property
    def name(self) -> str:
        return f"{self.held.id}:{self.held.revision}:{self.clock.breaches}"


def hand_over(case: Case, held: Held, now: datetime, directory: Directory, house: House) -> Outcome:
    """Hands a review over where its holder is not among those who are asked any more; before its clock does by itself,
    when something has just changed."""
    clock = held.clock
    if clock is None or not clock.running or now >= clock.due:
        return Outcome(Verdict.NOT_DUE)
    plan = house.plan(matter_of_held(held, case.customer_id, directory), case, now, directory)
    return (
        Outcome(Verdict.NOT_DUE) if clock.holder in plan.ladder else _hand_over(_Running(case, held, clock, plan, now))
    )


def step(case: Case, held: Held, now: datetime, directory: Directory, house: House) -> Outcome:
    """What a review's clock does now: it is breached, handed over to somebody else, or reminds its holder."""
    clock = held.clock
    if clock is None or not clock.running or case.status != "open":
        return Outcome(Verdict.NOT_DUE)
    plan = house.plan(matter_of_held(held, case.customer_id, directory), case, now, directory)
    running = _Running(case, held, clock, plan, now)
    if now >= clock.due:
        return _breach(running, house)
    if clock.holder not in plan.ladder:
        return _hand_over(running)
    return _nudge(running, directory)


def _breach(running: _Running, house: House) -> Outcome:
    """The next one up is asked, with the whole time from now on."""
    clock, now = running.clock, running.now
    holder, due = running.following, house.clocks.later(now, timedelta(hours=clock.within_hours), clock.hours)
    after = replace(
        clock,
        holder=holder,
        due=due,
        breaches=clock.breaches + 1,
        asked=merged(clock.asked, holder),
        nudges=house.clocks.nudges(now, due, clock.hours),
        nudged=0,
    )
    page = running.page(
        f"breached:{running.held.id}:{running.held.revision}:{after.breaches}", "breached", after, "escalation"
    )
    missed = f"期限 / due: {clock.due.isoformat()}"
    entry = Entry("review.breached", now, warning_id=running.held.id, person=clock.holder, note=missed)
    return running.outcome(Verdict.BREACHED, after, page, entry)


def _hand_over(running: _Running) -> Outcome:
    """Whoever was asked is away, has left, owns the customer by now, or is not above its owner any more. The deadline
    stays: a reorganisation gives nobody more time."""
    clock, holder = running.clock, running.following
    over = sum(nudge <= running.now for nudge in clock.nudges)
    after = replace(clock, holder=holder, asked=merged(clock.asked, holder), nudged=over)
    # By the instant: it may come to the same person again, who had it before, and that is another page.
    step = f"handed_over:{running.name}:{running.now.isoformat()}"
    page = running.page(step, "due_soon", after, "escalation")
    entry = Entry("review.handed_over", running.now, warning_id=running.held.id, person=holder)
    return running.outcome(Verdict.HANDED_OVER, after, page, entry)


def _nudge(running: _Running, directory: Directory) -> Outcome:
    """However many nudges have passed while nobody looked, the holder is reminded once."""
    clock = running.clock
    over = sum(nudge <= running.now for nudge in clock.nudges)
    if over <= clock.nudged:
        return Outcome(Verdict.NOT_DUE)
    role = role_of(clock, running.case.customer_id, directory)
    after = replace(clock, nudged=over)
    page = running.page(f"due_soon:{running.name}:{over}", "due_soon", after, role)
    entry = Entry("review.nudged", running.now, warning_id=running.held.id, person=clock.holder)
    return running.outcome(Verdict.NUDGED, after, page, entry)


def merged(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """Each once, in the order in which they came."""
    return tuple(dict.fromkeys((*people, *more)))
