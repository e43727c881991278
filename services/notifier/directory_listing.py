"""What a file or a request may say of people and customers, checked, and as the entries that it claims."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from schemas.fields import AmountOrZero, Identifier, Label, parse_instant
from services.notifier.directory_entries import FALLBACK_ID, Said, absence_id, parse_quiet
from services.notifier.people import Language, Person

DEFAULT_ZONE = ZoneInfo("Asia/Shanghai")


def _a_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f'"{name}" is no time zone such as Asia/Shanghai')
    return name


def _hours(text: str) -> str:
    parse_quiet(text)
    return text


def _money(value: Any) -> Any:
    """YAML and spreadsheets write amounts as numbers; a float of cents is exact enough once it is rounded to them."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _day_or_instant(value: Any) -> Any:
    """A day stays one: what it means depends on whose it is."""
    if isinstance(value, datetime):
        return parse_instant(value)
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2026-01-01") else value


def _edge(value: Any) -> Any:
    found = _day_or_instant(value)
    return found if isinstance(found, date) else parse_instant(found)


Edge = Annotated[date | datetime, BeforeValidator(_edge)]
Zone = Annotated[str, AfterValidator(_a_zone)]
Hours = Annotated[str, AfterValidator(_hours)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        """Names and addresses come into headers, logs and terminals."""
        if isinstance(value, str) and any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in value):
            raise ValueError("has control characters")
        return value


class ListedMethod(_Entry):
    """`verified`: whoever wrote it vouches for the address, and no code is asked for."""

    channel: Identifier
    address: Annotated[str, Field(min_length=1, max_length=500)]
    verified: bool = False


class ListedPerson(_Entry):
    id: Identifier
    name: Label
    department: Label
    language: Language = "zh"
    reports_to: Identifier | None = None
    email: Label | None = None
    methods: list[ListedMethod] = []
    timezone: Zone | None = None
    quiet: Hours | None = None


class ListedCustomer(_Entry):
    id: Identifier
    name: Label
    owner: Identifier | None = None
    region: str = ""
    category: str = Field(default="", alias="class")
    value: Annotated[AmountOrZero | None, BeforeValidator(_money)] = None


class ListedDepartment(_Entry):
    id: Label
    name: str = ""
    head: Identifier | None = None


class ListedAbsence(_Entry):
    """`start` and `end` are instants, or days of which both are spent away."""

    person: Identifier
    start: Edge
    end: Edge
    delegate: Identifier | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> ListedAbsence:
        start, end = self.span(DEFAULT_ZONE)
        if end <= start:
            raise ValueError("end must be after start")
        return self

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """[start, end) as instants, by the clock of `zone` where days are given."""
        start = self.start if isinstance(self.start, datetime) else _midnight(self.start, zone)
        end = self.end if isinstance(self.end, datetime) else _midnight(self.end + timedelta(days=1), zone)
        return start.astimezone(UTC), end.astimezone(UTC)


class Listing(_Entry):
    """All that one source says; what it leaves out it says nothing of."""

    people: list[ListedPerson] = []
    customers: list[ListedCustomer] = []
    departments: list[ListedDepartment] = []
    absences: list[ListedAbsence] = []
    fallback: Identifier | None = None


def said(listing: Listing, zone: ZoneInfo = DEFAULT_ZONE) -> Iterator[Said]:
    """The entries that a listing claims. Days of absence are those of the person's zone, else of the company's."""
    for person in listing.people:
        yield said_of_person(person)
    for customer in listing.customers:
        yield from said_of_customer(customer)
    for department in listing.departments:
        yield said_of_department(department)
    zones = {person.id: ZoneInfo(person.timezone) for person in listing.people if person.timezone}
    for absence in listing.absences:
        yield said_of_absence(absence, zones.get(absence.person, zone))
    if listing.fallback is not None:
        yield Said("fallback", FALLBACK_ID, {"person": listing.fallback})


def said_of_person(person: ListedPerson) -> Said:
    """The entry of a person with the methods."""
    body = person.model_dump(exclude={"id"}, exclude_defaults=True)
    return Said("person", person.id, body)


def said_of_department(department: ListedDepartment) -> Said:
    """The entry of a department."""
    return Said("department", department.id, department.model_dump(exclude={"id"}, exclude_defaults=True))


def said_of_customer(customer: ListedCustomer) -> Iterator[Said]:
    """A customer, and as an entry of its own who owns it, for that changes by events too."""
    body = customer.model_dump(mode="json", exclude={"id", "owner"}, exclude_defaults=True)
    yield Said("customer", customer.id, body)
    if customer.owner is not None:
        yield Said("owner", customer.id, {"owner": customer.owner})


def said_of_absence(absence: ListedAbsence, zone: ZoneInfo) -> Said:
    """An absence as instants."""
    start, end = absence.span(zone)
    body: dict[str, Any] = {"person": absence.person, "start": start.isoformat(), "end": end.isoformat()}
    if absence.delegate is not None:
        body["delegate"] = absence.delegate
    return Said("absence", absence_id(absence.person, start), body)


def zone_of(person: Person, company: ZoneInfo) -> ZoneInfo:
    """By which clock the person's days are."""
    return ZoneInfo(person.timezone) if person.timezone else company


def contradictions(listing: Listing) -> Iterator[str]:
    """What stands in the listing twice, in a sentence each."""
    sections: tuple[tuple[str, list[str]], ...] = (
        ("people", [person.id for person in listing.people]),
        ("customers", [customer.id for customer in listing.customers]),
        ("departments", [department.id for department in listing.departments]),
        ("absences", [f"{absence.person} from {absence.start}" for absence in listing.absences]),
    )
    for section, ids in sections:
        for name, count in Counter(ids).items():
            if count > 1:
                yield f'{section}: "{name}" stands there {count} times'


def strangers(listing: Listing, others: Collection[str] = ()) -> Iterator[str]:
    """Who is named in the listing and is neither among its people nor among the `others` that are known."""
    known = {person.id for person in listing.people} | set(others)
    return (sentence for id, sentence in _named(listing) if id is not None and id not in known)


def _named(listing: Listing) -> Iterator[tuple[str | None, str]]:
    """Everybody whom an entry refers to, with what to say if there is nobody of that id."""
    yield listing.fallback, f'fallback: "{listing.fallback}" is not among the people'
    for person in listing.people:
        at = f'people "{person.id}"'
        yield person.reports_to, f'{at}: reports to "{person.reports_to}", who is not among the people'
    for customer in listing.customers:
        yield customer.owner, f'customers "{customer.id}": the owner "{customer.owner}" is not among the people'
    for office in listing.departments:
        yield office.head, f'departments "{office.id}": the head "{office.head}" is not among the people'
    for absence in listing.absences:
        for id in (absence.person, absence.delegate):
            yield id, f'absences "{absence.person}": "{id}" is not among the people'


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
