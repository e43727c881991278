"""The local inbox: rows that the console shows, and a line of JSON for each in a log. Nothing leaves the machine."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import insert, select

from services.common.clock import Now
from services.common.database import Database
from services.notifier import tables
from services.notifier.channels.base import Accepted, Message, TryLater
from services.notifier.channels.limits import Limits
from services.notifier.people import Person


class InboxChannel:
    """Always there, whatever else is configured."""

    name = "inbox"
    kind = "inbox"
    limits = Limits()

    def __init__(self, database: Database, log_file: Path, now: Now) -> None:
        self._database = database
        self._log_file = log_file
        self._now = now

    def scope(self, message: Message) -> str:
        """One for all."""
        return self.name

    def cost(self, message: Message) -> int:
        """One message is one."""
        return 1

    def reaches(self, person: Person) -> bool:
        """Everybody."""
        return True

    def has_sent(self, key: str) -> bool:
        """The inbox knows what it has."""
        with self._database.reading() as tx:
            return tx.execute(select(tables.inbox.c.id).where(tables.inbox.c.key == key)).first() is not None

    def send(self, message: Message) -> Accepted:
        """Keeps the message once, however often it is sent. TryLater when the log cannot be written."""
        try:
            return self._keep(message)
        except OSError as error:
            reason = f"收件箱日志无法写入 / the inbox log cannot be written: {error.strerror}"
            raise TryLater(reason, everyone=True) from error

    def _keep(self, message: Message) -> Accepted:
        at = self._now()
        with self._database.writing() as tx:
            known = tx.execute(select(tables.inbox.c.id).where(tables.inbox.c.key == message.key)).scalar()
            if known is not None:
                return Accepted(f"inbox-{known}")
            row = {"key": message.key, "person": message.to.id, "case_id": message.case_id, "at": at}
            content = {"subject": message.subject, "text": message.text}
            added = insert(tables.inbox).values(**row, **content).returning(tables.inbox.c.id)
            number = tx.execute(added).scalar_one()
            # Inside the transaction: a page without its log line is worse than a line twice after a crash.
            self._log({"id": number, **row, **content, "at": at.isoformat()})
        return Accepted(f"inbox-{number}")

    def _log(self, line: dict[str, object]) -> None:
        with self._log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
