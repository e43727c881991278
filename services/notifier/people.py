"""PURE: the people who answer for customers, who answers to whom, and who stands in while somebody is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Literal

Language = Literal["zh", "en"]

DEPARTMENTS = ("sales", "finance", "service")
"""Of which the shipped rules draw two in."""

MOST_LEADS = 5
"""Of a department that names no head: more people at once would each take it for another's."""


@dataclass(frozen=True)
class Method:
    """A way to reach somebody. `verified`: a code sent there was confirmed, or the file's writer vouches for it."""

    channel: str
    address: str
    verified: bool = False


@dataclass(frozen=True)
class Quiet:
    """Hours of each day, by the person's own clock, in which only what is critical is sent. `start` after `end` runs
    through midnight; the two equal are no hours at all."""

    start: time
    end: time

    def holds(self, local: time) -> bool:
        """Whether it is quiet at that time of day."""
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


@dataclass(frozen=True)
class Person:
    """`reports_to` is the id of the person's superior, None at the top. `timezone` is an IANA name, None where it is
    the company's. `email` and a verified `Method("email", …)` say the same: each is filled in from the other."""

    id: str
    name: str
    department: str
    language: Language = "zh"
    reports_to: str | None = None
    email: str | None = None
    methods: tuple[Method, ...] = ()
    timezone: str | None = None
    quiet: Quiet | None = None

    def __post_init__(self) -> None:
        """An address in `email` is a verified method: the directory's file has always been taken at its word."""
        known = next((method.address for method in self.verified if method.channel == "email"), None)
        if self.email is None and known is not None:
            object.__setattr__(self, "email", known)
        elif self.email is not None and Method("email", self.email, verified=True) not in self.methods:
            object.__setattr__(self, "methods", (Method("email", self.email, verified=True), *self.methods))

    @property
    def verified(self) -> tuple[Method, ...]:
        """The methods by which pages may be sent, in the person's order."""
        return tuple(method for method in self.methods if method.verified)

    def reached_by(self, channel: str) -> str | None:
        """The verified address on a channel; None where there is none."""
        return next((method.address for method in self.verified if method.channel == channel), None)


@dataclass(frozen=True)
class Absence:
    """Somebody is away in [start, end); `delegate` acts for them, where one is named."""

    person: str
    start: datetime
    end: datetime
    delegate: str | None = None

    def covers(self, at: datetime) -> bool:
        """Whether the person is away at that instant."""
        return self.start <= at < self.end


@dataclass(frozen=True)
class Department:
    """`id` is what rules and people call it; `head` answers for it, where one is named."""

    id: str
    name: str = ""
    head: str | None = None


@dataclass(frozen=True)
class Customer:
    """A customer as the directory knows it; `owner` is a person's id, None while nobody owns it. `category` is the
    class in which sales files it, `value` what it is worth in a year, in the company's currency."""

    id: str
    name: str
    owner: str | None = None
    region: str = ""
    category: str = ""
    value: Decimal | None = None


@dataclass(frozen=True)
class Responsible:
    """Who answers for a customer: `owner`, then `superiors` from the next one up to the top.

    `assigned` is False when the customer has no owner in the directory, and the fallback stands in as owner.
    """

    owner: str
    superiors: tuple[str, ...]
    assigned: bool


@dataclass(frozen=True)
class Directory:
    """Everybody by id, as one version of the directory knew them. What refers to nobody, or in a loop, is borne: gaps
    tells of it, and here the fallback steps in. `fallback` is always among the people."""

    people: Mapping[str, Person]
    customers: Mapping[str, Customer]
    fallback: str
    absences: tuple[Absence, ...] = ()
    offices: tuple[Department, ...] = ()
    version: int = 0

    def responsible(self, customer_id: str) -> Responsible:
        """The line that answers for the customer; never raises, an unknown customer has the fallback."""
        customer = self.customers.get(customer_id)
        owner = customer.owner if customer and customer.owner in self.people else None
        return Responsible(owner or self.fallback, tuple(self._above(owner or self.fallback)), owner is not None)

    def superiors_of(self, person: str) -> tuple[str, ...]:
        """Everybody above somebody, the next one first; nobody above who is not in the directory."""
        return tuple(self._above(person)) if person in self.people else ()

    def ladder(self, customer_id: str, at: datetime | None = None) -> tuple[str, ...]:
        """Who is asked for a review, in turn: the superiors up to the top, then the fallback. Never empty.

        The owner does not review their own case, unless nobody else is there. With `at`, whoever is away then is
        replaced by their delegate, or left out; who acts for the owner does not review either.
        """
        line = self.responsible(customer_id)
        rungs = tuple(dict.fromkeys((*line.superiors, self.fallback)))
        if at is None:
            return tuple(person for person in rungs if person != line.owner) or (line.owner,)
        acting = self.stand_in(line.owner, at)
        present = dict.fromkeys(person for rung in rungs if (person := self._present(rung, at)) is not None)
        for parties in ((line.owner, acting), (line.owner,)):
            left = tuple(person for person in present if person not in parties)
            if left:
                return left
        return (acting,)

    def stand_in(self, person: str, at: datetime) -> str:
        """Who acts for somebody at an instant: the person if present; else the delegate, the delegate's delegate and so
        on; else the next superior, and up; else the fallback. Whoever is named is there, as long as anybody is."""
        line = dict.fromkeys((person, *self.superiors_of(person), self.fallback, *self.superiors_of(self.fallback)))
        for candidate in line:
            found = self._present(candidate, at)
            if found is not None:
                return found
        return next(self._anybody(at), self.fallback)

    def is_away(self, person: str, at: datetime) -> bool:
        """Whether an absence of the person covers the instant."""
        return any(absence.covers(at) for absence in self._absences_of.get(person, ()))

    def customer_name(self, customer_id: str) -> str:
        """The customer's name, or its id where the directory has none."""
        customer = self.customers.get(customer_id)
        return customer.name if customer else customer_id

    def departments(self) -> frozenset[str]:
        """Every department somebody works in."""
        return frozenset(person.department for person in self.people.values())

    def people_of(self, department: str) -> tuple[str, ...]:
        """Who works in a department, by id; empty for one that nobody works in."""
        return self._staff.get(department, ())

    def head_of(self, department: str) -> str | None:
        """Who answers for a department, None where nobody is named."""
        named = next((office.head for office in self.offices if office.id == department), None)
        return named if named in self.people else None

    def leads_of(self, department: str) -> tuple[str, ...]:
        """Who is asked when a department is: its head; where none is named, those of it who have nobody of it above
        them. Empty where that is nobody, or so many that nobody would know who is meant."""
        head = self.head_of(department)
        if head is not None:
            return (head,)
        if department not in self._leads:
            staff = dict.fromkeys(self.people_of(department))
            leads = tuple(person for person in staff if not any(above in staff for above in self._above(person)))
            self._leads[department] = leads if len(leads) <= MOST_LEADS else ()
        return self._leads[department]

    @cached_property
    def _leads(self) -> dict[str, tuple[str, ...]]:
        """Worked out once a department: it takes a look at each of its people."""
        return {}

    @cached_property
    def _staff(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for person in sorted(self.people.values(), key=lambda one: one.id):
            found.setdefault(person.department, []).append(person.id)
        return {department: tuple(staff) for department, staff in found.items()}

    @cached_property
    def _absences_of(self) -> Mapping[str, tuple[Absence, ...]]:
        found: dict[str, list[Absence]] = {}
        for absence in self.absences:
            found.setdefault(absence.person, []).append(absence)
        return {person: tuple(sorted(theirs, key=lambda one: one.start)) for person, theirs in found.items()}

    def _present(self, person: str, at: datetime) -> str | None:
        """The person, or the first of the chain of delegates who is there; None where it ends or comes round."""
        seen: set[str] = set()
        asked: str | None = person
        while asked is not None and asked in self.people and asked not in seen:
            seen.add(asked)
            away = [absence for absence in self._absences_of.get(asked, ()) if absence.covers(at)]
            if not away:
                return asked
            asked = next((absence.delegate for absence in away if absence.delegate is not None), None)
        return None

    def _anybody(self, at: datetime) -> Iterator[str]:
        """Whoever is there, those at the top first: better than nobody at all."""
        for person in sorted(self.people.values(), key=lambda one: (one.reports_to is not None, one.id)):
            if not self.is_away(person.id, at):
                yield person.id

    def _above(self, person: str) -> Iterator[str]:
        """Up to the top; a line that comes round ends before it repeats anybody."""
        seen = {person}
        superior = self.people[person].reports_to
        while superior is not None and superior in self.people and superior not in seen:
            seen.add(superior)
            yield superior
            superior = self.people[superior].reports_to


Source = Directory | Callable[[], Directory]
"""A directory that stays as it is, or what gives the newest one. Whoever decides asks once a decision."""


def newest(source: Source) -> Directory:
    """The directory to decide by now."""
    return source if isinstance(source, Directory) else source()
