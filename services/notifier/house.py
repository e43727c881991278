"""PURE: how the house handles its cases: by which clocks, and who is told of what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from services.notifier.case import Case, Held
from services.notifier.clocks import Clocks
from services.notifier.people import Directory
from services.notifier.routing import Matter, Plan, Routes, Target


@dataclass(frozen=True)
class House:
    """What an installation sets of the clocks, and its tree of routes."""

    clocks: Clocks = field(default_factory=Clocks)
    routes: Routes = field(default_factory=Routes)

    def plan(self, about: Matter, case: Case | None, at: datetime, directory: Directory) -> Plan:
        """Who is told and who is asked in turn, as people have delegated within the case and as they are there."""
        plan = self.routes.plan(about, directory, at)
        if case is None or not case.delegations:
            return replace(plan, ladder=_without_owner(plan.ladder, case, about.customer, at, directory))
        ladder = tuple(dict.fromkeys(acting(case, person, at, directory) for person in plan.ladder))
        usable = _without_owner(ladder, case, about.customer, at, directory)
        targets: dict[str, Target] = {}
        for target in plan.targets:
            # A superior who delegated to who acts for the owner would leave one person told instead of two.
            asked = target.role == "superior" and target.person == plan.ladder[0]
            # Who delegated the case and is away: the one they named for it goes before who stands in for all they do.
            usual = target.instead_of or target.person
            person = usable[0] if asked else acting(case, usual, at, directory)
            absent = usual if person != usual else None
            targets.setdefault(person, replace(target, person=person, instead_of=absent))
        team = tuple(_acted_for(target, case, at, directory) for target in plan.team)
        return replace(plan, targets=tuple(targets.values()), ladder=usable, team=team)


def _acted_for(target: Target, case: Case, at: datetime, directory: Directory) -> Target:
    usual = target.instead_of or target.person
    person = acting(case, usual, at, directory)
    return replace(target, person=person, instead_of=usual if person != usual else None)


def acting(case: Case | None, person: str, at: datetime, directory: Directory) -> str:
    """Who acts for somebody in a case: to whom they delegated it, and for who is away the one who stands in."""
    delegated = {one.by: one.to for one in case.delegations if at < one.until} if case else {}
    seen = {person}
    while (following := delegated.get(person)) is not None and following not in seen:
        seen.add(following)
        person = following
    return directory.stand_in(person, at)


def matter_of_held(held: Held, customer_id: str, directory: Directory) -> Matter:
    """A warning that a case holds, as routes see it."""
    customer = directory.customers.get(customer_id)
    return Matter(
        rule=held.rule,
        severity=held.severity,
        customer=customer_id,
        category=(customer.category if customer else "") or held.category,
        region=customer.region if customer else "",
        value=customer.value if customer else None,
        department=directory.people[directory.responsible(customer_id).owner].department,
        team=held.clock.departments if held.clock else (),
    )


def _without_owner(
    ladder: tuple[str, ...], case: Case | None, customer_id: str, at: datetime, directory: Directory
) -> tuple[str, ...]:
    """The owner does not review their own case, nor does who acts for the owner: the next one up is asked. Unless
    nobody else is there."""
    owner = directory.responsible(customer_id).owner
    parties = (owner, acting(case, owner, at, directory))
    return tuple(person for person in ladder if person not in parties) or ladder
