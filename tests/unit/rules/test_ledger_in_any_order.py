"""The ledger after any events began or ceased to stand, in any order, is what the plain computation finds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.rules.entries import Entry
from tests.unit.rules.watched_ledger import FIRST_DAY, Watched

days = st.integers(FIRST_DAY, FIRST_DAY + 12) | st.integers(FIRST_DAY, FIRST_DAY + 150)
# Few different sums and names, so that money often just suffices and things are said twice.
sums = st.sampled_from(("10.00", "10", "20.00", "30.00", "30.50", "55.55"))
currencies = st.sampled_from(("CNY", "CNY", "CNY", "CNY", "CNY", "USD"))
invoices = st.sampled_from("ABCDEF")


@st.composite
def issues(draw: st.DrawFn) -> dict[str, Any]:
    data = {"invoice_id": draw(invoices), "currency": draw(currencies), "issue_date": draw(days)}
    amounts = draw(st.lists(sums, min_size=1, max_size=3))
    if len(amounts) == 1:
        return data | {"amount": amounts[0], "due_date": draw(days)}
    parts = [{"due_date": draw(days), "amount": amount} for amount in amounts]
    return data | {"amount": str(sum(map(Decimal, amounts))), "instalments": parts}


@st.composite
def payments(draw: st.DrawFn) -> dict[str, Any]:
    pairs = draw(st.lists(st.tuples(invoices, sums), max_size=2) | st.just([]))
    allocations = [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in pairs]
    free = draw(sums if not pairs else st.just("0") | sums)
    return {
        "payment_id": draw(st.sampled_from("PQRSTUV")),
        "amount": str(sum((Decimal(amount) for _, amount in pairs), Decimal(free))),
        "currency": draw(currencies),
        "value_date": draw(days),
        "allocations": allocations,
    }


DATA = {
    "invoice.issued": issues(),
    "invoice.credited": st.fixed_dictionaries(
        {"invoice_id": invoices, "credit_id": st.sampled_from("NM"), "amount": sums, "currency": currencies}
    ),
    "invoice.disputed": st.fixed_dictionaries({"invoice_id": invoices}),
    "dispute.settled": st.fixed_dictionaries(
        {"invoice_id": invoices, "outcome": st.sampled_from(("upheld", "rejected"))}
    ),
    "invoice.delay_explained": st.fixed_dictionaries(
        {"invoice_id": invoices, "fault": st.sampled_from(("ours", "customer", "third_party"))}
    ),
    "payment.received": payments(),
    "payment.reversed": st.fixed_dictionaries({"payment_id": st.sampled_from("PQRSTUV")}),
}
# What moves money is most of it; the rest comes now and then.
KINDS = ("invoice.issued",) * 8 + ("payment.received",) * 8 + tuple(DATA)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(KINDS))
    name = f"{draw(st.integers(0, 99)):02d}"
    return Entry(draw(st.integers(0, 3)), kind, "erp", name, draw(st.integers(0, 3)), b"", draw(DATA[kind]))


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Entry], list[tuple[int, bool]]]:
    """Events, and steps: which event begins to stand, or ceases when it stood, and whether the ledger is read then."""
    pool = draw(st.lists(entries(), min_size=1, max_size=24, unique_by=lambda entry: entry.id))
    steps = st.tuples(st.integers(0, len(pool) - 1), st.booleans())
    return pool, [(number, True) for number in range(len(pool))] * draw(st.booleans()) + draw(
        st.lists(steps, max_size=40)
    )


def play(story: tuple[list[Entry], list[tuple[int, bool]]]) -> None:
    pool, steps = story
    watched = Watched()
    for number, read in steps:
        watched.toggle(pool[number])
        if read:
            watched.settle()
    watched.settle()


EVERY_ORDER = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@given(stories())
@settings(EVERY_ORDER, max_examples=150)
def test_the_ledger_is_a_function_of_the_events_that_stand(
    story: tuple[list[Entry], list[tuple[int, bool]]],
) -> None:
    play(story)


@pytest.mark.nightly
@given(stories())
@settings(EVERY_ORDER, max_examples=2_000)
def test_the_ledger_is_a_function_of_the_events_that_stand_in_very_many_stories(
    story: tuple[list[Entry], list[tuple[int, bool]]],
) -> None:
    play(story)
