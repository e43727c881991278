"""A notifier without Kafka or web, for tests: its clock stands until the test moves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from services.notifier.channels.base import Accepted, Channel, Message
from services.notifier.channels.inbox import InboxChannel
from services.notifier.channels.limits import Limits
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.dispatcher import Dispatcher
from services.notifier.grouping import Manners
from services.notifier.messages import Letters
from services.notifier.people import Person
from services.notifier.tables import open_database, pages
from services.notifier.views import CaseFilter
from tests.support.databases import open_migrated
from tests.unit.notifier.making import DIRECTORY, NOON

AT_ONCE = Manners(window=timedelta(0), gather=timedelta(0))
"""Many pages are a digest that waits for nothing."""


class Scripted:
    """A channel that does what the script says, in turn, and then accepts."""

    name = "webhook"
    kind = "webhook"
    limits = Limits()

    def __init__(self) -> None:
        self.script: list[BaseException] = []
        self.sent: list[Message] = []
        self.during: Callable[[], None] = lambda: None

    def scope(self, message: Message) -> str:
        return self.name

    def cost(self, message: Message) -> int:
        return 1

    def reaches(self, person: Person) -> bool:
        return True

    def has_sent(self, key: str) -> bool | None:
        return None

    def send(self, message: Message) -> Accepted:
        self.sent.append(message)
        self.during()
        if self.script:
            raise self.script.pop(0)
        return Accepted(f"id-{len(self.sent)}")


class Office:
    """A notifier without Kafka or web: file warnings, let time pass, dispatch."""

    def __init__(self, folder: Path, settle: timedelta = timedelta(0)) -> None:
        self.at = NOON
        self.log = folder / "inbox.jsonl"
        self.database = open_migrated(open_database, folder / "office.db")
        self.clerk = Clerk(self.database, DIRECTORY, self.now, channels=("webhook",), settle=settle)
        self.desk = Desk(self.clerk)
        self.channel = Scripted()
        self.dispatcher = self.through(self.channel)
        self.inbox = self.through(InboxChannel(self.database, self.log, self.now))

    def now(self) -> datetime:
        return self.at

    def through(self, channel: Channel) -> Dispatcher:
        letters = Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai"))
        return Dispatcher(self.database, channel, letters, self.now, manners=AT_ONCE)

    def pass_seconds(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def states(self, channel: str = "webhook") -> list[str]:
        with self.database.reading() as tx:
            query = select(pages.c.state).where(pages.c.channel == channel).order_by(pages.c.id)
            return list(tx.execute(query).scalars())

    def keys(self, channel: str = "webhook") -> list[str]:
        with self.database.reading() as tx:
            return list(
                tx.execute(select(pages.c.key).where(pages.c.channel == channel).order_by(pages.c.id)).scalars()
            )

    def subjects(self, person: str) -> list[str]:
        return [message.subject for message in reversed(self.desk.inbox(person))]

    def the_case(self) -> str:
        """The only one there is, open or closed."""
        (line,) = self.desk.list_cases(CaseFilter(status=None))
        return line.id
