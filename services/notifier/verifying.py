"""Proves that an address is the person's: a code is sent there through its own channel, and somebody enters it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from sqlalchemy import Connection, delete, insert, select, update

from services.common.clock import Now, wall_now
from services.common.database import Database
from services.notifier import directory_store
from services.notifier.accounts import hash_password, password_matches
from services.notifier.channels.base import Channel, Message, NotSent, RateLimited
from services.notifier.channels.limits import Go, Wait
from services.notifier.codes import DIGITS, LIVES, Answer, Code, may_send, may_try, next_code, tried
from services.notifier.directory_entries import Said, method_id
from services.notifier.directory_tables import method_codes
from services.notifier.people import Method, Person, Source, newest
from services.notifier.throttle import Throttle

log = logging.getLogger(__name__)

CODES = "codes"
"""The source of what a code has proved."""


def random_code() -> str:
    """Six digits."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


class Verifier:
    """Sends codes and takes them. `channels` are those that are set up, by name."""

    def __init__(
        self,
        database: Database,
        people: Source,
        now: Now,
        channels: Mapping[str, Channel],
        make_code: Callable[[], str] = random_code,
        wall: Now = wall_now,
    ) -> None:
        self._database = database
        self._people = people
        self._now = now
        self._channels = channels
        self._make_code = make_code
        self._throttle = Throttle(database, wall)

    def send(self, person_id: str, channel: str, address: str | None = None) -> Answer:
        """Send a code to an address that the directory has for the person: the one named, or the first that is not
        verified on that channel. Nothing but a hash of it is kept."""
        person = newest(self._people).people.get(person_id)
        method = _method(person, channel, address)
        sender = self._sender(channel)
        if person is None or method is None or sender is None:
            return Answer.UNKNOWN_METHOD
        if method.verified:
            return Answer.VERIFIED_ALREADY
        name, code = method_id(person.id, channel, method.address), self._make_code()
        with self._database.reading() as tx:
            answer = may_send(_find(tx, name), self._now())
        message = _message(person, method, code, name)
        if answer is not Answer.SENT:
            return answer
        place = self._throttle.reserve(sender.limits, sender.scope(message), sender.cost(message), critical=False)
        if isinstance(place, Wait):
            return Answer.CHANNEL_FULL
        answer = self._begin(name, person.id, hash_password(code))
        return self._sent(sender, message, place) if answer is Answer.SENT else answer

    def _begin(self, name: str, person: str, digest: str) -> Answer:
        with self._database.writing() as tx:
            now, last = self._now(), _find(tx, name)
            answer = may_send(last, now)
            if answer is Answer.SENT:
                # Written first: a crash leaves a code that nobody has, never one that works and is not known.
                _keep(tx, next_code(last, name, person, digest, now))
            return answer

    def _sent(self, sender: Channel, message: Message, place: Go) -> Answer:
        """A code counts among the provider's messages as pages do, and must not take their place."""
        scope = sender.scope(message)
        try:
            sender.send(message)
        except NotSent as reason:
            if isinstance(reason, RateLimited):
                self._throttle.blocked(sender.limits, scope, reason.after_s)
            # Not the reason itself: a provider's words may repeat the address.
            log.warning("a code cannot be sent through %s: %s", sender.name, type(reason).__name__)
            return Answer.NOT_SENT
        finally:
            self._throttle.answered(scope, place.hold)
        return Answer.SENT

    def _sender(self, channel: str) -> Channel | None:
        """A method names what kind of channel it is for; of that kind there may be several."""
        named = self._channels.get(channel)
        return named or next((one for one in self._channels.values() if one.kind == channel), None)

    def last_code(self, person_id: str, method: Method) -> Code | None:
        """What is kept of the code that was sent there last, whether it still works or not."""
        with self._database.reading() as tx:
            return _find(tx, method_id(person_id, method.channel, method.address))

    def confirm(self, person_id: str, channel: str, code: str, address: str | None = None) -> Answer:
        """Take a code. After CONFIRMED the address is verified, for every notifier within seconds."""
        person = newest(self._people).people.get(person_id)
        method = _method(person, channel, address)
        if person is None or method is None:
            return Answer.UNKNOWN_METHOD
        name = method_id(person.id, channel, method.address)
        with self._database.writing() as tx:
            kept = _find(tx, name)
            answer = may_try(kept, self._now())
            if kept is None or answer is not Answer.CONFIRMED:
                return answer
            _keep(tx, tried(kept))
        if not password_matches(kept.digest, code.strip()):
            return Answer.WRONG
        with self._database.writing() as tx:
            taken = delete(method_codes).where(method_codes.c.method == name, method_codes.c.digest == kept.digest)
            if tx.execute(taken).rowcount == 0:
                return Answer.NO_CODE
            now = self._now()
            directory_store.claim(tx, CODES, [Said("verified", name, {"at": now.isoformat()})], now, person.id)
        return Answer.CONFIRMED


def _method(person: Person | None, channel: str, address: str | None) -> Method | None:
    if person is None:
        return None
    theirs = [one for one in person.methods if one.channel == channel and address in (None, one.address)]
    return next((one for one in theirs if not one.verified), theirs[0] if theirs else None)


_COLUMNS = [method_codes.c[name] for name in Code.__dataclass_fields__]


def _find(tx: Connection, name: str) -> Code | None:
    row = tx.execute(select(*_COLUMNS).where(method_codes.c.method == name)).first()
    return None if row is None else Code(*row)


def _keep(tx: Connection, code: Code) -> None:
    row = asdict(code)
    if tx.execute(update(method_codes).where(method_codes.c.method == code.method).values(**row)).rowcount == 0:
        tx.execute(insert(method_codes).values(**row))


def _message(person: Person, method: Method, code: str, name: str) -> Message:
    """To the one address that is to be proved, as if it were verified, and in the reader's language."""
    minutes = int(LIVES.total_seconds() // 60)
    if person.language == "zh":
        subject = "Bellwether 验证码"
        text = f"您的验证码是 {code}，{minutes} 分钟内有效。如非本人操作，请忽略本消息。"
    else:
        subject = "Bellwether: your code"
        text = f"Your code is {code}. It works for {minutes} minutes. If you did not ask for it, ignore this message."
    email = method.address if method.channel == "email" else None
    to = replace(person, email=email, methods=(replace(method, verified=True),))
    return Message(f"code:{name}:{secrets.token_hex(8)}", to, subject, text, f"<p>{text}</p>")
