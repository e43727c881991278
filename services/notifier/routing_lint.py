"""PURE: what is wrong with a tree of routes, told by the people and customers that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from schemas.warnings import SEVERITIES
from services.notifier.people import DEPARTMENTS, Customer, Directory
from services.notifier.routing import TEAM, Matter, Plan, Route, Routes, When

Level = Literal["error", "warning"]

Means = Mapping[str, str | None]
"""Channels that are set up, by name: which of a person's methods each needs; None for one that reaches everybody."""

INBOX = "inbox"
"""Everybody has one, and nobody is woken by it."""


@dataclass(frozen=True)
class Finding:
    """`route` is the path to the route, `said` a sentence. An error is a page that would reach nobody."""

    level: Level
    route: str
    said: str


def lint(routes: Routes, directory: Directory, at: datetime, channels: Means | None = None) -> list[Finding]:
    """Everything found, errors first. `channels` are those that are set up; where None says that they are not known,
    whoever has a verified address is reached by it."""
    root = routes.root or Route("all")
    found = [*_names(root), *_tree(root, (), directory, channels), *_reach(Routes(root), directory, at, channels)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level != "error")


def _names(root: Route) -> Iterator[Finding]:
    counts = Counter(route.name for path in _every(root, ()) for route in path[-1:])
    for name, count in counts.items():
        if count > 1:
            yield Finding("error", name, f'"{name}" is the name of {count} routes: nobody could tell which one paged')


def _every(route: Route, above: tuple[Route, ...]) -> Iterator[tuple[Route, ...]]:
    """All paths from the root to a route."""
    path = (*above, route)
    yield path
    for branch in route.routes:
        yield from _every(branch, path)


def _tree(route: Route, above: tuple[Route, ...], directory: Directory, channels: Means | None) -> Iterator[Finding]:
    path = (*above, route)
    name = path_name(path)
    yield from (Finding("error", name, said) for said in _unknown_recipients(route, directory))
    yield from (Finding("warning", name, said) for said in _unknown_values(route.when, directory))
    for department in DEPARTMENTS if TEAM in (route.tell or ()) else ():
        if not directory.leads_of(department):
            yield Finding("warning", name, f'"{TEAM}": the directory does not tell who leads {department}')
    for channel in route.channels or ():
        if channels is not None and channel not in channels and channel != INBOX:
            said = f'the channel "{channel}" is not set up here: there are {", ".join(sorted(channels))}'
            yield Finding("error", name, said)
    if _is_empty(path):
        yield Finding("error", name, "nothing can come here: what it takes, the routes above it do not")
    for number, branch in enumerate(route.routes):
        before = next((one for one in route.routes[:number] if not one.goes_on and covers(one.when, branch.when)), None)
        if before is not None:
            said = f'nothing comes here: "{before.name}" before it takes all of it and does not continue'
            yield Finding("error", path_name((*path, branch)), said)
        yield from _tree(branch, path, directory, channels)


def _unknown_recipients(route: Route, directory: Directory) -> Iterator[str]:
    for word in (*(route.tell or ()), *(route.escalate or ())):
        kind, _, name = word.partition(":")
        if kind == "person" and name not in directory.people:
            yield f'"{word}": there is nobody of that id in the directory'
        elif kind == "department" and not directory.people_of(name):
            yield f'"{word}": nobody works in that department'
        elif kind == "head" and directory.head_of(name) is None:
            yield f'"{word}": the directory names no head of that department'


def _unknown_values(when: When, directory: Directory) -> Iterator[str]:
    customers = directory.customers.values()
    for word, wanted, known in (
        ("region", when.regions, {customer.region for customer in customers}),
        ("class", when.categories, {customer.category for customer in customers} - {""}),
        ("department", when.departments, set(directory.departments())),
    ):
        # Classes may come with the warning; only where the directory has some can one be misspelt.
        for name in wanted if known or word != "class" else ():
            if name not in known:
                yield f'no customer has the {word} "{name}"' if word != "department" else f'nobody works in "{name}"'
    if when.least is not None and when.below is not None and when.least >= when.below:
        yield f"no value is {when.least} or more and below {when.below}"


def covers(wide: When, narrow: When) -> bool:
    """Whether `wide` surely takes all that `narrow` takes."""
    lists = (
        (wide.severities, narrow.severities),
        (wide.categories, narrow.categories),
        (wide.regions, narrow.regions),
        (wide.departments, narrow.departments),
    )
    if any(a and not (b and set(b) <= set(a)) for a, b in lists):
        return False
    if wide.rules and not (narrow.rules and all(r in wide.rules or "*" in wide.rules for r in narrow.rules)):
        return False
    if wide.least is not None and (narrow.least is None or narrow.least < wide.least):
        return False
    return wide.below is None or (narrow.below is not None and narrow.below <= wide.below)


def _is_empty(path: tuple[Route, ...]) -> bool:
    """Whether what the routes of a path ask for contradicts itself."""
    for name in ("severities", "categories", "regions", "departments"):
        wanted = [set(values) for route in path if (values := getattr(route.when, name))]
        if wanted and not set.intersection(*wanted):
            return True
    least = [route.when.least for route in path if route.when.least is not None]
    below = [route.when.below for route in path if route.when.below is not None]
    return bool(least and below) and max(least) >= min(below)


def _reach(routes: Routes, directory: Directory, at: datetime, channels: Means | None) -> Iterator[Finding]:
    """Tries every route with every kind of customer that may come there."""
    if routes.root is None:
        return
    kinds = _kinds(routes.root, directory)
    for path in _every(routes.root, ()):
        told: set[str] = set()
        for customer in kinds:
            about = _sample(path, customer, directory)
            if about is None:
                continue
            # Only this path: what a branch before it takes is tried there.
            plan = Routes(_alone(path)).plan(about, directory, at)
            said = _nobody(plan, directory, channels)
            if said is not None and said not in told:
                told.add(said)
                example = f" (customer {customer.id})" if customer.id else ""
                yield Finding("error", path_name(path), said + example)


def _kinds(root: Route, directory: Directory) -> list[Customer]:
    """One customer for each that the routes tell apart, by owner, region, class and value; and an unknown one."""
    edges = {
        edge for path in _every(root, ()) for edge in (path[-1].when.least, path[-1].when.below) if edge is not None
    }
    found: dict[object, Customer] = {}
    for customer in directory.customers.values():
        worth = None if customer.value is None else tuple(customer.value >= edge for edge in sorted(edges))
        found.setdefault((customer.owner, customer.region, customer.category, worth), customer)
    return [*found.values(), Customer("", "")]


def _sample(path: tuple[Route, ...], customer: Customer, directory: Directory) -> Matter | None:
    """A matter of the customer that the path takes; None if none of theirs comes there."""
    severities = [name for name in SEVERITIES if all(name in (r.when.severities or SEVERITIES) for r in path)]
    patterns = [pattern for route in path for pattern in route.when.rules]
    owner = directory.people[directory.responsible(customer.id).owner]
    if not severities:
        return None
    about = Matter(
        rule=patterns[-1].replace("*", "").replace("?", "0") if patterns else "R1",
        severity=severities[0],
        customer=customer.id,
        category=customer.category,
        region=customer.region,
        value=customer.value,
        department=owner.department,
    )
    tickets = [name for route in path for name in route.when.departments]
    if tickets and about.department not in tickets:
        about = replace(about, department=tickets[-1], ticket=tickets[-1])
    return about if all(route.when.takes(about) for route in path) else None


def _alone(path: tuple[Route, ...]) -> Route:
    """The path as a tree without its side branches."""
    last = replace(path[-1], routes=())
    for route in reversed(path[:-1]):
        last = replace(route, routes=(last,))
    return last


def _nobody(plan: Plan, directory: Directory, channels: Means | None) -> str | None:
    """Why the plan reaches nobody; None when it does."""
    if not any(reachable(target.person, target.channels, directory, channels) for target in plan.targets):
        who = ", ".join(sorted({target.person for target in plan.targets}))
        by = sorted({channel for target in plan.targets for channel in target.channels})
        how = f" by {', '.join(by)}" if by else ""
        return f"ends in nobody: no verified address{how} of {who}"
    if not any(reachable(person, (), directory, channels) for person in plan.ladder):
        return f"escalates to nobody: no verified address of {', '.join(plan.ladder)}"
    return None


def reachable(person: str, wanted: Collection[str], directory: Directory, channels: Means | None) -> tuple[str, ...]:
    """The channels by which somebody is reached now, of those wanted (or of all), in the order in which they are."""
    found = directory.people.get(person)
    if found is None:
        return ()
    own = [method.channel for method in found.verified]
    usable = own if channels is None else [name for name, needed in channels.items() if needed is None or needed in own]
    return tuple(channel for channel in dict.fromkeys(wanted or usable) if channel in usable and channel != INBOX)


def path_name(path: tuple[Route, ...]) -> str:
    """all > key accounts."""
    return " > ".join(route.name for route in path)
