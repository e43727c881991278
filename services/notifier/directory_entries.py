"""PURE: the directory as entries, each of a kind and an id, which sources claim one by one; the Directory they make."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Literal, cast

from services.notifier.people import Absence, Customer, Department, Directory, Language, Method, Person, Quiet

Kind = Literal["person", "customer", "owner", "department", "absence", "verified", "fallback"]
KINDS: tuple[Kind, ...] = ("person", "customer", "owner", "department", "absence", "verified", "fallback")

Body = Mapping[str, Any]
"""Plain JSON data. None in its place: the entry is gone."""

FALLBACK_ID = "fallback"
"""The id of the only entry of kind fallback."""

EVENTS = "events"
"""The source of owners that were told by customer.owner_changed."""


@dataclass(frozen=True)
class Said:
    """What a source says of one entry."""

    kind: Kind
    id: str
    body: Body | None

    @property
    def key(self) -> tuple[Kind, str]:
        """By which it is told from other entries."""
        return self.kind, self.id


@dataclass(frozen=True)
class Claim:
    """What one source says, and from when on it does."""

    source: str
    at: datetime
    body: Body | None


def holds(claims: Iterable[Claim]) -> Claim | None:
    """The claim that counts: the newest; of two of one instant the one whose source comes later by name. In whatever
    order they became known, the same is found."""
    return max(claims, key=lambda claim: (claim.at, claim.source), default=None)


def method_id(person: str, channel: str, address: str) -> str:
    """By which a proof of an address is kept: another address is another entry, and must be proved anew."""
    return f"{person}/{channel}/{hashlib.sha256(address.encode()).hexdigest()[:32]}"


def absence_id(person: str, start: datetime) -> str:
    """One absence of a person begins at an instant; told again with another end it is changed."""
    return f"{person}/{start.isoformat()}"


@dataclass
class Book:
    """All entries that hold, kept as what the Directory is made of. Changed in place by whoever owns it; each Directory
    that it gives out stays as it is."""

    fallback: str | None = None
    _people: dict[str, Body] = field(default_factory=dict)
    _customers: dict[str, Body] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    _departments: dict[str, Body] = field(default_factory=dict)
    _absences: dict[str, Body] = field(default_factory=dict)
    _verified: set[str] = field(default_factory=set)
    _built: dict[str, Customer] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)
    _staff: dict[str, Person] | None = None

    def put(self, kind: str, id: str, body: Body | None) -> None:
        """An entry holds from now on, or is gone."""
        match kind:
            case "person":
                _keep(self._people, id, body)
                self._staff = None
            case "customer":
                _keep(self._customers, id, body)
                self._stale.add(id)
            case "owner":
                _keep(self._owners, id, body["owner"] if body else None)
                self._stale.add(id)
            case "department":
                _keep(self._departments, id, body)
            case "absence":
                _keep(self._absences, id, body)
            case "verified":
                self._verified.discard(id) if body is None else self._verified.add(id)
                self._staff = None
            case "fallback":
                self.fallback = body["person"] if body else None

    def directory(self, version: int) -> Directory | None:
        """What the entries say together; None while no fallback is named who is there."""
        if self.fallback is None or self.fallback not in self._people:
            return None
        for id in self._stale:
            if id in self._customers or id in self._owners:
                self._built[id] = _customer(id, self._customers.get(id, {}), self._owners.get(id))
            else:
                self._built.pop(id, None)
        self._stale.clear()
        if self._staff is None:
            self._staff = {id: _person(id, body, self._verified) for id, body in self._people.items()}
        return Directory(
            # Made anew and never changed afterwards, so that it can be shared by versions.
            people=self._staff,
            customers=dict(self._built),
            fallback=self.fallback,
            absences=tuple(_absence(body) for body in self._absences.values()),
            offices=tuple(Department(id, body.get("name", ""), body.get("head")) for id, body in self._by_id()),
            version=version,
        )

    def _by_id(self) -> list[tuple[str, Body]]:
        return sorted(self._departments.items())


def _keep(entries: dict[str, Any], id: str, body: Any) -> None:
    if body is None:
        entries.pop(id, None)
    else:
        entries[id] = body


def _customer(id: str, body: Body, owner: str | None) -> Customer:
    value = body.get("value")
    worth = None if value is None else Decimal(value)
    return Customer(id, body.get("name", id), owner, body.get("region", ""), body.get("category", ""), worth)


def _person(id: str, body: Body, verified: set[str]) -> Person:
    methods = tuple(
        Method(one["channel"], one["address"], _is_verified(id, one, verified)) for one in body.get("methods", ())
    )
    return Person(
        id=id,
        name=body["name"],
        department=body["department"],
        language=cast("Language", body.get("language", "zh")),
        reports_to=body.get("reports_to"),
        email=body.get("email"),
        methods=methods,
        timezone=body.get("timezone"),
        quiet=parse_quiet(body["quiet"]) if body.get("quiet") else None,
    )


def _is_verified(person: str, method: Body, verified: set[str]) -> bool:
    return bool(method.get("verified")) or method_id(person, method["channel"], method["address"]) in verified


def _absence(body: Body) -> Absence:
    start, end = (datetime.fromisoformat(body[name]) for name in ("start", "end"))
    return Absence(body["person"], start, end, body.get("delegate"))


def parse_quiet(text: str) -> Quiet:
    """Hours such as 22:00-07:00; raises ValueError."""
    start, dash, end = text.partition("-")
    try:
        found = Quiet(time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))
    except ValueError:
        dash = ""
        found = Quiet(time(), time())
    if not dash or found.start.tzinfo or found.end.tzinfo:
        raise ValueError(f'"{text}" are no hours such as 22:00-07:00')
    return found
