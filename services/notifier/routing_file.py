"""Reads the tree of routes from YAML. What is wrong in it is said in sentences that name the route."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.warnings import SEVERITIES, Severity
from services.common.errors import UserError
from services.notifier.routing import TEAM, WORDS, Clock, Route, Routes, When

MAX_BYTES = 1_000_000
MAX_DEPTH = 12
_NAMED = ("person", "head", "department")
_VALUE = re.compile(r"\s*(>=|<)\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*")


class RoutesInvalid(UserError):
    """The file cannot be used; `problems` has a sentence for each route at fault."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        shown = "\n  ".join(problems[:20])
        super().__init__(f"the routes {path} cannot be used:\n  {shown}")
        self.problems = problems


def _as_list(value: Any) -> Any:
    """One thing may be written without brackets."""
    return [value] if isinstance(value, str) else value


def _severities(value: Any) -> Any:
    """ ">= high" are high and critical; else a severity, or a list of them."""
    if isinstance(value, str) and value.replace(" ", "").startswith(">="):
        lowest = value.replace(" ", "").removeprefix(">=")
        if lowest not in SEVERITIES:
            raise ValueError(f'"{value}": the severities are {", ".join(SEVERITIES)}')
        return list(SEVERITIES[SEVERITIES.index(lowest) :])
    return _as_list(value)


def _value(value: Any) -> tuple[Decimal | None, Decimal | None]:
    """From and below, of ">= 500000", "< 500000", or a list of both."""
    least: Decimal | None = None
    below: Decimal | None = None
    for text in value if isinstance(value, list) else [value]:
        found = _VALUE.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f'"{text}" is no bound such as ">= 500000" or "< 500000"')
        if found[1] == ">=":
            least = Decimal(found[2])
        else:
            below = Decimal(found[2])
    return least, below


def _word(text: Any) -> str:
    kind, colon, name = str(text).partition(":")
    if text not in WORDS and not (kind in _NAMED and colon and name):
        raise ValueError(
            f'"{text}" tells nobody: write {", ".join(WORDS)}, person:ID, head:DEPARTMENT, department:NAME'
        )
    return str(text)


def _reviewer(text: str) -> str:
    if text == TEAM:
        raise ValueError(f'"{TEAM}" is told and takes part; who is asked in turn to review are others')
    return _word(text)


Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], BeforeValidator(_as_list)]
Words = Annotated[list[Annotated[str, BeforeValidator(_word)]], BeforeValidator(_as_list), Field(min_length=1)]
Ladder = Annotated[list[Annotated[str, BeforeValidator(_reviewer)]], BeforeValidator(_as_list), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _When(_Strict):
    rule: Names = []
    severity: Annotated[list[Severity], BeforeValidator(_severities)] = []
    category: Names = Field(default=[], alias="class")
    region: Names = []
    department: Names = []
    value: Annotated[tuple[Decimal | None, Decimal | None], BeforeValidator(_value)] = (None, None)


class _Settings(_Strict):
    tell: Words | None = None
    channels: Names | None = None
    clock: Clock | None = None
    critical: Severity | None = None
    escalate: Ladder | None = None
    routes: list[_Route] = []


class _Route(_Settings):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    when: _When = _When()
    goes_on: bool = Field(default=False, alias="continue")


class _Root(_Settings):
    """The whole file: what it says applies to all that no route below takes."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "all"


def load_routes(path: Path | None) -> Routes:
    """The tree of a file, or Routes() without one. Raises RoutesInvalid with every problem found."""
    if path is None:
        return Routes()
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RoutesInvalid(path, [f"it cannot be read: {error}"]) from None
    return parse_routes(raw, path)


def parse_routes(raw: bytes, path: Path) -> Routes:
    """The same of bytes. Raises RoutesInvalid."""
    if len(raw) > MAX_BYTES:
        raise RoutesInvalid(path, [f"it is larger than {MAX_BYTES} bytes"])
    try:
        document = yaml.safe_load(raw)
        depth = _depth(document)
    except (ValueError, AttributeError, yaml.YAMLError, RecursionError) as error:
        # The library raises more than its own errors: for a day that is none, and for routes that hold themselves.
        raise RoutesInvalid(path, [f"it cannot be read: {error}"]) from None
    if depth > MAX_DEPTH:
        raise RoutesInvalid(path, [f"routes lie in each other more than {MAX_DEPTH} deep"])
    try:
        root = _Root.model_validate(document)
    except ValidationError as error:
        raise RoutesInvalid(path, [_sentence(document, item["loc"], item["msg"]) for item in error.errors()]) from None
    return Routes(_route(root))


def _depth(document: Any) -> int:
    branches = document.get("routes") if isinstance(document, dict) else None
    return 1 + max(map(_depth, branches), default=0) if isinstance(branches, list) else 1


def _route(found: _Root | _Route) -> Route:
    return Route(
        name=found.name,
        when=_conditions(found.when) if isinstance(found, _Route) else When(),
        tell=None if found.tell is None else tuple(found.tell),
        channels=None if found.channels is None else tuple(found.channels),
        clock=found.clock,
        critical_from=found.critical,
        escalate=None if found.escalate is None else tuple(found.escalate),
        goes_on=isinstance(found, _Route) and found.goes_on,
        routes=tuple(map(_route, found.routes)),
    )


def _conditions(when: _When) -> When:
    least, below = when.value
    return When(
        rules=tuple(when.rule),
        severities=tuple(when.severity),
        categories=tuple(when.category),
        regions=tuple(when.region),
        departments=tuple(when.department),
        least=least,
        below=below,
    )


def _sentence(document: Any, location: tuple[int | str, ...], message: str) -> str:
    """ "all > key accounts": channels: …"""
    names, place = ["the file"], list(location)
    at = document
    while len(place) >= 2 and place[0] == "routes" and isinstance(place[1], int):
        at = at["routes"][place[1]]
        named = at.get("name") if isinstance(at, dict) else None
        names.append(f'"{named}"' if named else f"route {place[1] + 1}")
        place = place[2:]
    field = ".".join(map(str, place))
    return f"{' > '.join(names)}: {field + ': ' if field else ''}{message.removeprefix('Value error, ')}"
