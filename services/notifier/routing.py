"""PURE: who is told of a matter, by which channels and by which clock. routes_file.py reads the tree from YAML.

Without a tree the plan is what the rules ask for: the owner and the next one up, or a ticket's department.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from schemas import warnings as wire
from services.notifier.case import Role
from services.notifier.people import Directory

Clock = Literal["wall", "working"]
"""Whether a deadline runs by the wall, or only in working hours."""


@dataclass(frozen=True)
class Matter:
    """What a plan is made for. `category` is the customer's class, `value` what the customer is worth in a year;
    `department` whose ticket it is, or else the owner's department."""

    rule: str
    severity: wire.Severity
    customer: str
    category: str = ""
    region: str = ""
    value: Decimal | None = None
    department: str = ""
    audience: tuple[str, ...] = ("owner", "superior")
    ticket: str | None = None


@dataclass(frozen=True)
class Target:
    """Somebody who is told. `channels` in the order in which they are wanted; empty: all that the person has.
    `instead_of` is whom they stand in for, `why` the recipient of the tree that named them."""

    person: str
    role: Role
    channels: tuple[str, ...] = ()
    instead_of: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Plan:
    """Who is told at the first step, and who is asked in turn when nobody reviews (`ladder`: never empty). `routes`
    are the names of the routes that made it, from the root down; `critical` pages wait for no quiet hours to end."""

    targets: tuple[Target, ...]
    ladder: tuple[str, ...]
    critical: bool = False
    clock: Clock = "wall"
    routes: tuple[tuple[str, ...], ...] = ()

    def channels_of(self, person: str) -> tuple[str, ...]:
        """The channels wanted for somebody who is told; empty for all that they have, and for anybody else."""
        return next((target.channels for target in self.targets if target.person == person), ())


@dataclass(frozen=True)
class Routes:
    """The tree, ready to be asked. Routes() is what there is without a file."""

    def plan(self, about: Matter, directory: Directory, at: datetime) -> Plan:
        """Whom to page about the matter at an instant. Names somebody always, and nobody twice."""
        return default_plan(about, directory, at)


def matter_of(warning: wire.Warning, directory: Directory) -> Matter:
    """A warning as routes see it, with what the directory knows of its customer."""
    customer = directory.customers.get(warning.customer_id)
    owner = directory.people[directory.responsible(warning.customer_id).owner]
    return Matter(
        rule=warning.rule,
        severity=warning.severity,
        customer=warning.customer_id,
        category=(customer.category if customer else "") or _category_in(warning),
        region=customer.region if customer else "",
        value=customer.value if customer else None,
        department=warning.department or owner.department,
        audience=tuple(warning.audience) or ("owner",),
        ticket=warning.department,
    )


def default_plan(about: Matter, directory: Directory, at: datetime) -> Plan:
    """What the rules ask for, with stand-ins for who is away: a ticket is told to its department, all else to the
    owner and the next one up, as far as the rule's audience has them."""
    ladder = directory.ladder(about.customer, at)
    critical = about.severity == "critical"
    staff = directory.people_of(about.ticket) if about.ticket else ()
    if staff:
        there = [person for person in staff if not directory.is_away(person, at)] or [directory.stand_in(staff[0], at)]
        targets = [Target(person, "department", why=f"department:{about.ticket}") for person in there]
        return Plan(tuple(targets), ladder, critical)
    line = directory.responsible(about.customer)
    audience = ("owner", "superior") if about.ticket else about.audience
    targets = []
    if "owner" in audience:
        acting = directory.stand_in(line.owner, at)
        absent = line.owner if acting != line.owner else None
        targets.append(Target(acting, "owner" if line.assigned else "fallback", instead_of=absent, why="owner"))
    if "superior" in audience and ladder[0] not in {target.person for target in targets}:
        usual = directory.ladder(about.customer)[0]
        targets.append(Target(ladder[0], "superior", instead_of=usual if usual != ladder[0] else None, why="superior"))
    return Plan(tuple(targets), ladder, critical)


def _category_in(warning: wire.Warning) -> str:
    """The class that the rule itself looked at, where it did."""
    return next((leaf.value for leaf in warning.evidence.compared if leaf.fact == "class" and leaf.held), "")
