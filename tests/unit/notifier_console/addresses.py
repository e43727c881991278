"""The people of the scene with addresses to prove and to try, and what is sent there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.notifier.button import Button
from services.notifier.channels.base import Accepted, Channel, Message, NotSent
from services.notifier.channels.limits import UNLIMITED
from services.notifier.directory_entries import Said
from services.notifier.directory_import import take_in
from services.notifier.directory_live import LiveDirectory
from services.notifier.own_methods import OwnMethods
from services.notifier.people import Person
from services.notifier.throttle import Throttle
from services.notifier.verifying import Verifier
from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.scene import DIRECTORY

ROBOT, MEMBER, PAGER = "13800138000", "LiNaAtWork", "li.na.pager"


@dataclass
class Provider:
    """Takes what it is given, unless it has a problem."""

    name: str
    kind: str
    limits = UNLIMITED
    problem: NotSent | None = None
    unverified: bool = False
    sent: list[Message] = field(default_factory=list)

    def scope(self, message: Message) -> str:
        return self.name

    def cost(self, message: Message) -> int:
        return 1

    def reaches(self, person: Person) -> bool:
        return person.reached_by(self.kind) is not None

    def has_sent(self, key: str) -> bool | None:
        return None

    def send(self, message: Message) -> Accepted:
        if self.problem is not None:
            raise self.problem
        self.sent.append(message)
        return Accepted("1", verified=not self.unverified)


class Addresses:
    """Everybody of the scene in the database's directory; Li Na has an address that the directory vouches for, two that
    are to be proved, and one that no channel is there for. Two robots of one kind are set up."""

    def __init__(self, office: Office) -> None:
        database, now = office.clerk.database, lambda: office.now
        with database.writing() as tx:
            take_in(tx, "hr", list(_said()), office.now, "test")
        self.live = LiveDirectory(database)
        office.clerk.people = self.live
        self.mail, self.member = Provider("email", "email"), Provider("wecom", "wecom_app")
        self.robots = Provider("sales-group", "dingtalk"), Provider("board", "dingtalk")
        channels: dict[str, Channel] = {one.name: one for one in (self.mail, self.member, *self.robots)}
        codes = (f"{number:06}" for number in range(100, 200))
        verifier = Verifier(database, self.live, now, channels, lambda: next(codes), now)
        button = Button(channels, self.live, now, Throttle(database, now))
        self.methods = OwnMethods(database, self.live, channels, verifier, button, self.live.refresh)


def _said() -> Iterator[Said]:
    yield Said("fallback", "fallback", {"person": DIRECTORY.fallback})
    for person in DIRECTORY.people.values():
        addresses = (("wecom_app", MEMBER), ("dingtalk", ROBOT), ("pagerduty", PAGER)) if person.id == "li.na" else ()
        body = {
            "name": person.name,
            "department": person.department,
            "language": person.language,
            "reports_to": person.reports_to,
            "email": person.email,
            "methods": [{"channel": channel, "address": address} for channel, address in addresses],
        }
        yield Said("person", person.id, {key: value for key, value in body.items() if value})
    for customer in DIRECTORY.customers.values():
        yield Said("customer", customer.id, {"name": customer.name, "region": customer.region})
        yield Said("owner", customer.id, {"owner": customer.owner})
