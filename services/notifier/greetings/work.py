"""Sends the greetings that are due, one worker's work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from services.common.clock import Now
from services.common.database import Database
from services.notifier.channels.base import Channel, FateUnknown, Message, NotSent, TryLater
from services.notifier.channels.saying import without_contacts
from services.notifier.greetings import store
from services.notifier.greetings.deciding import Contact, Occasion, Signer, Verdict, decide, whom, write
from services.notifier.greetings.file import Greetings
from services.notifier.people import Directory, Person

log = logging.getLogger(__name__)

PAUSE_S = 60.0
INTERRUPTED_AFTER = timedelta(minutes=10)
"""Longer than any attempt takes: whoever was sending then is not sending now."""
_WRITTEN_DOWN = (Verdict.BY_HAND, Verdict.MOURNING, Verdict.NO_CONTACT, Verdict.NOT_WELCOME, Verdict.NOBODY_SIGNS)


class Greeter:
    """`directory` gives the newest; `channel` is e-mail, and none that pages people."""

    def __init__(
        self,
        database: Database,
        channel: Channel,
        greetings: Greetings,
        directory: Callable[[], Directory],
        now: Now,
        zone: ZoneInfo,
    ) -> None:
        self._database = database
        self._channel = channel
        self._greetings = greetings
        self._directory = directory
        self._now = now
        self._zone = zone

    def step(self) -> bool:
        """Send what is due now; True when something was sent."""
        with self._database.writing() as tx:
            store.give_up_interrupted(tx, self._now(), INTERRUPTED_AFTER)
        with self._database.reading() as tx:
            found = store.occasions(tx, self._now(), self._greetings.lead_days, self._zone)
        return sum(map(self._greet, found)) > 0

    def look(self) -> list[tuple[Occasion, Verdict]]:
        """What would be done now; sends nothing."""
        with self._database.reading() as tx:
            found = store.occasions(tx, self._now(), self._greetings.lead_days, self._zone)
            return [(occasion, self._decide(tx, occasion)[0]) for occasion in found]

    def _greet(self, occasion: Occasion) -> bool:
        with self._database.writing() as tx:
            verdict, contact, signer = self._decide(tx, occasion)
            if verdict is not Verdict.SEND or contact is None:
                if verdict in _WRITTEN_DOWN:
                    store.note(tx, occasion, "skipped", verdict, self._now())
                return False
            if not store.claim(tx, occasion, signer.id if signer else None, self._now()):
                return False
        self._send(occasion, contact, signer)
        return True

    def _decide(self, tx: Connection, occasion: Occasion) -> tuple[Verdict, Contact | None, Signer | None]:
        contact = whom(occasion, self._greetings.contacts)
        signer = self._signer(tx, occasion.customer_id)
        local = self._now().astimezone(self._zone)
        mourned = store.mourned(tx, occasion.customer_id)
        return decide(occasion, contact, self._greetings.house, mourned, signer, local), contact, signer

    def _signer(self, tx: Connection, customer_id: str) -> Signer | None:
        """The customer's owner, when their newest word about it is yes. Nobody signs for who stands in."""
        directory = self._directory()
        line = directory.responsible(customer_id)
        person = directory.people.get(line.owner)
        if not line.assigned or person is None or not store.has_agreed(tx, person.id):
            return None
        return Signer(person.id, person.name, person.email)

    def _send(self, occasion: Occasion, contact: Contact, signer: Signer | None) -> None:
        state, told = self._sent(occasion, contact, signer)
        with self._database.writing() as tx:
            said = {"provider_id": told} if state == "accepted" else {"error": told}
            by = signer.id if signer else None
            store.note(tx, occasion, state, Verdict.SEND, self._now(), signer=by, **said)
        # Neither who nor where: a log is no place for customers' contacts.
        log.info("greeting for %s: %s", occasion.warning_id, state)

    def _sent(self, occasion: Occasion, contact: Contact, signer: Signer | None) -> tuple[str, str]:
        greeting = write(occasion, contact, self._greetings.house, signer)
        to = Person(contact.id, contact.name, "", contact.language, None, contact.email)
        reply_to = signer.email if signer else None
        key = f"greeting/{occasion.warning_id}"
        message = Message(key, to, greeting.subject, greeting.text, greeting.html, reply_to=reply_to)
        try:
            return "accepted", self._channel.send(message).provider_id
        except NotSent as reason:
            # A server repeats the address that it refuses.
            return _state_after(reason), without_contacts(str(reason), message)


def _state_after(reason: NotSent) -> str:
    if isinstance(reason, TryLater):
        return "later"
    return "uncertain" if isinstance(reason, FateUnknown) else "failed"
