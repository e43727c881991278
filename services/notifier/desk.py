"""The desk: what people do with cases, for the console and the API. Every action names its actor.

The console is built by `services.notifier.console.app:build_console(desk: Desk) -> an ASGI app`;
`serve` mounts it at "/". The desk's methods block on the database: call them from sync endpoints (`def`, no `async`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from schemas.cases import Decision
from schemas.warnings import Bilingual
from services.notifier import accounts, findings, holding, store, undelivered, working
from services.notifier.actions import Acknowledge, Action, Close, Comment, DecideReview, Join, OpenReview
from services.notifier.clerk import Clerk
from services.notifier.holds import Hold, against, may_hold
from services.notifier.lists import may_finish
from services.notifier.lookup import Lookup
from services.notifier.people import Directory, Person
from services.notifier.recording import SERVICE, Origin
from services.notifier.views import (
    Account,
    CaseFilter,
    CaseLine,
    CaseView,
    CustomerView,
    FindingView,
    InboxView,
    Refusal,
    Rejected,
    Session,
    SuggestionView,
    Summary,
    TaskView,
    TodoView,
    UndeliveredView,
)


class DeskError(Exception):
    """Base of what the desk says no to. `reasons` are sentences in both languages, with stable codes."""

    def __init__(self, *reasons: Refusal) -> None:
        super().__init__(" ".join(reason.text.en for reason in reasons))
        self.reasons = reasons


class NotFound(DeskError):
    """There is no such case, task or message."""


class Refused(DeskError):
    """The action is not possible now, or not for this person; `reasons` lists every one."""


class SignInFailed(DeskError):
    """Name and password do not go together. Says the same for an unknown name."""


class AccountInvalid(DeskError):
    """The account cannot be made: its name is taken or malformed, its person unknown, its password too short."""


class Desk:
    """Reads and actions; `actor` is a person's id. Actions raise NotFound or Refused."""

    def __init__(self, clerk: Clerk, origin: Origin = SERVICE) -> None:
        """`origin`: from where whoever uses this desk comes, for the ledger."""
        self._clerk = clerk
        self._origin = origin
        self._database = clerk.database

    @property
    def directory(self) -> Directory:
        """The newest directory."""
        return self._clerk.directory

    def coming_from(self, origin: Origin) -> Desk:
        """The same desk for somebody who comes from there."""
        found = copy(self)
        found._origin = origin  # noqa: SLF001 - another of us
        return found

    def now(self) -> datetime:
        """The notifier's clock."""
        return self._clerk.now()

    def summary(self) -> Summary:
        """Counts for the start page and for who waits until the system has worked something off."""
        with self._looking() as look:
            return look.summary()

    def person(self, person_id: str) -> Person | None:
        """Somebody of the directory."""
        return self.directory.people.get(person_id)

    def list_cases(self, wanted: CaseFilter) -> list[CaseLine]:
        """Cases that match, newest first."""
        with self._looking() as look:
            return look.cases(wanted)

    def get_case(self, case_id: str) -> CaseView:
        """Everything about one case."""
        with self._looking() as look:
            case = store.find_case(look.tx, case_id)
            if case is None:
                raise _no_case(case_id)
            return replace(look.case(case), work=working.work_of(look, case))

    def do(self, case_id: str, action: Action) -> None:
        """Any action; those below are the common ones."""
        self._act(case_id, action)

    def acknowledge(self, case_id: str, actor: str) -> None:
        """The actor has seen the case. This does not stop the review's clock."""
        self._act(case_id, Acknowledge(actor))

    def open_review(self, case_id: str, actor: str) -> None:
        """A superior takes the review up: the running clocks stop."""
        self._act(case_id, OpenReview(actor))

    def decide_review(self, case_id: str, actor: str, decision: Decision, note: str) -> None:
        """A superior's verdict, with a note that says why."""
        self._act(case_id, DecideReview(actor, decision, note))

    def join(self, case_id: str, actor: str, department: str, note: str = "") -> None:
        """A department takes part in the intervention."""
        self._act(case_id, Join(actor, department, note))

    def comment(self, case_id: str, actor: str, text: str) -> None:
        """A note on the timeline."""
        self._act(case_id, Comment(actor, text))

    def close(self, case_id: str, actor: str, decision: Decision, reason: str) -> None:
        """End the case; Refused lists everything that is missing."""
        self._act(case_id, Close(actor, decision, reason))

    def list_tasks(self, person: str | None = None, *, finished: bool = False) -> list[TaskView]:
        """Tasks of one person, or of everybody: the open ones, newest first; also the `finished` ones."""
        with self._looking() as look:
            return findings.list_tasks(look, person, finished=finished)

    def list_todos(self, person: str) -> list[TodoView]:
        """What a person has to do about open cases, the first due first."""
        with self._looking() as look:
            return working.todos_of(look, person)

    def find(self, warning_id: str) -> FindingView:
        """A task or a suggestion with its history; NotFound when the notifier has never heard of it."""
        with self._looking() as look:
            found = findings.find(look, warning_id)
        if found is None:
            raise NotFound(_reason("no_finding", "没有这一条。", "There is no such finding."))
        return found

    def list_suggestions(self, owner: str | None = None) -> list[SuggestionView]:
        """Suggestions that hold, newest first, about the customers of `owner` or all."""
        with self._looking() as look:
            return findings.suggestions(look, owner)

    def get_customer(self, customer_id: str) -> CustomerView:
        """Everything about one customer; NotFound for one that nobody has ever heard of."""
        with self._looking() as look:
            found = findings.customer(look, customer_id)
        if found is None:
            raise NotFound(_reason("no_customer", "没有这个客户。", "There is no such customer."))
        return found

    def list_rejected(self) -> list[Rejected]:
        """Records of the warnings topic that could not be kept, newest first."""
        with self._looking() as look:
            return findings.rejected(look)

    def list_undelivered(self, *, handled: bool = False, limit: int = 200) -> list[UndeliveredView]:
        """Pages that could not be delivered and wait for a decision, or those about which somebody has decided."""
        with self._looking() as look:
            return undelivered.listed(look.tx, self.directory, handled=handled, limit=limit)

    def send_again(self, page_id: int, by: str, note: str = "") -> None:
        """Have an undelivered page sent again. Raises Refused."""
        with self._database.writing() as tx:
            _unless(undelivered.retry(tx, page_id, by, note, self.now()))

    def drop_page(self, page_id: int, by: str, reason: str) -> None:
        """Nobody will send it. Raises Refused, also where no reason is given."""
        with self._database.writing() as tx:
            _unless(undelivered.drop(tx, page_id, by, reason, self.now()))

    def finish_task(self, task_id: str, actor: str) -> None:
        """The task is done, for all of its people. NotFound when it is not open (any more); Refused to all but them and
        who is above one of them."""
        with self._database.writing() as tx:
            finish_within(tx, self._clerk, task_id, actor, self._origin)

    def list_holds(self, customer_id: str | None = None, *, over: bool = False) -> list[holding.Listed]:
        """Holds of one customer or of all: those that count, the next to end first; also those that are `over`."""
        with self._database.reading() as tx:
            return holding.listed(tx, self.directory, self.now(), customer_id, over=over)

    def hold(self, hold: Hold, *, by_operator: bool = False) -> None:
        """Pages about (rule, customer) are kept back from now on. Refused lists everything that is wrong with it."""
        with self._database.writing() as tx:
            reviewed = holding.demands_review(tx, hold.rule, hold.customer_id)
            reasons = against(hold, self.directory, self.now(), by_operator=by_operator, reviewed=reviewed)
            if reasons:
                raise Refused(*reasons)
            holding.begin(tx, hold)

    def lift_hold(self, hold_id: str, actor: str, *, by_operator: bool = False) -> None:
        """It ends now, and what still holds pages. NotFound when it is over; Refused to who could not have made it."""
        with self._database.writing() as tx:
            hold = holding.find(tx, hold_id)
            allowed = may_hold(hold.kind, hold.customer_id, self.directory) if hold is not None else ()
            if hold is not None and not by_operator and actor not in (*allowed, hold.author):
                zh, en = "只有能设置它的人可以解除它。", "Only those who could have made it can lift it."
                raise Refused(_reason("not_your_customer", zh, en))
            if hold is None or not holding.lift(tx, hold, actor, self.now()):
                raise NotFound(_reason("no_hold", "没有这项生效的暂缓。", "There is no such hold that counts."))

    def inbox(self, person: str, limit: int = 100) -> list[InboxView]:
        """The person's local inbox, newest first."""
        with self._looking() as look:
            return look.inbox(person, limit)

    def mark_read(self, message_id: int, person: str) -> None:
        """NotFound when the person has no such message."""
        with self._database.writing() as tx:
            if not Lookup(tx, self.directory, self.now()).mark_read(message_id, person):
                raise NotFound(_reason("no_message", "没有这条消息。", "There is no such message."))

    def create_user(self, name: str, person: str, password: str) -> Account:
        """A console account that acts as `person`; raises AccountInvalid with every reason."""
        problems = list(self._account_problems(name, person, password))
        if problems:
            raise AccountInvalid(*problems)
        account, password_hash = Account(name, person), accounts.hash_password(password)
        with self._database.writing() as tx:
            if not accounts.add(tx, account, password_hash, self.now()):
                raise AccountInvalid(_reason("name_taken", "用户名已被占用。", f'The name "{name}" is taken.'))
        return account

    def authenticate(self, name: str, password: str) -> Account:
        """The account; raises SignInFailed. Takes tens of milliseconds, for an unknown name as well."""
        with self._database.reading() as tx:
            account = accounts.verify(tx, name, password)
        if account is None:
            raise SignInFailed(_reason("sign_in", "用户名或密码不正确。", "Name and password do not go together."))
        return account

    def open_session(self, account: Account) -> Session:
        """A new session of 12 hours."""
        with self._database.writing() as tx:
            return accounts.open_session(tx, account, self.now())

    def make_token(self, name: str, lasting: timedelta) -> Session:
        """A token for a program that acts in the account's name; raises AccountInvalid for an unknown account."""
        with self._database.writing() as tx:
            account = accounts.find(tx, name)
            if account is None:
                raise AccountInvalid(_reason("no_account", "没有这个用户名。", f'There is no account "{name[:50]}".'))
            return accounts.open_session(tx, account, self.now(), lasting)

    def session(self, token: str) -> Session | None:
        """The session of a cookie's token; None when it is unknown or has expired."""
        with self._database.reading() as tx:
            return accounts.find_session(tx, token, self.now())

    def close_session(self, token: str) -> None:
        """Sign out."""
        with self._database.writing() as tx:
            accounts.close_session(tx, token)

    @contextmanager
    def _looking(self) -> Iterator[Lookup]:
        with self._database.reading() as tx:
            yield Lookup(tx, self.directory, self.now())

    def _act(self, case_id: str, action: Action) -> None:
        outcome = self._clerk.act(case_id, action, self._origin)
        if outcome is None:
            raise _no_case(case_id)
        if outcome.refusals:
            raise Refused(*outcome.refusals)

    def _account_problems(self, name: str, person: str, password: str) -> Iterator[Refusal]:
        if not accounts.NAME.fullmatch(name):
            wanted = "a-z 0-9 . _ -"
            yield _reason("name", f"用户名最多 50 个字符，只能含 {wanted}。", f"A name has at most 50 of {wanted}.")
        if person not in self.directory.people:
            yield _reason("person", f"通讯录中没有 {person}。", f'"{person}" is not in the directory.')
        low, high = accounts.MIN_PASSWORD, accounts.MAX_PASSWORD
        if not low <= len(password) <= high:
            yield _reason(
                "password", f"密码须有 {low} 到 {high} 个字符。", f"A password has {low} to {high} characters."
            )


def finish_within(tx: Connection, clerk: Clerk, task_id: str, actor: str, origin: Origin) -> None:
    """Desk.finish_task in a transaction of the caller's."""
    people = store.task_people(tx, task_id)
    if not people:
        raise NotFound(_reason("no_task", "没有这项未完成的待办。", "There is no such open task."))
    if not any(actor in may_finish(person, clerk.now(), clerk.directory) for person in people):
        zh = "只有这项待办的负责人或其上级可以完成它。"
        raise Refused(_reason("not_your_task", zh, "Only the person whose task it is, or a superior, can finish it."))
    store.finish_task(tx, task_id, actor, clerk.now(), origin)


def _unless(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Refused(refusal)


def _no_case(case_id: str) -> NotFound:
    return NotFound(_reason("no_case", "没有这个案件。", f"There is no case {case_id[:50]}."))


def _reason(code: str, zh: str, en: str) -> Refusal:
    return Refusal(code, Bilingual(zh=zh, en=en))
