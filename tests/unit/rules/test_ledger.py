"""Who paid what, and when: the reading of allocations, credit notes, disputes, reversals and left-over money."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from schemas.events import Event
from services.rules.ledger import ledger_of, receipts
from tests.unit.rules.making import event, invoice, payment, state_of


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def uncovered(*events: Event, on: str | None = None) -> dict[str, str]:
    """What is open of each instalment, by the end of a day."""
    parts = ledger_of(state_of(*events)).instalments.values()
    limit = None if on is None else day(on)
    return {f"{part.invoice_id}.{part.number}": str(part.uncovered(limit)) for part in parts}


A = invoice("A", "2026-01-01", "2026-01-31")
B = invoice("B", "2026-01-05", "2026-02-28")


def test_an_allocation_covers_the_invoice_that_it_names_from_its_value_date_on() -> None:
    events = (A, B, payment("P", "2026-02-03", "100.00", ("B", "60.00"), ("A", "40.00")))
    assert uncovered(*events) == {"A.0": "60.00", "B.0": "40.00"}
    assert uncovered(*events, on="2026-02-02") == {"A.0": "100.00", "B.0": "100.00"}


def test_unallocated_money_covers_the_oldest_due_first() -> None:
    assert uncovered(B, A, payment("P", "2026-02-03", "130.00")) == {"A.0": "0.00", "B.0": "70.00"}


def test_what_an_allocation_has_too_much_is_left_over_for_the_oldest() -> None:
    events = (A, B, payment("P", "2026-02-03", "150.00", ("B", "130.00")))
    assert uncovered(*events) == {"A.0": "50.00", "B.0": "0.00"}


def test_a_prepayment_waits_for_the_next_invoice_and_counts_with_its_value_date() -> None:
    events = (payment("P", "2025-12-20", "100.00"), A)
    assert uncovered(*events, on="2025-12-31") == {"A.0": "0.00"}


def test_an_allocation_to_an_invoice_that_is_not_known_keeps_waiting() -> None:
    money = payment("P", "2026-01-10", "100.00", ("B", "100.00"))
    assert uncovered(A, money) == {"A.0": "100.00"}
    assert uncovered(A, money, B) == {"A.0": "100.00", "B.0": "0.00"}


def test_a_reversed_payment_never_was() -> None:
    money = payment("P", "2026-01-10", "100.00", ("A", "100.00"))
    back = event("payment.reversed", "2026-02-01", payment_id="P")
    assert uncovered(A, money, back) == {"A.0": "100.00"}
    assert receipts(state_of(A, money, back)) == []


def test_a_credit_note_makes_the_invoice_smaller_from_its_issue() -> None:
    credit = event(
        "invoice.credited",
        "2026-03-01",
        invoice_id="A",
        credit_id="N",
        amount="30.00",
        currency="CNY",
        credit_date="2026-03-01",
    )
    assert uncovered(A, credit, on="2026-01-01") == {"A.0": "70.00"}


def test_a_credit_note_frees_money_that_was_paid_before() -> None:
    credit = event(
        "invoice.credited",
        "2026-03-01",
        invoice_id="A",
        credit_id="N",
        amount="30.00",
        currency="CNY",
        credit_date="2026-03-01",
    )
    assert uncovered(A, B, payment("P", "2026-01-20", "100.00", ("A", "100.00")), credit) == {
        "A.0": "0.00",
        "B.0": "70.00",
    }


def test_instalments_are_covered_in_the_order_of_their_due_dates() -> None:
    parts = [{"due_date": "2026-03-31", "amount": "60.00"}, {"due_date": "2026-01-31", "amount": "40.00"}]
    whole = event(
        "invoice.issued",
        "2026-01-01",
        invoice_id="A",
        amount="100.00",
        currency="CNY",
        issue_date="2026-01-01",
        instalments=parts,
    )
    found = ledger_of(state_of(whole, payment("P", "2026-01-20", "50.00", ("A", "50.00")))).instalments
    assert [(part.due, str(part.uncovered())) for part in sorted(found.values(), key=lambda part: part.order)] == [
        (day("2026-01-31"), "0.00"),
        (day("2026-03-31"), "50.00"),
    ]


@pytest.mark.parametrize(
    ("words", "disputed"),
    [
        (["invoice.disputed"], True),
        (["invoice.disputed", "upheld"], True),
        (["invoice.disputed", "rejected"], False),
        (["invoice.disputed", "rejected", "invoice.disputed"], True),
    ],
)
def test_a_dispute_excludes_while_it_is_open_or_upheld(words: list[str], disputed: bool) -> None:
    events = [A]
    for number, word in enumerate(words):
        time = f"2026-02-{number + 1:02d}"
        if word == "invoice.disputed":
            events.append(event(word, time, invoice_id="A"))
        else:
            events.append(event("dispute.settled", time, invoice_id="A", outcome=word))
    for order in (events, events[::-1]):
        [part] = ledger_of(state_of(*order)).instalments.values()
        assert part.disputed is disputed


def test_left_over_money_does_not_cover_a_disputed_invoice() -> None:
    dispute = event("invoice.disputed", "2026-01-02", invoice_id="A")
    assert uncovered(A, B, dispute, payment("P", "2026-02-03", "100.00")) == {"A.0": "100.00", "B.0": "0.00"}


def test_money_of_another_currency_makes_the_invoice_uncertain_and_covers_nothing() -> None:
    money = payment("P", "2026-01-10", "100.00", ("A", "100.00"), currency="USD")
    [part] = ledger_of(state_of(A, money)).instalments.values()
    assert (part.certain, part.uncovered()) == (False, Decimal("100.00"))


def test_the_last_word_on_an_invoice_counts() -> None:
    again = event(
        "invoice.issued",
        "2026-01-09",
        invoice_id="A",
        amount="55.00",
        currency="CNY",
        issue_date="2026-01-01",
        due_date="2026-01-31",
    )
    assert uncovered(A, again) == uncovered(again, A) == {"A.0": "55.00"}


def test_an_instalment_is_settled_by_the_money_that_leaves_no_more_than_the_tolerance_open() -> None:
    """Found by the nightly oracle: what is not late any more must not wait for the last fraction of a cent."""
    ledger = ledger_of(
        state_of(
            invoice("A", "2026-01-01", "2026-01-10"),
            payment("P", "2026-01-10", "99.995"),
            payment("Q", "2026-01-20", "0.005"),
        )
    )
    (part,) = ledger.instalments.values()
    cent = Decimal("0.01")
    assert (part.settled_on(), part.settled_on(cent)) == (day("2026-01-20"), day("2026-01-10"))

    (unpaid,) = ledger_of(state_of(invoice("A", "2026-01-01", "2026-01-10"))).instalments.values()
    assert unpaid.settled_on(cent) is None
