"""PagerDuty's incidents and Alertmanager's alerts follow the cases, from page to close, whoever restarts meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from services.common.database import Database
from services.notifier.channels.alertmanager import Alertmanager
from services.notifier.channels.pagerduty import PagerDuty
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.dispatcher import Dispatcher
from services.notifier.incidents import Incidents, wanted, wanted_of_rest
from services.notifier.messages import Letters, Notice
from services.notifier.tables import cases, pages
from services.notifier.throttle import Throttle
from services.notifier.views import CaseFilter, Stage
from tests.contract.notifier.channel_setups import posting
from tests.contract.notifier.clocks import Clock
from tests.support.providers.alertmanager import AlertmanagerReceiver
from tests.support.providers.pagerduty import PagerDutyServer
from tests.unit.notifier.making import DIRECTORY, make_warning
from tests.unit.notifier.office import AT_ONCE


@pytest.mark.parametrize(
    ("stage", "told", "expected"),
    [
        ("opened", "trigger", None),
        ("acknowledged", "trigger", "acknowledge"),
        ("in_review", "trigger", "acknowledge"),
        ("intervention", "acknowledge", None),
        ("opened", "acknowledge", None),
        ("closed", "trigger", "resolve"),
        ("closed", "acknowledge", "resolve"),
        ("closed", "resolve", None),
        ("reopened", "resolve", None),
    ],
)
def test_what_is_told_follows_from_the_case_and_what_was_told_last(stage: Stage, told: str, expected: str) -> None:
    assert wanted(stage, told) == expected  # type: ignore[arg-type]


class Desks:
    """A case that was paged through PagerDuty, and whoever tells PagerDuty what becomes of it."""

    def __init__(self, database: Database, clock: Clock, clerk: Clerk, server: PagerDutyServer) -> None:
        self.database, self.clock, self.server = database, clock, server
        self.channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
        self.incidents = self.another()
        clerk.file([make_warning()])
        with database.reading() as tx:
            self.case_id = tx.execute(select(cases.c.id)).scalar_one()

    def another(self) -> Incidents:
        return Incidents(
            self.database, self.channel, Throttle(self.database, self.clock), lambda: DIRECTORY, self.clock
        )

    def page(self) -> None:
        """As the dispatcher does it: the provider takes the event, and the page says so."""
        self.server.incidents[self.case_id] = "triggered"
        with self.database.writing() as tx:
            sent = {"channel": "pager", "state": "accepted", "sent_at": self.clock(), "next_at": self.clock()}
            first = select(pages.c.id).order_by(pages.c.id).limit(1).scalar_subquery()
            tx.execute(update(pages).where(pages.c.id == first).values(sent))

    def settle(self) -> list[str]:
        """The actions that are told until there is nothing more to tell."""
        before = len(self.server.accepted)
        while self.incidents.step():
            pass
        return [event["event_action"] for event in self.server.accepted[before:]]


@pytest.fixture
def desks(database: Database, clock: Clock, clerk: Clerk) -> Iterator[Desks]:
    with PagerDutyServer(clock) as server:
        yield Desks(database, clock, clerk, server)


def test_an_incident_is_acknowledged_and_resolved_with_its_case_once_each(desks: Desks, desk: Desk) -> None:
    assert desks.settle() == []
    desks.page()
    assert desks.settle() == []
    desk.acknowledge(desks.case_id, "wang")
    assert desks.settle() == ["acknowledge"]
    desks.incidents = desks.another()
    assert desks.settle() == []
    desk.close(desks.case_id, "wang", "watch", "the customer has paid")
    assert desks.settle() == ["resolve"]
    assert desks.server.incidents == {}
    assert desks.settle() == []


def test_a_case_that_the_channel_never_heard_of_is_not_resolved_there(desks: Desks, desk: Desk) -> None:
    desk.close(desks.case_id, "wang", "watch", "the customer has paid")
    assert desks.settle() == []


def test_a_provider_that_is_away_is_told_later(desks: Desks, desk: Desk, clock: Clock) -> None:
    desks.page()
    desk.acknowledge(desks.case_id, "wang")
    desks.server.cut = "after"
    assert desks.settle() == ["acknowledge"]
    desks.server.cut = None
    assert desks.settle() == []
    clock.at += timedelta(minutes=2)
    assert desks.settle() == ["acknowledge"]
    assert desks.settle() == []
    assert desks.server.incidents == {desks.case_id: "acknowledged"}


def test_a_later_page_triggers_again_and_an_acknowledged_case_is_acknowledged_again(
    desks: Desks, desk: Desk, clock: Clock
) -> None:
    desks.page()
    desk.acknowledge(desks.case_id, "wang")
    desks.settle()
    clock.at += timedelta(hours=2)
    desks.page()
    assert desks.settle() == ["acknowledge"]


def test_incidents_of_a_digest_as_it_is_really_written_are_those_of_the_cases_and_end_with_them(clock: Clock) -> None:
    letters = Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai")).for_channel("pagerduty")
    off = Notice("k1", "withdrawn", "owner", "case-1", make_warning("w1", severity="critical"))
    raised = [
        Notice(f"k{n}", "raised", "owner", case, make_warning(f"w{n}"))
        for n, case in ((2, "case-1"), (3, "case-3"), (4, "case-3"))
    ]
    with PagerDutyServer(clock) as server:
        channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
        digest = letters.digest([off, *raised], DIRECTORY.people["wang"])
        channel.send(digest)
        assert server.incidents == {"case-1": "triggered", "case-3": "triggered"}
        for case in ("case-1", "case-3"):
            channel.send(replace(digest, key=f"over/{case}", case_id=case, data={}, action="resolve"))
        assert server.incidents == {}


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (["opened", "closed"], None),
        (["reopened", "acknowledged"], None),
        (["in_review", "intervention", "acknowledged"], "acknowledge"),
        (["closed", "acknowledged"], "acknowledge"),
        (["closed", "closed"], "resolve"),
    ],
)
def test_what_stands_for_the_rest_of_a_digest_follows_all_of_its_cases(stages: list[Stage], expected: str) -> None:
    assert wanted_of_rest(stages) == expected


class Storm:
    """So many cases of as many customers, told to PagerDuty in a digest to each of two people, as it is really done."""

    def __init__(self, database: Database, clock: Clock, server: PagerDutyServer, customers: int) -> None:
        self.server = server
        clerk = Clerk(database, DIRECTORY, clock, channels=("pager",))
        self.desk = Desk(clerk)
        clerk.file([make_warning(f"w{number}", customer_id=f"K{number}") for number in range(customers)])
        self.cases = [line.id for line in self.desk.list_cases(CaseFilter())]
        channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
        letters = Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai")).for_channel("pagerduty")
        dispatcher = Dispatcher(database, channel, letters, clock, manners=AT_ONCE)
        while dispatcher.round():
            pass
        dispatcher.close()
        self.incidents = Incidents(database, channel, Throttle(database, clock), lambda: DIRECTORY, clock)

    def settle(self) -> dict[str, str]:
        """PagerDuty is told all that there is to tell; what it has open."""
        while self.incidents.step():
            pass
        return self.server.incidents


def test_the_incident_of_a_digest_about_more_than_twenty_cases_ends_with_the_last_of_them(
    database: Database, clock: Clock
) -> None:
    with PagerDutyServer(clock) as server:
        storm = Storm(database, clock, server, 23)
        rests = server.incidents.keys() - set(storm.cases)
        assert (len(rests), len(server.incidents)) == (2, 22)

        def of_rests() -> set[str]:
            return {storm.settle()[rest] for rest in rests}

        for case in storm.cases[1:]:
            storm.desk.acknowledge(case, "sun")
        clock.at += timedelta(minutes=1)
        assert of_rests() == {"triggered"}
        storm.desk.close(storm.cases[0], "sun", "watch", "seen")
        assert of_rests() == {"acknowledged"}
        clock.at += timedelta(minutes=1)
        for case in storm.cases[1:-1]:
            storm.desk.close(case, "sun", "watch", "seen")
        assert of_rests() == {"acknowledged"}
        # What PagerDuty does not take is told again.
        server.cut = "before"
        storm.desk.close(storm.cases[-1], "sun", "watch", "seen")
        assert rests <= storm.settle().keys()
        server.cut = None
        clock.at += timedelta(minutes=2)
        assert storm.settle() == {}


def test_of_a_digest_that_has_no_rest_nothing_more_is_told(database: Database, clock: Clock) -> None:
    with PagerDutyServer(clock) as server:
        storm = Storm(database, clock, server, 20)
        assert server.incidents.keys() == set(storm.cases)
        for case in storm.cases:
            storm.desk.close(case, "sun", "watch", "seen")
        storm.settle()
        assert [event["event_action"] for event in server.accepted] == ["trigger"] * 40 + ["resolve"] * 20


def test_the_alerts_of_a_case_are_over_when_it_is_closed_each_with_the_labels_by_which_it_is_known(
    database: Database, clock: Clock, clerk: Clerk, desk: Desk
) -> None:
    letters = Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai")).for_channel("alertmanager")
    found = [make_warning("w1"), make_warning("w2", severity="critical")]
    clerk.file(found)
    with database.reading() as tx:
        case_id = tx.execute(select(cases.c.id)).scalar_one()
    with AlertmanagerReceiver(clock) as receiver:
        channel = posting("alerts", Alertmanager(f"{receiver.home}/alerts", receiver.token), clock)
        watching = Incidents(database, channel, Throttle(database, clock), lambda: DIRECTORY, clock)
        for one in found:
            channel.send(letters.single(Notice(one.id, "raised", "owner", case_id, one), DIRECTORY.people["wang"]))
        with database.writing() as tx:
            sent = {"channel": "alerts", "state": "accepted", "sent_at": clock(), "next_at": clock()}
            first = select(pages.c.id).order_by(pages.c.id).limit(1).scalar_subquery()
            tx.execute(update(pages).where(pages.c.id == first).values(sent))
        assert not watching.step()
        desk.acknowledge(case_id, "wang")
        assert not watching.step()
        desk.close(case_id, "wang", "watch", "the customer has paid")
        assert watching.step()
        assert not watching.step()
        firing = [alert for document in receiver.accepted[:-1] for alert in document["alerts"]]
        over = receiver.accepted[-1]["alerts"]
    assert [alert["status"] for alert in firing] == ["firing"] * 2
    assert {alert["status"] for alert in over} == {"resolved"}
    known = [[(one["fingerprint"], one["labels"], one["startsAt"]) for one in alerts] for alerts in (firing, over)]
    assert sorted(known[0], key=str) == sorted(known[1], key=str)
