"""What a link in a page may do: shown first, done once. Who has the link acts as the person it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, insert, or_, select

from schemas.warnings import Bilingual
from services.notifier import outbox, store
from services.notifier.actions import Acknowledge, Action, OpenReview
from services.notifier.case import Verdict
from services.notifier.clerk import Clerk
from services.notifier.delivering import Queued
from services.notifier.desk import NotFound, Refused, finish_within
from services.notifier.handing import FinishTask
from services.notifier.links import Link, LinkAction, form_holds, form_token, page_mark, read_token
from services.notifier.people import Person
from services.notifier.recording import Origin
from services.notifier.tables import link_uses, pages

USES_KEPT = timedelta(days=90)
"""Longer than any link is good for."""


@dataclass(frozen=True)
class Used:
    """The link was acted on, and what came of it."""

    at: datetime
    verdict: str


@dataclass(frozen=True)
class Offer:
    """What the page of a link shows: what the page told already, and no more. `form` is for its form alone."""

    action: LinkAction
    person: Person
    customer: str
    name: Bilingual
    paged_at: datetime
    used: Used | None
    form: str


class AlreadyUsed(Exception):
    """The link was acted on before: `used` tells when."""

    def __init__(self, used: Used) -> None:
        super().__init__("the link has been used")
        self.used = used


class FormTooOld(Exception):
    """The form does not come from the page of this link, or lay open for too long."""


class ActLinks:
    """Safe to share between threads. Without `secrets` every link is forged."""

    def __init__(self, clerk: Clerk, secrets: Sequence[bytes]) -> None:
        self._clerk = clerk
        self._secrets = tuple(secrets)

    def look(self, token: str) -> Offer:
        """Changes nothing: mail scanners follow links. Raises Forged, Expired, and NotFound when page or person are no
        more."""
        now = self._clerk.now()
        link = read_token(token, self._secrets, now)
        with self._clerk.database.reading() as tx:
            return self._offer(tx, link, form_token(token, self._secrets[0], now))

    def used(self, link: Link) -> Used | None:
        """Whether and when it was acted on; also of a link that has expired."""
        with self._clerk.database.reading() as tx:
            return _used(tx, link)

    def act(self, token: str, form: str, origin: Origin) -> Offer:
        """Do it, once; the link as it is from then on. Raises Forged, Expired, FormTooOld, AlreadyUsed, NotFound, and
        Refused with the reasons, and then the link is as good as before."""
        now = self._clerk.now()
        link = read_token(token, self._secrets, now)
        if not form_holds(form, token, self._secrets, now):
            raise FormTooOld
        with self._clerk.database.writing() as tx:
            before = _used(tx, link)
            if before is not None:
                raise AlreadyUsed(before)
            page = self._page(tx, link)
            here = Origin(origin.via, origin.address, origin.agent, page.key)
            used = Used(now, self._do(tx, link, page, here))
            tx.execute(delete(link_uses).where(link_uses.c.at < now - USES_KEPT))
            # The key of the table is the last word: of two who come at once, one fails and nothing of it stands.
            tx.execute(insert(link_uses).values(use=link.use, at=used.at, outcome=used.verdict))
            return self._offer(tx, link, "")

    def _do(self, tx: Connection, link: Link, page: Queued, origin: Origin) -> str:
        if page.case_id is None:
            finish_within(tx, self._clerk, link.subject, link.person, origin)
            return Verdict.DONE
        outcome = self._clerk.act_within(tx, page.case_id, _action(link, page), origin)
        if outcome is None:
            raise NotFound
        if outcome.refusals:
            raise Refused(*outcome.refusals)
        return outcome.verdict

    def _offer(self, tx: Connection, link: Link, form: str) -> Offer:
        page = self._page(tx, link)
        person = self._clerk.directory.people.get(link.person)
        warning = store.find_warning(tx, page.warning_id, page.revision)
        if person is None or warning is None:
            raise NotFound
        customer = self._clerk.directory.customer_name(warning.customer_id)
        return Offer(link.action, person, customer, warning.name, page.created_at, _used(tx, link), form)

    def _page(self, tx: Connection, link: Link) -> Queued:
        """The page that the link was made for."""
        about = pages.c.case_id == link.subject
        if link.action == "finish_task":
            about = or_(about, and_(pages.c.case_id.is_(None), pages.c.warning_id == link.subject))
        found = outbox.select_pages(tx, about, pages.c.person == link.person)
        mine = [page for page in found if page_mark(page.key) == link.page]
        if not mine:
            raise NotFound
        return mine[0]


def _action(link: Link, page: Queued) -> Action:
    match link.action:
        case "acknowledge":
            return Acknowledge(link.person)
        case "open_review":
            return OpenReview(link.person, page.warning_id)
        case "finish_task":
            # What a warning advises has the warning's id, and of other tasks of a case no page has a link.
            return FinishTask(link.person, page.warning_id)


def _used(tx: Connection, link: Link) -> Used | None:
    row = tx.execute(select(link_uses.c.at, link_uses.c.outcome).where(link_uses.c.use == link.use)).first()
    return None if row is None else Used(row.at, row.outcome)
