"""The desk: what people do with cases, for the console and the API. Every action names its actor.

The console is built by `services.notifier.console.app:build_console(desk: Desk) -> an ASGI app`;
`serve` mounts it at "/". The desk's methods block on the database: call them from sync endpoints (`def`, no `async`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from schemas.cases import Decision
from services.notifier.people import Person
from services.notifier.views import (
    Account,
    CaseFilter,
    CaseLine,
    CaseView,
    InboxView,
    Refusal,
    Session,
    Summary,
    TaskView,
)


class DeskError(Exception):
    """Base of what the desk says no to. `reasons` are sentences in both languages, with stable codes."""

    def __init__(self, *reasons: Refusal) -> None:
        super().__init__("; ".join(reason.text.en for reason in reasons))
        self.reasons = reasons


class NotFound(DeskError):
    """There is no such case, task or message."""


class Refused(DeskError):
    """The action is not possible now, or not for this person; `reasons` lists every one."""


class SignInFailed(DeskError):
    """Name and password do not go together. Says the same for an unknown name."""


class AccountInvalid(DeskError):
    """The account cannot be made: its name is taken or malformed, its person unknown, its password too short."""


class Desk(Protocol):
    """Reads and actions; `actor` is a person's id. Actions raise NotFound or Refused."""

    def now(self) -> datetime: ...
    def summary(self) -> Summary: ...
    def person(self, person_id: str) -> Person | None: ...
    def list_cases(self, wanted: CaseFilter) -> list[CaseLine]: ...
    def get_case(self, case_id: str) -> CaseView: ...
    def acknowledge(self, case_id: str, actor: str) -> None: ...
    def open_review(self, case_id: str, actor: str) -> None: ...
    def decide_review(self, case_id: str, actor: str, decision: Decision, note: str) -> None: ...
    def join(self, case_id: str, actor: str, department: str, note: str = "") -> None: ...
    def comment(self, case_id: str, actor: str, text: str) -> None: ...
    def close(self, case_id: str, actor: str, decision: Decision, reason: str) -> None: ...
    def list_tasks(self, person: str | None = None) -> list[TaskView]: ...
    def finish_task(self, task_id: str, actor: str) -> None: ...
    def inbox(self, person: str, limit: int = 100) -> list[InboxView]: ...
    def mark_read(self, message_id: int, person: str) -> None: ...
    def create_user(self, name: str, person: str, password: str) -> Account: ...
    def authenticate(self, name: str, password: str) -> Account: ...
    def open_session(self, account: Account) -> Session: ...
    def session(self, token: str) -> Session | None: ...
    def close_session(self, token: str) -> None: ...
