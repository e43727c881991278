"""PURE: who would be paged about a warning, when and by what, if nobody did anything: the policy itself, played on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from schemas import warnings as wire
from schemas.warnings import Bilingual, Evidence, Review
from services.notifier.case import Case, Page
from services.notifier.clocks import held_back
from services.notifier.house import House
from services.notifier.people import DEPARTMENTS, Customer, Directory
from services.notifier.policy import on_tick, on_warning
from services.notifier.routing import Plan, Target, matter_of
from services.notifier.routing_lint import Means, reachable

MAX_STEPS = 60
"""A ladder of twenty with two nudges each."""

REVIEWED = ("R1", "R1b", "R2", "R3")
"""Shipped rules that demand a review, with two of the DEPARTMENTS; --review says otherwise."""

REVIEW_HOURS = 24


@dataclass(frozen=True)
class Step:
    """One page: at `at` it is made; `held_until` is the end of the reader's quiet hours, where it waits for them.
    `channels` are those by which it goes beside the inbox, all at once, or with `in_turn` each when the one before it
    fails; `why` says in words what made it."""

    at: datetime
    page: Page
    channels: tuple[str, ...]
    why: str
    in_turn: bool = False
    held_until: datetime | None = None


@dataclass(frozen=True)
class Preview:
    """The plan, and the pages in their order up to `until`."""

    plan: Plan
    steps: tuple[Step, ...]
    until: datetime


def preview(
    warning: wire.Warning,
    directory: Directory,
    house: House,
    at: datetime,
    channels: Means | None = None,
    days: int = 14,
) -> Preview:
    """What happens to a new warning by itself from `at` on. Channels are those set up; None: all are taken for so."""
    until = at + timedelta(days=days)
    plan = house.plan(matter_of(warning, directory), None, at, directory)
    steps: list[Step] = []
    for now, page in _played(warning, directory, house, at, until):
        (held,) = held_back([page], house.clocks, directory, now)
        wanted = reachable(page.person, page.channels, directory, channels) if page.channels else ()
        by = wanted or reachable(page.person, (), directory, channels)
        why = _why(page, plan, directory, warning.customer_id)
        steps.append(Step(now, page, by, why, bool(wanted), held.not_before))
    return Preview(plan, tuple(steps), until)


def _played(
    warning: wire.Warning, directory: Directory, house: House, at: datetime, until: datetime
) -> Iterator[tuple[datetime, Page]]:
    outcome = on_warning(None, warning, at, directory, 0, house)
    yield from ((at, page) for page in outcome.pages)
    case: Case | None = outcome.case
    for _ in range(MAX_STEPS):
        next_at = min((deadline.next_at for deadline in case.deadlines), default=None) if case else None
        if case is None or next_at is None or next_at > until:
            return
        outcome = on_tick(case, next_at, directory, house)
        yield from ((next_at, page) for page in outcome.pages)
        case = outcome.case


def _why(page: Page, plan: Plan, directory: Directory, customer: str) -> str:
    """What the person has to do with it, in words."""
    if page.kind in ("raised", "nudge"):
        target = next((one for one in plan.targets if one.person == page.person), None)
        if target is not None:
            drawn_in = "".join(f", asked for {one.department}" for one in plan.team if one.person == page.person)
            return _named(target) + drawn_in
    if page.kind in ("join", "join_due"):
        asked = [one for one in plan.team if one.person == page.person]
        return ", ".join(f"asked for {one.department}{_absent(one)}" for one in asked) or "asked for a department"
    if page.kind in ("breached", "due_soon") and page.person in plan.ladder:
        return f"number {plan.ladder.index(page.person) + 1} of {len(plan.ladder)} who are asked in turn"
    if page.person == directory.responsible(customer).owner:
        return "is the owner"
    return f"{page.role}, as the line stands at that time"


def _named(target: Target) -> str:
    return f"told as {target.why}{_absent(target)}"


def _absent(target: Target) -> str:
    return f", for {target.instead_of}, who is away" if target.instead_of else ""


@dataclass(frozen=True)
class Supposed:
    """A warning that is not there, by what routes look at. `review_h` None: as the design has it for the rule."""

    rule: str
    severity: wire.Severity
    customer: str
    department: str | None = None
    output: wire.Output = "warning"
    review_h: int | None = None


def suppose(what: Supposed, at: datetime) -> wire.Warning:
    """The warning, raised at `at`."""
    hours = what.review_h if what.review_h is not None else REVIEW_HOURS if what.rule in REVIEWED else 0
    review, team = None, list(DEPARTMENTS) if what.rule in REVIEWED else []
    if hours:
        review = Review(within_hours=hours, due=at + timedelta(hours=hours), departments=team, quorum=min(2, len(team)))
    text = Bilingual(zh="试运行", en="a trial")
    return wire.Warning(
        id="trial",
        revision=1,
        change="raised",
        output=what.output,
        rule=what.rule,
        name=text,
        customer_id=what.customer,
        kind="point",
        severity=what.severity,
        start=at,
        detected_at=at,
        first_detected_at=at,
        evidence=Evidence(events=[], events_total=0, compared=[], summary=text),
        advice=text,
        clause=text,
        clause_source="trial",
        department=what.department,
        review=review,
    )


def with_customer(
    directory: Directory, customer: str, *, category: str | None, region: str | None, value: Decimal | None
) -> Directory:
    """The directory as if the customer were in that class or region, or worth that much."""
    known = directory.customers.get(customer, Customer(customer, customer))
    supposed = replace(
        known,
        category=known.category if category is None else category,
        region=known.region if region is None else region,
        value=known.value if value is None else value,
    )
    return replace(directory, customers={**directory.customers, customer: supposed})
