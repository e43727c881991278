"""PURE: the people who answer for customers, and who answers to whom. directory.py reads it from a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Person:
    """`reports_to` is the id of the person's superior, None at the top."""

    id: str
    name: str
    department: str
    language: Language = "zh"
    reports_to: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Customer:
    """A customer as the directory knows it; `owner` is a person's id, None while nobody owns it."""

    id: str
    name: str
    owner: str | None = None
    region: str = ""


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
    """Everybody by id. directory.py has checked that every id named exists and that no line of superiors loops."""

    people: Mapping[str, Person]
    customers: Mapping[str, Customer]
    fallback: str

    def responsible(self, customer_id: str) -> Responsible:
        """The line that answers for the customer; never raises, an unknown customer has the fallback."""
        customer = self.customers.get(customer_id)
        owner = customer.owner if customer and customer.owner else None
        return Responsible(owner or self.fallback, tuple(self._above(owner or self.fallback)), owner is not None)

    def superiors_of(self, person: str) -> tuple[str, ...]:
        """Everybody above somebody, the next one first; nobody above who is not in the directory."""
        return tuple(self._above(person)) if person in self.people else ()

    def ladder(self, customer_id: str) -> tuple[str, ...]:
        """Who is asked for a review, in turn: the superiors up to the top, then the fallback. Never empty.

        The owner does not review their own case, unless nobody else is there.
        """
        line = self.responsible(customer_id)
        rungs = [person for person in (*line.superiors, self.fallback) if person != line.owner]
        return tuple(dict.fromkeys(rungs)) or (line.owner,)

    def customer_name(self, customer_id: str) -> str:
        """The customer's name, or its id where the directory has none."""
        customer = self.customers.get(customer_id)
        return customer.name if customer else customer_id

    def departments(self) -> frozenset[str]:
        """Every department somebody works in."""
        return frozenset(person.department for person in self.people.values())

    def people_of(self, department: str) -> tuple[str, ...]:
        """Who works in a department, by id; empty for one that nobody works in."""
        return tuple(sorted(person.id for person in self.people.values() if person.department == department))

    def _above(self, person: str) -> Iterator[str]:
        superior = self.people[person].reports_to
        while superior is not None:
            yield superior
            superior = self.people[superior].reports_to
