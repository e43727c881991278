"""What the API does with the directory: one entry at a time, checked against all others, as a version of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from services.common.clock import Now
from services.common.database import Database
from services.notifier import directory_store
from services.notifier.directory_entries import Said
from services.notifier.directory_import import NoFallback, Taken, take_in
from services.notifier.directory_listing import (
    ListedAbsence,
    ListedCustomer,
    ListedDepartment,
    ListedPerson,
    Listing,
    said_of_absence,
    said_of_customer,
    said_of_department,
    said_of_person,
    strangers,
    zone_of,
)
from services.notifier.gaps import Gap, find_gaps
from services.notifier.people import Directory, Source, newest

API = "api"
"""The source of what came by the API."""


class Unfit(Exception):
    """What is asked for contradicts the directory; the message says how."""


class Missing(Exception):
    """There is no such entry."""


@dataclass(frozen=True)
class Changed:
    """The version after a change; None when nothing is another for it."""

    version: int | None
    gaps: tuple[Gap, ...]


class DirectoryDesk:
    """Raises Unfit and Missing. `changed` is called after a change, so that this process sees it at once."""

    def __init__(
        self, database: Database, people: Source, now: Now, zone: ZoneInfo, changed: Callable[[], object]
    ) -> None:
        self._database = database
        self._people = people
        self._now = now
        self._zone = zone
        self._changed = changed

    @property
    def directory(self) -> Directory:
        """As this process knows it."""
        return newest(self._people)

    def gaps(self) -> tuple[Gap, ...]:
        """All of them."""
        return find_gaps(self.directory)

    def put_person(self, person: ListedPerson, actor: str) -> Changed:
        """A person as a whole: what is left out is gone."""
        return self._say(Listing(people=[person]), [said_of_person(person)], actor)

    def put_customer(self, customer: ListedCustomer, actor: str) -> Changed:
        """A customer as a whole; without an owner, who owns it stays as it is."""
        return self._say(Listing(customers=[customer]), list(said_of_customer(customer)), actor)

    def set_owner(self, customer: str, owner: str, actor: str) -> Changed:
        """The customer is somebody's from now on."""
        if customer not in self._fresh().customers:
            raise Missing(customer)
        listing = Listing(customers=[ListedCustomer(id=customer, name=customer, owner=owner)])
        return self._say(listing, [Said("owner", customer, {"owner": owner})], actor)

    def put_department(self, department: ListedDepartment, actor: str) -> Changed:
        """A department's name and head."""
        return self._say(Listing(departments=[department]), [said_of_department(department)], actor)

    def put_absence(self, absence: ListedAbsence, actor: str) -> Changed:
        """Somebody is away."""
        person = self._fresh().people.get(absence.person)
        if person is None:
            raise Missing(absence.person)
        entry = said_of_absence(absence, zone_of(person, self._zone))
        return self._say(Listing(absences=[absence]), [entry], actor)

    def drop_absence(self, person: str, start: datetime, actor: str) -> Changed:
        """The absence that begins then is off."""
        known = [one for one in self._fresh().absences if one.person == person and one.start == start]
        if not known:
            raise Missing(f"{person} from {start.isoformat()}")
        listed = ListedAbsence(person=person, start=known[0].start, end=known[0].end)
        return self._say(Listing(), [replace(said_of_absence(listed, self._zone), body=None)], actor)

    def drop_person(self, person: str, actor: str) -> Changed:
        """Somebody has left. What they own is told as a gap."""
        if person not in self._fresh().people:
            raise Missing(person)
        return self._say(Listing(), [Said("person", person, None)], actor)

    def drop_customer(self, customer: str, actor: str) -> Changed:
        """A customer is none any more; who owned it is forgotten too."""
        if customer not in self._fresh().customers:
            raise Missing(customer)
        return self._say(Listing(), [Said("customer", customer, None), Said("owner", customer, None)], actor)

    def _fresh(self) -> Directory:
        """As the database has it now: another notifier may just have changed it."""
        self._changed()
        return self.directory

    def _say(self, listing: Listing, entries: Sequence[Said], actor: str) -> Changed:
        problems = list(strangers(listing, self._fresh().people))
        if problems:
            raise Unfit("; ".join(problems))
        try:
            with self._database.writing() as tx:
                taken: Taken = take_in(tx, API, entries, self._now(), actor)
        except NoFallback:
            raise Unfit("the fallback cannot be taken out: name another one first") from None
        self._changed()
        return Changed(taken.version.id if taken.version else None, taken.gaps)

    def last_version(self) -> int:
        """The newest version in the database."""
        with self._database.reading() as tx:
            return directory_store.last_version(tx)
