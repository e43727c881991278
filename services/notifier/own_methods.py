"""A person's own contact methods: how each address stands, codes that prove it, and tests. For the console."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.common.clock import Now, wall_now
from services.common.database import Database
from services.notifier import directory_store
from services.notifier.button import Button
from services.notifier.channels.base import Channel
from services.notifier.channels.trying import Tried
from services.notifier.codes import Answer, attempts_left
from services.notifier.directory_entries import method_id
from services.notifier.directory_showing import masked
from services.notifier.people import Method, Source, newest
from services.notifier.throttle import Throttle
from services.notifier.verifying import Verifier


@dataclass(frozen=True)
class MethodView:
    """An address as its person sees it. `key` names it in forms; `shown` is shortened. `proved_at`: by a code; None
    while it is not proved, and where the directory vouches for it. `through` are the channels that are set up for it,
    the one that codes go by first. `code_until`: a code was sent and works until then, for `attempts_left` more tries.
    """

    key: str
    channel: str
    shown: str
    verified: bool
    proved_at: datetime | None
    through: tuple[str, ...]
    code_until: datetime | None
    attempts_left: int


class NoSuchAddress(LookupError):
    """The person has no address of that key (any more)."""


class OwnMethods:
    """`button` and `verifier` must be those of the API, so that what one lets through counts with the other. `changed`
    is called after a proof, so that this process sees it at once."""

    def __init__(
        self,
        database: Database,
        people: Source,
        channels: Mapping[str, Channel],
        verifier: Verifier,
        button: Button,
        changed: Callable[[], object],
    ) -> None:
        self._database = database
        self._people = people
        self._channels = channels
        self.verifier = verifier
        self.button = button
        self._changed = changed

    def of(self, person_id: str, now: datetime) -> list[MethodView]:
        """All of a person's addresses, in the directory's order; none for a stranger."""
        methods = self._methods(person_id)
        names = [method_id(person_id, one.channel, one.address) for one in methods]
        with self._database.reading() as tx:
            proofs = directory_store.proofs(tx, names)
        return [self._view(person_id, one, proofs.get(name), now) for one, name in zip(methods, names, strict=True)]

    def send_code(self, person_id: str, key: str) -> Answer:
        """A code to that address. Raises NoSuchAddress."""
        method = self._method(person_id, key)
        return self.verifier.send(person_id, method.channel, method.address)

    def confirm(self, person_id: str, key: str, code: str) -> Answer:
        """The code that was read there. Raises NoSuchAddress."""
        method = self._method(person_id, key)
        answer = self.verifier.confirm(person_id, method.channel, code, method.address)
        if answer is Answer.CONFIRMED:
            self._changed()
        return answer

    def test(self, person_id: str, key: str, channel: str) -> Tried:
        """A test message to that address by one of its channels. Raises NoSuchAddress, and NoSuchMethod where that
        channel is none of them."""
        method = self._method(person_id, key)
        wanted = channel if channel in self._through(method) else method.channel
        return self.button.press(person_id, wanted, method.address)

    def _methods(self, person_id: str) -> tuple[Method, ...]:
        person = newest(self._people).people.get(person_id)
        return person.methods if person is not None else ()

    def _method(self, person_id: str, key: str) -> Method:
        for method in self._methods(person_id):
            if key_of(method) == key:
                return method
        raise NoSuchAddress(key[:40])

    def _view(self, person_id: str, method: Method, proved_at: datetime | None, now: datetime) -> MethodView:
        code = None if method.verified else self.verifier.last_code(person_id, method)
        left = attempts_left(code, now)
        return MethodView(
            key=key_of(method),
            channel=method.channel,
            shown=masked(method),
            verified=method.verified,
            proved_at=proved_at if method.verified else None,
            through=tuple(self._through(method)),
            code_until=code.expires_at if code is not None and left else None,
            attempts_left=left,
        )

    def _through(self, method: Method) -> Iterable[str]:
        """As verifier and button choose: the channel of that name, else those of that kind."""
        if method.channel in self._channels:
            return (method.channel,)
        return tuple(name for name, channel in self._channels.items() if channel.kind == method.channel)


def key_of(method: Method) -> str:
    """Names an address in a form without telling it."""
    return hashlib.sha256(f"{method.channel}\0{method.address}".encode()).hexdigest()[:32]


def open_methods(
    database: Database,
    people: Source,
    now: Now,
    channels: Iterable[Channel],
    changed: Callable[[], object],
    wall: Now = wall_now,
) -> OwnMethods:
    """With a verifier and a button on these channels. `now` is people's clock, `wall` that of the providers."""
    by_name = {channel.name: channel for channel in channels}
    verifier = Verifier(database, people, now, by_name, wall=wall)
    button = Button(by_name, people, now, Throttle(database, wall))
    return OwnMethods(database, people, by_name, verifier, button, changed)
