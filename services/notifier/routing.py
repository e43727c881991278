"""PURE: who is told of a matter, by which channels and by which clock. routing_file.py reads the tree from YAML.

Without a tree the plan is what the rules ask for: the owner and the next one up, or a ticket's department; and for the
departments that a review demands, who leads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal

from schemas import warnings as wire
from services.notifier.case import Role
from services.notifier.people import Directory

Clock = Literal["wall", "working"]
"""Whether a deadline runs by the wall, or only in working hours."""

TEAM = "team"
"""The word of `tell` for those who lead the departments of the review."""


@dataclass(frozen=True)
class Matter:
    """What a plan is made for. `category` is the customer's class, `value` what the customer is worth in a year;
    `department` whose ticket it is, or else the owner's department; `team` are the departments of its review."""

    rule: str
    severity: wire.Severity
    customer: str
    category: str = ""
    region: str = ""
    value: Decimal | None = None
    department: str = ""
    audience: tuple[str, ...] = ("owner", "superior")
    ticket: str | None = None
    team: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """Somebody who is told. `channels` in the order in which they are wanted; empty: all that the person has.
    `instead_of` is whom they stand in for, `why` the recipient of the tree that named them, `department` the one for
    which they are asked to join."""

    person: str
    role: Role
    channels: tuple[str, ...] = ()
    instead_of: str | None = None
    why: str = ""
    department: str = ""


@dataclass(frozen=True)
class Plan:
    """Who is told at the first step, and who is asked in turn when nobody reviews (`ladder`: never empty). `routes`
    are the names of the routes that made it, from the root down; `critical` pages wait for no quiet hours to end.
    `team` are those who are asked for the departments of the review: one person perhaps for several of them."""

    targets: tuple[Target, ...]
    ladder: tuple[str, ...]
    critical: bool = False
    clock: Clock = "wall"
    routes: tuple[tuple[str, ...], ...] = ()
    team: tuple[Target, ...] = ()

    def channels_of(self, person: str) -> tuple[str, ...]:
        """The channels wanted for somebody who is told; empty for all that they have, and for anybody else."""
        return next((one.channels for one in (*self.targets, *self.team) if one.person == person), ())


@dataclass(frozen=True)
class When:
    """What a route takes; what is empty or None takes all. `rules` are patterns such as R28*; a customer whose value
    is not known is taken by no route that asks for one."""

    rules: tuple[str, ...] = ()
    severities: tuple[wire.Severity, ...] = ()
    categories: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    least: Decimal | None = None
    below: Decimal | None = None

    def takes(self, about: Matter) -> bool:
        """Whether the route is for that matter."""
        named = (
            (self.severities, about.severity),
            (self.categories, about.category),
            (self.regions, about.region),
            (self.departments, about.department),
        )
        if any(wanted and found not in wanted for wanted, found in named):
            return False
        if self.rules and not any(fnmatchcase(about.rule, pattern) for pattern in self.rules):
            return False
        if self.least is None and self.below is None:
            return True
        enough = about.value is not None and (self.least is None or about.value >= self.least)
        return enough and (self.below is None or (about.value is not None and about.value < self.below))


@dataclass(frozen=True)
class Route:
    """A node of the tree. What is None is as in the route above, at the root as without a file. `tell` and `escalate`
    hold words (see WORDS), `critical_from` is the severity from which on pages wait for no quiet hours to end;
    `goes_on` lets the routes beside it take the matter too."""

    name: str
    when: When = field(default_factory=When)
    tell: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    clock: Clock | None = None
    critical_from: wire.Severity | None = None
    escalate: tuple[str, ...] | None = None
    goes_on: bool = False
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class Routes:
    """The tree, ready to be asked. Routes() is what there is without a file."""

    root: Route | None = None

    def plan(self, about: Matter, directory: Directory, at: datetime) -> Plan:
        """Whom to page about the matter at an instant. Names somebody always, and nobody twice."""
        plain = default_plan(about, directory, at)
        if self.root is None:
            return plain
        plans = [_plan_of(path, about, directory, at, plain) for path in self.paths(about)]
        return _joined(plans) if plans else plain

    def paths(self, about: Matter) -> list[tuple[Route, ...]]:
        """The routes that take the matter, each with those above it, from the root down. Where no branch of a route
        takes it the route itself does; after a branch that does, the next are asked only if it goes on."""
        return _paths(self.root, about, ()) if self.root is not None else []


def _paths(route: Route, about: Matter, above: tuple[Route, ...]) -> list[tuple[Route, ...]]:
    if not route.when.takes(about):
        return []
    path = (*above, route)
    found: list[tuple[Route, ...]] = []
    for branch in route.routes:
        taken = _paths(branch, about, path)
        found += taken
        if taken and not branch.goes_on:
            break
    return found or [path]


def _plan_of(path: tuple[Route, ...], about: Matter, directory: Directory, at: datetime, plain: Plan) -> Plan:
    """One branch's plan: each setting is that of the lowest route that has it."""
    tell = next((route.tell for route in reversed(path) if route.tell is not None), None)
    channels = next((route.channels for route in reversed(path) if route.channels is not None), ())
    clock = next((route.clock for route in reversed(path) if route.clock is not None), plain.clock)
    severe = next((route.critical_from for route in reversed(path) if route.critical_from is not None), None)
    above = next((route.escalate for route in reversed(path) if route.escalate is not None), None)
    critical = plain.critical if severe is None else _rank(about.severity) >= _rank(severe)
    targets = plain.targets if tell is None else tuple(recipients(tell, about, directory, at))
    targets = tuple(replace(target, channels=channels) for target in targets or plain.targets)
    ladder = plain.ladder if above is None else _ladder(above, about, directory, at, plain)
    team = tuple(replace(one, channels=channels) for one in plain.team if tell is None or TEAM in tell)
    return Plan(targets, ladder, critical, clock, (tuple(route.name for route in path),), team)


def _ladder(above: tuple[str, ...], about: Matter, directory: Directory, at: datetime, plain: Plan) -> tuple[str, ...]:
    """Those named, then the fallback; the owner does not review, unless nobody else is there."""
    line = directory.responsible(about.customer)
    parties = (line.owner, directory.stand_in(line.owner, at))
    named = [target.person for target in recipients((*above, "fallback"), about, directory, at)]
    return tuple(person for person in named if person not in parties) or plain.ladder


def _joined(plans: list[Plan]) -> Plan:
    """Several branches together: each person once, by the channels of all; whoever demands more has it."""
    return Plan(
        targets=_each_once(target for plan in plans for target in plan.targets),
        ladder=tuple(dict.fromkeys(person for plan in plans for person in plan.ladder)),
        critical=any(plan.critical for plan in plans),
        clock="wall" if any(plan.clock == "wall" for plan in plans) else "working",
        routes=tuple(name for plan in plans for name in plan.routes),
        team=_each_once(target for plan in plans for target in plan.team),
    )


def _each_once(told: Iterable[Target]) -> tuple[Target, ...]:
    targets: dict[tuple[str, str], Target] = {}
    for target in told:
        key = target.person, target.department
        known = targets.get(key)
        if known is None:
            targets[key] = target
        elif known.channels and target.channels:
            channels = tuple(dict.fromkeys((*known.channels, *target.channels)))
            targets[key] = replace(known, channels=channels)
        else:
            # One of them wants all that the person has.
            targets[key] = replace(known, channels=())
    return tuple(targets.values())


def recipients(tell: tuple[str, ...], about: Matter, directory: Directory, at: datetime) -> list[Target]:
    """Who is meant by the words of a route, each once, by whoever stands in for them at the instant. Who is named and
    not known is left out; the check of routes tells of it."""
    found: dict[str, Target] = {}
    for word in tell:
        for person, role in _meant(word, about, directory):
            acting = directory.stand_in(person, at)
            absent = person if acting != person else None
            found.setdefault(acting, Target(acting, role, instead_of=absent, why=word))
    return list(found.values())


def _meant(word: str, about: Matter, directory: Directory) -> list[tuple[str, Role]]:
    """The people behind one word, before anybody stands in."""
    kind, _, name = word.partition(":")
    if kind == TEAM:
        # They are asked for something else, and so are in a list of their own.
        return []
    if kind in ("owner", "superior", "top", "fallback"):
        return [_in_line(kind, about, directory)]
    if kind == "audience":
        return [_in_line(part, about, directory) for part in about.audience]
    if kind == "person":
        named: tuple[str | None, ...] = (name,)
    elif kind == "head":
        named = (directory.head_of(name),)
    else:
        named = directory.people_of(name if kind == "department" else about.ticket or "")
    return [(person, "department") for person in named if person is not None and person in directory.people]


def _in_line(word: str, about: Matter, directory: Directory) -> tuple[str, Role]:
    """Somebody of the line that answers for the customer."""
    line, ladder = directory.responsible(about.customer), directory.ladder(about.customer)
    meant: dict[str, tuple[str, Role]] = {
        "owner": (line.owner, "owner" if line.assigned else "fallback"),
        "superior": (ladder[0], "superior"),
        "top": (line.superiors[-1] if line.superiors else ladder[-1], "superior"),
        "fallback": (directory.fallback, "fallback"),
    }
    return meant[word]


WORDS = ("audience", "owner", "superior", "top", "fallback", "ticket", TEAM)
"""Who may be told, beside person:ID, head:DEPARTMENT and department:DEPARTMENT. `audience` is whom the rule names, and
`ticket` the people of the department whose ticket it is."""


def team_of(departments: Iterable[str], directory: Directory, at: datetime) -> tuple[Target, ...]:
    """Who is asked for each of the departments, by whoever stands in for them at the instant."""
    found: dict[tuple[str, str], Target] = {}
    for department in departments:
        for person in directory.leads_of(department):
            acting = directory.stand_in(person, at)
            absent = person if acting != person else None
            target = Target(acting, "department", instead_of=absent, why=TEAM, department=department)
            found.setdefault((acting, department), target)
    return tuple(found.values())


def _rank(severity: wire.Severity) -> int:
    return wire.SEVERITIES.index(severity)


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
        team=tuple(warning.review.departments) if warning.review else (),
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
    return Plan(tuple(targets), ladder, critical, team=team_of(about.team, directory, at))


def _category_in(warning: wire.Warning) -> str:
    """The class that the rule itself looked at, where it did."""
    return next((leaf.value for leaf in warning.evidence.compared if leaf.fact == "class" and leaf.held), "")
