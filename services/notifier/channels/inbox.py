"""The local inbox: rows that the console shows, and a line of JSON for each in a log. Nothing leaves the machine."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from services.common.clock import Now
from services.common.database import Database
from services.notifier import tables
from services.notifier.channels.base import Accepted, Message, TryLater
from services.notifier.channels.limits import Limits
from services.notifier.people import Person

_KNOWN = select(tables.inbox.c.key, tables.inbox.c.id).where(tables.inbox.c.key.in_(bindparam("keys", expanding=True)))
_ADD = insert(tables.inbox)


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
            return bool(_numbers(tx, [key]))

    def send(self, message: Message) -> Accepted:
        """Keeps the message once, however often it is sent. TryLater when the log cannot be written."""
        (accepted,) = self.send_all([message])
        return accepted

    def send_all(self, messages: Sequence[Message]) -> Sequence[Accepted]:
        """In one transaction, or none of them; otherwise as `send`."""
        try:
            kept = self._keep({message.key: message for message in messages})
        except OSError as error:
            reason = f"收件箱日志无法写入 / the inbox log cannot be written: {error.strerror}"
            raise TryLater(reason, everyone=True) from error
        return [Accepted(f"inbox-{kept[message.key]}") for message in messages]

    def _keep(self, messages: Mapping[str, Message]) -> dict[str, int]:
        """Their numbers."""
        at = self._now()
        with self._database.writing() as tx:
            known = _numbers(tx, messages)
            rows = [_row(message, at) for key, message in messages.items() if key not in known]
            if not rows:
                return known
            tx.execute(_ADD, rows)
            known |= _numbers(tx, [row["key"] for row in rows])
            # Inside the transaction: a page without its log line is worse than a line twice after a crash.
            self._log([{"id": known[row["key"]], **row, "at": at.isoformat()} for row in rows])
        return known

    def _log(self, lines: Sequence[Mapping[str, object]]) -> None:
        with self._log_file.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _row(message: Message, at: datetime) -> dict[str, Any]:
    about = {"key": message.key, "person": message.to.id, "case_id": message.case_id, "at": at}
    return {**about, "subject": message.subject, "text": message.text}


def _numbers(tx: Connection, keys: Collection[str]) -> dict[str, int]:
    """Of those that are there."""
    return {row.key: row.id for row in tx.execute(_KNOWN, {"keys": list(keys)})}
