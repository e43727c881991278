"""PURE: the directory in lines of text for who asks at a terminal. Addresses are shortened unless asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from services.notifier.people import Directory, Method


def of_all(directory: Directory, at: datetime) -> Iterator[str]:
    """How many there are of what, and who is away."""
    people, customers = directory.people.values(), directory.customers.values()
    yield f"version {directory.version}: {len(people)} people, {len(customers)} customers"
    yield f"fallback: {directory.fallback}"
    for department, count in sorted(Counter(person.department for person in people).items()):
        head = directory.head_of(department)
        yield f"department {department}: {count} people{f', head {head}' if head else ''}"
    owned = sum(customer.owner in directory.people for customer in customers)
    yield f"customers with an owner: {owned} of {len(customers)}"
    verified = sum(bool(person.verified) for person in people)
    yield f"people with a verified address: {verified} of {len(people)}"
    for id in sorted(person.id for person in people if directory.is_away(person.id, at)):
        yield f"away now: {id}; {directory.stand_in(id, at)} stands in"


def of_person(directory: Directory, id: str, at: datetime, *, addresses: bool = False) -> Iterator[str]:
    """Everything about somebody who is in the directory."""
    person = directory.people[id]
    yield f"{person.id}  {person.name}  {person.department}  {person.language}"
    yield f"reports to: {' -> '.join(directory.superiors_of(id)) or 'nobody'}"
    yield f"time zone: {person.timezone or 'the company’s'}"
    if person.quiet is not None:
        yield f"quiet hours: {person.quiet.start:%H:%M} to {person.quiet.end:%H:%M}"
    for method in person.methods:
        shown = method.address if addresses else masked(method)
        yield f"{method.channel}: {shown} ({'verified' if method.verified else 'not verified'})"
    for absence in directory.absences:
        if absence.person == id and absence.end > at:
            delegate = f", {absence.delegate} acts" if absence.delegate else ""
            yield f"away from {absence.start.isoformat()} to {absence.end.isoformat()}{delegate}"
    if directory.is_away(id, at):
        yield f"away now: {directory.stand_in(id, at)} stands in"
    yield f"owns {sum(customer.owner == id for customer in directory.customers.values())} customers"


def of_customer(directory: Directory, id: str, at: datetime) -> Iterator[str]:
    """Whose a customer is, and who is asked in turn."""
    customer = directory.customers[id]
    known = (("region", customer.region), ("class", customer.category), ("value", customer.value))
    yield "  ".join(
        [customer.id, customer.name, *(f"{name} {value}" for name, value in known if value not in ("", None))]
    )
    line = directory.responsible(id)
    yield f"owner: {line.owner}" if line.assigned else f"owner: nobody; {line.owner} (the fallback) is told"
    acting = directory.stand_in(line.owner, at)
    if acting != line.owner:
        yield f"now: {acting}, for {line.owner} is away"
    yield f"asked in turn: {', '.join(directory.ladder(id, at))}"


def masked(method: Method) -> str:
    """Enough to tell two addresses apart, and too little to write to."""
    name, at, host = method.address.partition("@")
    if at:
        return f"{name[:1]}…@{host}"
    return f"{method.address[:2]}…{method.address[-2:]}" if len(method.address) > 6 else "…"


def person_as_data(directory: Directory, id: str) -> dict[str, object]:
    """For programs, with addresses shortened: who needs them whole has the source from which they came."""
    person = directory.people[id]
    methods = [{"channel": one.channel, "address": masked(one), "verified": one.verified} for one in person.methods]
    absences = [one for one in directory.absences if one.person == id]
    return {
        "id": person.id,
        "name": person.name,
        "department": person.department,
        "language": person.language,
        "reports_to": person.reports_to,
        "timezone": person.timezone,
        "quiet": person.quiet and f"{person.quiet.start:%H:%M}-{person.quiet.end:%H:%M}",
        "methods": methods,
        "absences": [
            {"start": one.start.isoformat(), "end": one.end.isoformat(), "delegate": one.delegate} for one in absences
        ],
        "superiors": list(directory.superiors_of(id)),
    }


def customer_as_data(directory: Directory, id: str) -> dict[str, object]:
    """For programs."""
    customer = directory.customers[id]
    return {
        "id": customer.id,
        "name": customer.name,
        "owner": customer.owner,
        "region": customer.region,
        "class": customer.category,
        "value": None if customer.value is None else str(customer.value),
        "superiors": list(directory.responsible(id).superiors),
    }
