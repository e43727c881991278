"""Days of a company in trouble, from a seed: warnings, people who act or do not, leave, reorganisations, outages."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from services.notifier.people import Absence, Customer, Department, Directory, Person, Quiet

START = datetime(2026, 1, 20, 0, 0, tzinfo=UTC)
"""Before Spring Festival; the clocks change in America on 8 March and in Europe on 29 March."""

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York")
OWN_DAYS_OFF = {date(2026, 3, 16)}
OWN_DAYS_WORKED = {date(2026, 3, 21)}
OWNERS = tuple(f"owner{n}" for n in range(1, 6))
LEADS = ("lead1", "lead2")
FALLBACK = "desk"
STAFF = {
    "fin1": ("finance", "boss"),
    "fin2": ("finance", "fin1"),
    "help1": ("service", "boss"),
    "help2": ("service", "help1"),
    **{f"it{n}": ("it", "boss") for n in range(1, 4)},
    **{f"store{n}": ("stores", "boss") for n in range(1, 8)},
}
"""Of the departments that are asked to join: with a line, without one, and too many to be asked."""

DEPARTMENTS = ("finance", "service", "it", "stores", "legal")
"""Beside sales; nobody works in the last."""

What = Literal["raise", "worsen", "end", "withdraw", "task", "acknowledge", "comment", "review", "assign", "delegate",
               "finish", "join", "close"]  # fmt: skip


@dataclass(frozen=True)
class Happening:
    """Something that happens at `at` to a customer; `dice` decides the rest, from what there is then."""

    at: datetime
    what: What
    customer: str
    dice: int


@dataclass(frozen=True)
class Script:
    """`directories` by the instant from which they hold; `outages` are spans in which nothing runs."""

    zone: str
    directories: tuple[tuple[datetime, Directory], ...]
    happenings: tuple[Happening, ...]
    outages: tuple[tuple[datetime, datetime], ...]
    days: int


def write(seed: int, days: int, customers: int) -> Script:
    """The script of a seed: the same for the same arguments."""
    dice = random.Random(seed)
    outages = tuple(sorted(_outage(dice, days) for _ in range(3)))
    directories = list(_directories(dice, days, customers))
    names = [f"C{n}" for n in range(1, customers + 1)]
    found = [happening for name in names for happening in _life(dice, name, days)]
    moved = (replace(one, at=_after_outages(one.at, outages)) for one in found)
    inside = [one for one in moved if one.at < START + DAY * days]
    ordered = tuple(sorted(inside, key=lambda one: (one.at, one.customer, one.what, one.dice)))
    return Script(dice.choice(ZONES), tuple(directories), ordered, outages, days)


def _outage(dice: random.Random, days: int) -> tuple[datetime, datetime]:
    begins = START + HOUR * dice.randrange(24, days * 24 - 100)
    return begins, begins + HOUR * dice.randrange(6, 60)


def _after_outages(at: datetime, outages: tuple[tuple[datetime, datetime], ...]) -> datetime:
    for begins, ends in outages:
        if begins <= at < ends:
            at = ends
    return at


def _life(dice: random.Random, customer: str, days: int) -> list[Happening]:
    """Troubles come in bursts, and people look at them now and then; at whole minutes."""
    found = []
    at = START + HOUR * dice.randrange(12, 20 * 24)
    while at < START + DAY * days:
        for what, times in (("raise", dice.randrange(1, 3)), ("task", dice.randrange(2))):
            found += [_one(dice, at, what, customer, 48) for _ in range(times)]
        # Half of what calls for a review is looked at while there is time.
        found += [_one(dice, one.at, "review", customer, 20) for one in found if one.what == "raise" and one.at >= at
                  and dice.random() < 0.5]  # fmt: skip
        for what in ("worsen", "end", "withdraw", "acknowledge", "comment", "review", "assign", "delegate", "finish",
                     "join", "join"):  # fmt: skip
            if dice.random() < 0.45:
                found.append(_one(dice, at, what, customer, 12 * 24))
        if dice.random() < 0.6:
            found.append(_one(dice, at + 8 * DAY, "close", customer, 20 * 24))
        at += HOUR * dice.randrange(10 * 24, 35 * 24)
    return found


def _one(dice: random.Random, at: datetime, what: str, customer: str, within_h: int) -> Happening:
    when = at + MINUTE * dice.randrange(60 * within_h)
    return Happening(when, what, customer, dice.randrange(2**32))  # type: ignore[arg-type]


def _directories(dice: random.Random, days: int, customers: int) -> list[tuple[datetime, Directory]]:
    people = {
        FALLBACK: _person(dice, FALLBACK, None),
        "boss": _person(dice, "boss", None),
        "chief": _person(dice, "chief", "boss"),
        **{name: _person(dice, name, "chief") for name in LEADS},
        **{name: _person(dice, name, dice.choice(LEADS)) for name in OWNERS},
        **{name: _person(dice, name, above, department) for name, (department, above) in STAFF.items()},
    }
    owned = {f"C{n}": Customer(f"C{n}", f"Customer {n}", dice.choice((*OWNERS, "lead1", None))) for n in
             range(1, customers + 1)}  # fmt: skip
    absences = tuple(_absence(dice, days) for _ in range(24))
    found = [(START, Directory(people, owned, FALLBACK, absences, _heads(dice)))]
    for at in sorted(START + MINUTE * dice.randrange(days * 1440) for _ in range(5)):
        found.append((at, _reorganised(dice, found[-1][1])))
    return found


def _heads(dice: random.Random) -> tuple[Department, ...]:
    """Some departments name a head, of whom one is nobody who is there."""
    heads = (*LEADS, "chief", "fin1", "fin2", "help2", "it2", "owner1", "nobody", None, None)
    named = ((name, dice.choice(heads)) for name in ("sales", *DEPARTMENTS) if dice.random() < 0.6)
    return tuple(Department(name, name, head) for name, head in named)


def _person(dice: random.Random, name: str, above: str | None, department: str = "sales") -> Person:
    quiet = dice.choice((None, Quiet(time(22), time(7)), Quiet(time(1), time(5)), Quiet(time(12), time(14))))
    zone = dice.choice((None, *ZONES))
    return Person(name, name, department, dice.choice(("zh", "en")), above, timezone=zone, quiet=quiet)


def _absence(dice: random.Random, days: int) -> Absence:
    person = dice.choice((*OWNERS, *LEADS, *LEADS, "chief", "boss", *STAFF))
    begins = START + MINUTE * dice.randrange(days * 1440)
    delegate = dice.choice((None, None, *OWNERS, *LEADS, "chief"))
    return Absence(person, begins, begins + HOUR * dice.randrange(8, 240), delegate if delegate != person else None)


def _reorganised(dice: random.Random, before: Directory) -> Directory:
    """A customer is another's, somebody reports to another, or somebody leaves."""
    people, customers = dict(before.people), dict(before.customers)
    for name in dice.sample(sorted(customers), 3):
        customers[name] = replace(
            customers[name], owner=dice.choice([*(one for one in OWNERS if one in people), "lead2"])
        )
    for name in dice.sample([one for one in OWNERS if one in people], 2):
        people[name] = replace(people[name], reports_to=dice.choice((*LEADS, "chief")))
    staying = [one for one in OWNERS if one in people]
    if len(staying) > 3 and dice.random() < 0.5:
        gone = dice.choice(staying)
        del people[gone]
        for name, customer in customers.items():
            if customer.owner == gone:
                customers[name] = replace(customer, owner=dice.choice([one for one in staying if one != gone]))
    return Directory(people, customers, before.fallback, before.absences, _heads(dice))
