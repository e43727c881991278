"""The real desk on a SQLite of the test's own, with the scene's warnings in it and their pages in the local inbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from services.notifier.channels.base import Accepted, FateUnknown, Message
from services.notifier.channels.inbox import InboxChannel
from services.notifier.channels.limits import UNLIMITED
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.dispatcher import Dispatcher
from services.notifier.messages import Letters
from services.notifier.people import Person
from services.notifier.tables import open_database
from services.notifier.views import CaseFilter
from services.notifier.words import load_words
from tests.support.databases import open_migrated
from tests.unit.notifier_console.scene import DIRECTORY, NOW, PASSWORD, everything

SHANGHAI = ZoneInfo("Asia/Shanghai")


class LostAnswer:
    """A channel whose provider never tells whether it has taken a message over."""

    name = "email"
    kind = "email"
    limits = UNLIMITED

    def scope(self, message: Message) -> str:
        return self.name

    def cost(self, message: Message) -> int:
        return 1

    def reaches(self, person: Person) -> bool:
        return True

    def has_sent(self, key: str) -> bool | None:
        return None

    def send(self, message: Message) -> Accepted:
        raise FateUnknown(f"the connection broke after the message to {message.to.name} was handed over")


@dataclass
class Office:
    """The desk, and its clock in `now`."""

    desk: Desk
    clerk: Clerk
    data_dir: Path
    now: datetime = NOW

    def deliver(self) -> None:
        """Sends what waits in the outbox: to the inbox, and by e-mail to those with an address."""
        letters = Letters(DIRECTORY, "http://console.test", SHANGHAI, load_words())
        for channel in (InboxChannel(self.clerk.database, self.data_dir / "inbox.jsonl", self.clerk.now), LostAnswer()):
            dispatcher = Dispatcher(self.clerk.database, channel, letters, self.clerk.now)
            while dispatcher.round():
                pass

    def case_of(self, customer_id: str) -> str:
        """The id of the customer's newest case."""
        return self.desk.list_cases(CaseFilter(status=None, text=customer_id))[0].id

    def warn_everything(self) -> None:
        """The scene happens, and the clock stands at its end."""
        for at, warning in everything():
            self.now = at
            self.clerk.tick()
            self.clerk.file([warning])
            self.deliver()
        self.now = NOW
        self.clerk.tick()
        self.deliver()

    def hire(self, *people: str) -> None:
        """An account for each of these people, or for all, called as the person."""
        for name in people or DIRECTORY.people:
            self.desk.create_user(name, name, PASSWORD)


@contextmanager
def open_office(data_dir: Path) -> Iterator[Office]:
    """An office with nothing in it."""
    database = open_migrated(open_database, data_dir / "notifier.db")
    offices: list[Office] = []
    clerk = Clerk(database, DIRECTORY, lambda: offices[0].now, ("email",))
    offices.append(Office(Desk(clerk), clerk, data_dir))
    try:
        yield offices[0]
    finally:
        database.close()
