"""PURE how long and how much a connection may keep the door busy, and which one goes when there is no room."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True)
class Bounds:
    """Of connections in all and from one address, of seconds and of bytes.

    `header_s`: from the first byte that is waited for to the end of a request's header, `header_bytes` long at most.
    `idle_s`: between requests. `silent_s`: without any byte of a body that is being waited for. `unread_s`: while the
    client does not read its answer; answers that are not read may hold `unread_bytes` in all. `discarded_s` and
    `discarded_bytes`: of a body that goes on after its answer. `at_once`: requests that a connection may have sent
    before the first of them is answered; of more it gets no answer, but its end. The application has times of its own
    for bodies and answers, of a minute, and says so when they are up; these are for what it leaves.
    """

    connections: int = 12_000
    by_address: int = 3_000
    header_s: float = 10.0
    header_bytes: int = 32 * 1024
    idle_s: float = 60.0
    silent_s: float = 70.0
    unread_s: float = 70.0
    unread_bytes: int = 64 * 1024 * 1024
    discarded_s: float = 20.0
    discarded_bytes: int = 16 * 1024 * 1024
    at_once: int = 8


class Phase(Enum):
    """What a connection waits for."""

    STRANGER = "stranger"  # its first header: nothing is known of it
    HEADER = "header"  # the rest of a later header
    IDLE = "idle"  # the next request, of which nothing has come
    BUSY = "busy"  # its request is read or at work
    DISCARDING = "discarding"  # the rest of a body that was answered before its end


class Ending(Enum):
    """Why a connection is ended."""

    SLOW_HEADER = "slow_header"
    LARGE_HEADER = "large_header"
    IDLE = "idle"
    SILENT = "silent_body"
    UNREAD = "unread_answer"
    ENDLESS = "endless_body"
    TOO_MANY = "too_many_at_once"
    NO_ROOM = "no_room"
    REFUSED = "refused"


@dataclass(slots=True)
class Standing:
    """How a connection stands: since when it waits (in seconds of a clock that only goes forward), when the last byte
    came, since when its client reads nothing, how many bytes were thrown away. `awaited`: more of a body is wanted."""

    phase: Phase
    since: float
    heard_at: float
    unread_since: float | None = None
    discarded: int = 0
    awaited: bool = False


def overdue(standing: Standing, bounds: Bounds, now: float) -> Ending | None:
    """Why the connection has to end now, if it has to."""
    waited = now - standing.since
    if standing.unread_since is not None and now - standing.unread_since > bounds.unread_s:
        return Ending.UNREAD
    match standing.phase:
        case Phase.STRANGER | Phase.HEADER if waited > bounds.header_s:
            return Ending.SLOW_HEADER
        case Phase.BUSY if standing.awaited and now - standing.heard_at > bounds.silent_s:
            return Ending.SILENT
        case Phase.IDLE if waited > bounds.idle_s:
            return Ending.IDLE
        case Phase.DISCARDING if waited > bounds.discarded_s or standing.discarded > bounds.discarded_bytes:
            return Ending.ENDLESS
    return None


class Guest(Protocol):
    """A connection, as the guest list sees it."""

    @property
    def address(self) -> str:
        """Where it comes from."""


G = TypeVar("G", bound=Guest)


@dataclass
class _Home(Generic[G]):
    """The connections of one address: how many, and those that may be sent away, the longest waiting first."""

    number: int = 0
    strangers: OrderedDict[G, None] = field(default_factory=OrderedDict)
    idle: OrderedDict[G, None] = field(default_factory=OrderedDict)


class GuestList(Generic[G]):
    """Who is there. When there is no room, somebody who waits goes: those who say nothing keep nobody out. First goes
    who never said anything, then who has nothing to say now. Who is at work stays."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._homes: dict[str, _Home[G]] = {}
        self._all: _Home[G] = _Home()
        self._there: set[G] = set()

    def __len__(self) -> int:
        return len(self._there)

    def come(self, guest: G) -> G | None:
        """A connection that was made. Who has to go, and is no more counted: another one, itself, or None."""
        home = self._homes.setdefault(guest.address, _Home())
        goes: G | None = None
        if home.number >= self._bounds.by_address:
            goes = _longest(home) or guest
        elif len(self._there) >= self._bounds.connections:
            goes = _longest(self._all) or guest
        self._there.add(guest)
        for place in (self._all, home):
            place.number += 1
            place.strangers[guest] = None
        if goes is not None:
            self.leave(goes)
        return goes

    def work(self, guest: G) -> None:
        """It has sent a request, and may not be sent away."""
        if guest not in self._there:
            return
        for place in self._places(guest):
            place.strangers.pop(guest, None)
            place.idle.pop(guest, None)

    def rest(self, guest: G) -> None:
        """Its request was answered."""
        if guest not in self._there:
            return
        for place in self._places(guest):
            place.idle[guest] = None

    def leave(self, guest: G) -> None:
        """The connection is no more, or as good as that."""
        if guest not in self._there:
            return
        self.work(guest)
        self._there.discard(guest)
        for place in self._places(guest):
            place.number -= 1
        if not self._homes[guest.address].number:
            del self._homes[guest.address]

    def _places(self, guest: G) -> tuple[_Home[G], _Home[G]]:
        return self._all, self._homes[guest.address]


def _longest(home: _Home[G]) -> G | None:
    return next(iter(home.strangers), None) or next(iter(home.idle), None)
