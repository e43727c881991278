"""Tells a channel that keeps incidents or alerts of its own when somebody has taken a case on, and when it is closed.

What was told last stands in the database and is compared with the case, so nothing is missed by a restart, and two
notifiers tell the same twice at most, which such a channel takes for one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from services.common.clock import Now
from services.common.database import Database
from services.notifier import store
from services.notifier.channels.base import Action, Channel, Message, NotSent, RateLimited, TryLater
from services.notifier.channels.limits import Wait
from services.notifier.channels.pagerduty import MOST_INCIDENTS
from services.notifier.channels_tables import incidents
from services.notifier.delivering import LONGEST_OUTAGE
from services.notifier.grouping import DIGEST
from services.notifier.messages import facts_of
from services.notifier.people import Directory
from services.notifier.tables import cases, pages
from services.notifier.throttle import Throttle
from services.notifier.views import Stage

log = logging.getLogger(__name__)

_FOLLOWED: tuple[Action, ...] = ("acknowledge", "resolve")
KINDS: Mapping[str, tuple[Action, ...]] = {"pagerduty": _FOLLOWED, "alertmanager": _FOLLOWED[1:]}
"""Which channels know what: an alert of Alertmanager's fires or is over."""

RESTS: Mapping[str, int] = {"pagerduty": MOST_INCIDENTS}
"""Which channels tell of a digest about more cases than that by one more incident, under the digest's own key."""

PAUSE_S = 5.0
OVERLAP = timedelta(minutes=10)
"""Pages of another notifier are written down a moment after they were sent, by its own clock."""
_HAS_IT = ("accepted", "delivered", "opened")
TAKEN_ON: tuple[Stage, ...] = ("acknowledged", "in_review", "intervention")


@dataclass(frozen=True)
class Open:
    """A case whose incident is not over, and what its channel was told last."""

    case_id: str
    told: Action
    stage: Stage


def wanted_of_rest(stages: Iterable[Stage]) -> Action | None:
    """What the incident of a digest's rest is to be told, by the stages of all cases that the digest is about."""
    found = list(stages)
    if all(stage == "closed" for stage in found):
        return "resolve"
    return "acknowledge" if all(stage in (*TAKEN_ON, "closed") for stage in found) else None


def wanted(stage: Stage, told: Action) -> Action | None:
    """What is to be told, None when nothing is. A case that came back or was reopened is triggered by its next page."""
    if stage == "closed":
        return None if told == "resolve" else "resolve"
    return "acknowledge" if stage in TAKEN_ON and told == "trigger" else None


class Incidents:
    """One channel's, one worker's work."""

    def __init__(
        self,
        database: Database,
        channel: Channel,
        throttle: Throttle,
        directory: Callable[[], Directory],
        now: Now,
        console_url: str = "",
    ) -> None:
        self._database = database
        self._channel = channel
        self._throttle = throttle
        self._directory = directory
        self._now = now
        self._console_url = console_url
        self._away_until: datetime | None = None
        self._seen: datetime | None = None

    def step(self) -> bool:
        """Tell what has changed; True when something was told. What the channel has no word for is not told."""
        if self._away_until is not None and self._now() < self._away_until:
            return False
        with self._database.writing() as tx:
            self._note_triggered(tx)
        with self._database.reading() as tx:
            found = self._open(tx)
        told = 0
        for incident in found:
            action = wanted(incident.stage, incident.told)
            if action is not None and action in KINDS[self._channel.kind]:
                if not self._tell(incident.case_id, action):
                    break
                told += 1
        return told > 0

    def _note_triggered(self, tx: Connection) -> None:
        """Every page that the channel took opened an incident, or opened it again."""
        name, now = self._channel.name, self._now()
        sent: list[ColumnElement[bool]] = [pages.c.channel == name, pages.c.state.in_(_HAS_IT)]
        sent.append(pages.c.case_id.is_not(None))
        if self._seen is not None:
            # By the index: whatever was sent since we looked was due within the longest outage before that.
            sent.append(pages.c.next_at >= self._seen - LONGEST_OUTAGE - OVERLAP)
            sent.append(pages.c.sent_at >= self._seen - OVERLAP)
        self._seen = now
        grouped = select(pages.c.case_id, func.max(pages.c.sent_at).label("sent_at")).where(*sent)
        newest = grouped.group_by(pages.c.case_id).subquery()
        joined = select(newest.c.case_id, newest.c.sent_at).outerjoin(
            incidents, (incidents.c.case_id == newest.c.case_id) & (incidents.c.channel == name)
        )
        fresh = or_(incidents.c.updated_at.is_(None), newest.c.sent_at > incidents.c.updated_at)
        for case_id, sent_at in tx.execute(joined.where(fresh)).all():
            self._note(tx, case_id, "trigger", sent_at)

    def _open(self, tx: Connection) -> list[Open]:
        query = select(incidents.c.case_id, incidents.c.told, cases.c.state).join(
            cases, cases.c.id == incidents.c.case_id
        )
        of_channel = incidents.c.channel == self._channel.name, incidents.c.told != "resolve"
        rows = tx.execute(query.where(*of_channel).order_by(incidents.c.updated_at)).all()
        return [Open(case_id, told, store.read_case(state).stage) for case_id, told, state in rows]

    def _tell(self, case_id: str, action: Action) -> bool:
        """False when the channel takes nothing at present."""
        # The case is noted last: what was not told of it, or of a rest that it was in, is told again.
        for message in (self._message(case_id, action), *self._rests(case_id)):
            if not self._send(message):
                return False
        with self._database.writing() as tx:
            self._note(tx, case_id, action, self._now())
        return True

    def _send(self, message: Message) -> bool:
        """False when the channel takes nothing at present."""
        limits, scope = self._channel.limits, self._channel.scope(message)
        verdict = self._throttle.reserve(limits, scope, self._channel.cost(message), critical=False)
        if isinstance(verdict, Wait):
            self._away_until = self._now() + timedelta(seconds=self._throttle.wait_s(verdict))
            return False
        try:
            self._channel.send(message)
        except TryLater as later:
            if isinstance(later, RateLimited):
                self._throttle.blocked(limits, scope, later.after_s)
            self._away_until = self._now() + timedelta(seconds=max(later.after_s, 15.0))
            log.warning("%s: %s of %s waits: %s", self._channel.name, message.action, message.case_id, later)
            return False
        except NotSent as refused:
            # Said again it would be refused again; the case itself does not depend on it.
            log.warning("%s: %s of %s: %s", self._channel.name, message.action, message.case_id, refused)
        finally:
            self._throttle.answered(scope, verdict.hold)
        return True

    def _rests(self, case_id: str) -> Iterator[Message]:
        """What the incidents are told that stand for the rest of a digest which the case was in. Nothing of them is
        remembered: told again with the next of their cases, they are as they were."""
        most = RESTS.get(self._channel.kind)
        if most is None:
            return
        directory = self._directory()
        to = directory.people[directory.fallback]
        with self._database.reading() as tx:
            digests = self._digests(tx, case_id)
            found = [(key, wanted_of_rest(self._stages(tx, about))) for key, about in digests if len(about) > most]
        for key, action in found:
            if action is not None:
                yield Message(key, to, f"Bellwether: {action}", "", "", action=action)

    def _digests(self, tx: Connection, case_id: str) -> list[tuple[str, set[str]]]:
        """Of each digest that told of the case its key, and what it was about: cases, and warnings without one."""
        ours = pages.c.channel == self._channel.name, pages.c.message_key.startswith(DIGEST)
        query = select(pages.c.message_key, pages.c.person).where(pages.c.case_id == case_id, *ours).distinct()
        about = func.coalesce(pages.c.case_id, pages.c.warning_id)
        return [
            # The person is what the index of pages begins with.
            (key, set(tx.execute(select(about).where(pages.c.person == person, pages.c.message_key == key)).scalars()))
            for key, person in tx.execute(query).all()
        ]

    def _stages(self, tx: Connection, about: Iterable[str]) -> list[Stage]:
        states = tx.execute(select(cases.c.state).where(cases.c.id.in_(list(about)))).scalars()
        return [store.read_case(state).stage for state in states]

    def _message(self, case_id: str, action: Action) -> Message:
        directory = self._directory()
        to = directory.people[directory.fallback]
        link = f"{self._console_url}/cases/{case_id}" if self._console_url else None
        key = f"incident/{case_id}/{action}/{self._now().isoformat()}"
        with self._database.reading() as tx:
            case = store.find_case(tx, case_id)
            found = store.current_warnings(tx, [held.id for held in case.warnings] if case else [])
        data: dict[str, object] = {}
        data["pages"] = [{**facts_of(one, directory), "case_id": case_id, "url": link} for one in found.values()]
        return Message(key, to, f"Bellwether: {action}", "", "", case_id, data, link, action)

    def _note(self, tx: Connection, case_id: str, told: str, at: datetime) -> None:
        of_case = incidents.c.channel == self._channel.name, incidents.c.case_id == case_id
        said = {"told": told, "updated_at": at}
        if not tx.execute(update(incidents).where(*of_case).values(said)).rowcount:
            tx.execute(insert(incidents).values(channel=self._channel.name, case_id=case_id, **said))
