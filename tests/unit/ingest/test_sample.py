"""The sample is always the same, covers every event, and means what it says: judged here by readings of our own."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

import pytest

from schemas.codec import parse
from schemas.events import CUSTOMER_EVENTS, PREFIX
from services.ingest.sample.stories import SHOWN, STORIES
from services.ingest.sample.world import MIN_CUSTOMERS, make_sample
from tests.unit.ingest.viewing import CUSTOMERS, DAYS, ZONE, View, month_of, time_of


@pytest.fixture(params=DAYS, ids=str, scope="module")
def sample(request: pytest.FixtureRequest) -> View:
    return View(make_sample(7, request.param, ZONE, CUSTOMERS), request.param)


def test_the_same_seed_and_day_give_the_same_sample() -> None:
    few = MIN_CUSTOMERS
    assert make_sample(3, DAYS[0], ZONE, few) == make_sample(3, DAYS[0], ZONE, few)
    assert make_sample(3, DAYS[0], ZONE, few) != make_sample(4, DAYS[0], ZONE, few)


def test_every_event_is_valid_and_in_order_and_past(sample: View) -> None:
    for event in sample.events:
        parse(event)
    times = [time_of(event) for event in sample.events]
    assert times == sorted(times)
    assert times[-1] < sample.end


def test_ids_are_never_used_twice(sample: View) -> None:
    names = [(event["source"], event["id"]) for event in sample.events]
    assert len(set(names)) == len(names)


def test_every_event_of_a_customer_occurs(sample: View) -> None:
    kinds = {event["type"].removeprefix(PREFIX) for event in sample.events}
    assert set(CUSTOMER_EVENTS) <= kinds


def test_every_rule_has_its_customers_and_most_have_none(sample: View) -> None:
    assert set(sample.expected) == set(SHOWN) >= {"R1", "R1b", "R2", "R3", "R5", "R6", "R7", "R8", "R31", "R39"}
    troubled = {customer for ids in sample.expected.values() for customer in ids}
    assert len(troubled) == len(STORIES) < CUSTOMERS / 2


def test_the_directory_knows_every_customer_and_everybody_reports_to_somebody(sample: View) -> None:
    people = {person["id"]: person for person in sample.directory["people"]}
    listed = {customer["id"]: customer for customer in sample.directory["customers"]}
    assert {event["subject"] for event in sample.events if "subject" in event} == set(listed)
    assert all(customer["owner"] in people for customer in listed.values())
    assert all(person.get("reports_to", "li.na") in people for person in people.values())
    departments = {"sales", "finance", "service", "management", "technical", "legal"}
    assert {person["department"] for person in people.values()} == departments
    assert all(person["email"].endswith("@example.com") for person in people.values())
    assert len({customer["name"] for customer in listed.values()}) == len(listed)
    assert any(customer["name"].isascii() for customer in listed.values())


def unpaid(sample: View, customer: str, as_of: date) -> dict[str, tuple[date, Decimal]]:
    """Undisputed invoices of a customer with what was not covered by `as_of`, by allocation alone."""
    excluded = {event["data"]["invoice_id"] for event in sample.of("invoice.disputed", customer)}
    undone = {event["data"]["payment_id"] for event in sample.of("payment.reversed", customer)}
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for event in sample.of("payment.received", customer):
        data = event["data"]
        if data["payment_id"] not in undone and date.fromisoformat(data["value_date"]) <= as_of:
            for part in data["allocations"]:
                paid[part["invoice_id"]] += Decimal(part["amount"])
    return {
        data["invoice_id"]: (date.fromisoformat(data["due_date"]), Decimal(data["amount"]) - paid[data["invoice_id"]])
        for data in (event["data"] for event in sample.of("invoice.issued", customer))
        if data["invoice_id"] not in excluded and Decimal(data["amount"]) > paid[data["invoice_id"]]
    }


def late_months(sample: View, customer: str) -> set[int]:
    """Months in which something was due that was not covered on its due date."""
    dues = {event["data"]["due_date"] for event in sample.of("invoice.issued", customer)}
    today = sample.today
    found = set()
    for due in (date.fromisoformat(text) for text in dues):
        if due < today:
            open_ = unpaid(sample, customer, due)
            found |= {due.year * 12 + due.month for when, _ in open_.values() if when == due}
    return found


def in_r1(sample: View, customer: str) -> bool:
    """Late in the last two full months."""
    this = sample.this_month
    return {this - 1, this - 2} <= late_months(sample, customer)


def in_r1b(sample: View, customer: str) -> bool:
    """Something overdue at the last two month ends."""
    last = sample.today.replace(day=1) - timedelta(days=1)
    before = last.replace(day=1) - timedelta(days=1)
    return all(any(due <= end for due, _ in unpaid(sample, customer, end).values()) for end in (last, before))


def customers_of(sample: View) -> list[str]:
    return [customer["id"] for customer in sample.directory["customers"]]


def test_who_pays_late_is_who_the_sample_says(sample: View) -> None:
    paying = [customer for customer in customers_of(sample) if customer not in sample.expected["R5"]]
    assert [customer for customer in paying if in_r1(sample, customer)] == sorted(sample.expected["R1"])
    assert [customer for customer in paying if in_r1b(sample, customer)] == sorted(sample.expected["R1b"])


def test_who_lost_a_contact_lately_is_who_the_sample_says(sample: View) -> None:
    taken_back = {event["supersedes"] for event in sample.all("contact.changed") if event.get("retracted")}
    gone = [
        event
        for event in sample.all("contact.changed")
        if event["data"]["change"] in ("left", "replaced", "role_changed")
        and event["data"]["decision_role"] in ("procurement", "technical", "finance", "executive")
        and event["data"].get("certainty") != "rumoured"
        and event["id"] not in taken_back
        and not event.get("retracted")
    ]
    assert sorted(event["subject"] for event in gone) == sorted(sample.expected["R2"])
    assert all(time_of(event) > sample.end - timedelta(days=4) for event in gone)


def test_who_meets_competitors_is_who_the_sample_says(sample: View) -> None:
    since = sample.end - timedelta(days=89)
    days: dict[str, set[date]] = defaultdict(set)
    for event in sample.all("competitor.activity"):
        if event["data"]["kind"] == "trade_show" and time_of(event) > since:
            days[event["subject"]].add(time_of(event).date())
    assert [customer for customer, met in days.items() if len(met) >= 2] == sample.expected["R3"]


def test_who_was_never_asked_is_who_the_sample_says(sample: View) -> None:
    found = []
    for customer, signed in sample.by_customer("contract.signed").items():
        limit = time_of(signed[0]) + timedelta(hours=72)
        confirmed = [e for e in sample.of("activity.logged", customer) if e["data"]["kind"] == "needs_confirmation"]
        if not any(time_of(event) <= limit for event in confirmed):
            found.append(customer)
            assert timedelta(days=3) < sample.end - time_of(signed[0]) < timedelta(days=7)
    assert found == sample.expected["R5"]


def important(sample: View) -> set[str]:
    receipts: dict[str, Decimal] = defaultdict(Decimal)
    for event in sample.all("payment.received"):
        data = event["data"]
        if data["currency"] == "CNY" and month_of(data["value_date"]) == sample.this_month - 1:
            receipts[event["subject"]] += Decimal(data["amount"])
    flagged = {
        event["subject"]
        for event in sample.all("profile.updated")
        if event["data"].get("fields", {}).get("important") is True
    }
    return flagged | {customer for customer, total in receipts.items() if total >= 500_000}


def test_which_important_customers_are_forgotten_is_what_the_sample_says(sample: View) -> None:
    last = {customer: time_of(events[-1]) for customer, events in sample.by_customer("activity.logged").items()}
    silent = {customer for customer in important(sample) if sample.end - last[customer] > timedelta(days=30)}
    assert sorted(silent) == sorted(sample.expected["R7"])
    assert len(important(sample) - silent) >= 5


def test_small_samples_have_everything_too() -> None:
    small = make_sample(1, DAYS[0], ZONE, MIN_CUSTOMERS)
    assert set(small.expected) == set(SHOWN)
