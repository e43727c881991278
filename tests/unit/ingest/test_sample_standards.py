"""The sample's customers are served as it says: contact, care, service and sales, judged by readings of our own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.ingest.sample.world import make_sample
from tests.unit.ingest.viewing import CUSTOMERS, DAYS, ZONE, View, time_of

Event = dict[str, Any]


@pytest.fixture(params=DAYS, ids=str, scope="module")
def sample(request: pytest.FixtureRequest) -> View:
    return View(make_sample(7, request.param, ZONE, CUSTOMERS), request.param)


def customers(sample: View) -> list[str]:
    """Those who have signed; prospects are owed nothing yet."""
    return sorted(sample.by_customer("contract.signed"))


def signed(sample: View, customer: str) -> datetime:
    return min(time_of(event) for event in sample.of("contract.signed", customer))


def ago(sample: View, event: Event) -> timedelta:
    return sample.end - time_of(event)


def activities(sample: View, customer: str, *kinds: str) -> list[Event]:
    return [one for one in sample.of("activity.logged", customer) if not kinds or one["data"]["kind"] in kinds]


def within(events: Iterable[Event], start: datetime, end: datetime) -> bool:
    return any(start <= time_of(event) < end for event in events)


def month_start(day: date, back: int) -> datetime:
    months = day.year * 12 + day.month - 1 - back
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=ZONE)


def test_who_is_not_called_by_the_new_owner_is_who_the_sample_says(sample: View) -> None:
    silent = set()
    for customer, changes in sample.by_customer("customer.owner_changed").items():
        for change in changes:
            calls = [one for one in activities(sample, customer) if one["data"]["by"] == change["data"]["new"]]
            if not within(calls, time_of(change), time_of(change) + timedelta(days=7)):
                silent.add(customer)
                assert ago(sample, change) > timedelta(days=21)
    assert sorted(silent) == sample.expected["R8"]


def test_who_changes_hands_too_often_is_who_the_sample_says(sample: View) -> None:
    recent = {
        customer: [one for one in changes if ago(sample, one) < timedelta(days=365)]
        for customer, changes in sample.by_customer("customer.owner_changed").items()
    }
    assert [customer for customer, changes in recent.items() if len(changes) >= 2] == sample.expected["R9"]


def test_what_waits_for_an_answer_is_what_the_sample_says(sample: View) -> None:
    answered = {event["data"]["feedback_id"] for event in sample.all("feedback.answered")}
    waiting = [one for one in sample.all("feedback.raised") if one["data"]["feedback_id"] not in answered]
    assert [event["subject"] for event in waiting] == sample.expected["R14"]
    met = {event["data"]["promise_id"] for event in sample.all("promise.met")}
    broken = [one for one in sample.all("promise.made") if one["data"]["promise_id"] not in met]
    assert [event["subject"] for event in broken] == sample.expected["R31"]
    assert all(datetime.fromisoformat(event["data"]["due"]) < sample.end for event in broken)
    known = {event["data"]["case_id"] for event in sample.all("service_case.acknowledged")}
    ignored = [one for one in sample.all("service_case.opened") if one["data"]["case_id"] not in known]
    assert [event["subject"] for event in ignored] == sample.expected["R30"]


def test_who_is_not_satisfied_is_who_the_sample_says(sample: View) -> None:
    poor = [event["subject"] for event in sample.all("service_case.closed") if event["data"]["score"] <= 2]
    assert poor == sample.expected["R12"]


def test_who_gets_no_call_back_is_who_the_sample_says(sample: View) -> None:
    week = timedelta(days=7)
    for kind, rule in (("order.delivered", "R39"), ("service_case.closed", "R39b")):
        forgotten = {
            customer
            for customer, events in sample.by_customer(kind).items()
            for event in events
            if ago(sample, event) > week
            and not within(activities(sample, customer), time_of(event), time_of(event) + week)
        }
        assert sorted(forgotten) == sorted(sample.expected[rule])


def test_who_has_not_been_surveyed_is_who_the_sample_says(sample: View) -> None:
    start, end = month_start(sample.today, 1), month_start(sample.today, 0)
    missed = [
        customer
        for customer in customers(sample)
        if signed(sample, customer) < start and not within(activities(sample, customer, "survey"), start, end)
    ]
    assert missed == sorted(sample.expected["R28"])


def test_only_the_neglected_ever_missed_a_survey(sample: View) -> None:
    for customer in set(customers(sample)) - set(sample.expected["R28"]):
        for back in range(30):
            start, end = month_start(sample.today, back + 1), month_start(sample.today, back)
            if start > signed(sample, customer):
                assert within(activities(sample, customer, "survey"), start, end), (customer, start)


def test_who_is_not_visited_or_invited_is_who_the_sample_says(sample: View) -> None:
    visits = {
        customer: [time_of(one) for one in activities(sample, customer) if one["data"]["channel"] == "onsite"]
        for customer in customers(sample)
    }
    limit = timedelta(days=90)
    seldom = [one for one in visits if sample.end - max([*visits[one], signed(sample, one)]) > limit]
    assert seldom == sorted(sample.expected["R39c"])
    quarter = (sample.today.month - 1) % 3
    start, end = month_start(sample.today, quarter + 3), month_start(sample.today, quarter)
    ours = [one for one in customers(sample) if signed(sample, one) < start]
    assert [one for one in ours if not within(sample.of("event.invited", one), start, end)] == sample.expected["R28b"]
    unseen = [one for one in important(sample) if not any(start <= visit < end for visit in visits[one])]
    assert unseen == sorted(sample.expected["R6b"])


def important(sample: View) -> list[str]:
    """Who the stories make pay more than half a million in every month."""
    last = month_start(sample.today, 1)
    found: dict[str, float] = {}
    for event in sample.all("payment.received"):
        is_cny, paid = event["data"]["currency"] == "CNY", date.fromisoformat(event["data"]["value_date"])
        if is_cny and (paid.year, paid.month) == (last.year, last.month):
            found[event["subject"]] = found.get(event["subject"], 0.0) + float(event["data"]["amount"])
    return sorted(customer for customer, total in found.items() if total >= 500_000)


def test_who_of_the_important_hears_nothing_online_is_who_the_sample_says(sample: View) -> None:
    monday = sample.end - timedelta(days=sample.today.weekday())
    for weeks in (1, 2):
        start, end = monday - timedelta(weeks=weeks), monday - timedelta(weeks=weeks - 1)
        unheard = []
        for customer in important(sample):
            online = [one for one in activities(sample, customer) if one["data"]["channel"] != "onsite"]
            unheard += [] if within(online, start, end) else [customer]
        assert unheard == sorted(sample.expected["R6"])


def test_whose_archive_is_out_of_date_is_who_the_sample_says(sample: View) -> None:
    stale = set()
    for customer in customers(sample):
        for section in ("basic", "relationship", "transaction", "external"):
            filed = [one for one in sample.of("profile.updated", customer) if one["data"]["section"] == section]
            if min(ago(sample, one) for one in filed) > timedelta(days=92):
                stale.add(customer)
    assert sorted(stale) == sample.expected["R11"]


def test_whose_last_visit_left_the_next_one_open_is_who_the_sample_says(sample: View) -> None:
    open_ended = [
        customer
        for customer in customers(sample)
        for visit in activities(sample, customer, "visit", "exec_visit")
        if "next_at" not in visit["data"]
    ]
    assert open_ended == sample.expected["R33"]


def test_only_one_sale_leaves_the_procedure(sample: View) -> None:
    order = [None, "lead", "opportunity", "needs", "proposal", "negotiation", "won"]
    steps = sample.all("opportunity.stage_changed")
    jumps = [
        event["subject"]
        for event in steps
        if order.index(event["data"]["to"]) - order.index(event["data"].get("from")) != 1
    ]
    assert jumps == sample.expected["R24"]
    last = {event["subject"]: event for event in sorted(steps, key=time_of)}
    standing = [
        customer
        for customer, event in last.items()
        if event["data"]["to"] != "won" and ago(sample, event) > timedelta(days=30)
    ]
    assert standing == sample.expected["R24s"]


def test_who_stopped_ordering_is_who_the_sample_says(sample: View) -> None:
    stopped = [
        customer
        for customer, orders in sample.by_customer("order.placed").items()
        if min(ago(sample, order) for order in orders) > timedelta(days=93)
    ]
    assert set(stopped) | set(sample.expected["R10b"]) == set(sample.expected["R23a"])
    assert len(stopped) == 1
