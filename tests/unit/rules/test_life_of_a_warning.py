"""raised, amended, ended, withdrawn: what is said as knowledge grows."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codec import InvalidEvent
from schemas.events import Event
from schemas.warnings import Warning, decode_warning
from services.rules.calendar import instant
from tests.unit.rules.making import Customer, at, core, event, invoice, payment, replay

JAN = invoice("JAN", "2026-01-05", "2026-01-15")
FEB = invoice("FEB", "2026-02-05", "2026-02-15")
MAR = invoice("MAR", "2026-03-05", "2026-03-15")


def fair(day: str, **fields: Any) -> Event:
    return event("competitor.activity", day, id=f"fair-{day}", competitor_id="X", kind="trade_show", **fields)


def said(warnings: list[Warning]) -> list[tuple[str, int]]:
    return [(warning.change, warning.revision) for warning in warnings]


def customer(*rules: str) -> Customer:
    return Customer(core(None, None, *rules))


def late_twice() -> tuple[Customer, Warning]:
    one = customer("R1")
    one.learns(JAN, "2026-01-05")
    one.learns(FEB, "2026-02-05")
    [raised] = one.wakes("2026-02-16")
    return one, raised


def test_a_second_late_month_is_raised_when_it_is_known() -> None:
    one, raised = late_twice()
    assert said([raised]) == [("raised", 1)]
    assert (raised.start, raised.end, raised.run) == (instant(at("2026-02-16")), None, 2)
    assert raised.pages_again
    assert raised.review is not None
    assert raised.review.due == instant(at("2026-02-17"))
    assert one.state.head.wake_at == at("2026-04-01"), "the month after the run must close before it is over"


def test_a_longer_run_is_amended_and_pages_again() -> None:
    one, raised = late_twice()
    one.learns(MAR, "2026-03-05")
    [longer] = one.wakes("2026-03-16")
    assert (longer.id, said([longer]), longer.run, longer.pages_again) == (raised.id, [("amended", 2)], 3, True)
    assert longer.review is not None
    assert longer.review.due == instant(at("2026-02-17")), "the first detection started the clock"


def test_paying_late_adds_evidence_and_takes_nothing_back() -> None:
    one, _ = late_twice()
    [amended] = one.learns(payment("P", "2026-02-20", "100.00", ("FEB", "100.00")), "2026-02-20")
    assert said([amended]) == [("amended", 2)]
    assert not amended.pages_again
    assert [ref.id for ref in amended.evidence.events] == ["issued-JAN", "issued-FEB", "payment-P"]


def test_a_month_that_closes_without_failing_ends_it() -> None:
    one, raised = late_twice()
    [ended] = one.wakes("2026-04-01")
    assert (ended.id, said([ended]), ended.end) == (raised.id, [("ended", 2)], instant(at("2026-04-01")))
    assert one.state.head.wake_at is None


def test_a_backdated_payment_withdraws_it() -> None:
    one, raised = late_twice()
    [gone] = one.learns(payment("P", "2026-02-15", "100.00", ("FEB", "100.00")), "2026-02-20")
    assert (gone.id, said([gone]), gone.merged_into) == (raised.id, [("withdrawn", 2)], None)


def test_what_was_withdrawn_and_holds_after_all_takes_up_its_id_and_revision() -> None:
    one, raised = late_twice()
    one.learns(payment("P", "2026-02-15", "100.00", ("FEB", "100.00")), "2026-02-20")
    [again] = one.learns(event("payment.reversed", "2026-02-21", payment_id="P"), "2026-02-21")
    assert (again.id, said([again])) == (raised.id, [("raised", 3)])


def test_when_two_stretches_merge_the_earlier_announced_lives_on() -> None:
    one = customer("R3")
    for day in ("2026-01-01", "2026-01-10", "2026-07-01", "2026-07-10", "2026-03-31", "2026-04-05"):
        one.learns(fair(day), "2026-08-01")
    first, *others = list(one.state.announced)
    assert [(old.start, old.end) for old in (first, *others)] == [
        (at("2026-01-10"), at("2026-06-29")),
        (at("2026-07-10"), None),
        (at("2026-07-01"), at("2026-07-04")),
    ]
    bridge = {warning.id: warning for warning in one.learns(fair("2026-06-20"), "2026-08-01")}
    assert (bridge[first.id].change, bridge[first.id].end) == ("amended", None)
    assert {(bridge[old.id].change, bridge[old.id].merged_into) for old in others} == {("withdrawn", first.id)}


def test_when_a_stretch_splits_the_first_part_keeps_the_id() -> None:
    one = customer("R3")
    for day in ("2026-01-01", "2026-01-10", "2026-03-20", "2026-04-05", "2026-05-30"):
        one.learns(fair(day), "2026-09-01")
    [whole] = list(one.state.announced)
    assert (whole.start, whole.end) == (at("2026-01-10"), at("2026-07-04"))
    fields: dict[str, Any] = {
        "competitor_id": "X",
        "kind": "trade_show",
        "supersedes": "fair-2026-03-20",
        "retracted": True,
    }
    changes = one.learns(event("competitor.activity", "2026-09-02", id="back", **fields), "2026-09-02")
    assert [(warning.id == whole.id, warning.change, warning.start, warning.end) for warning in changes] == [
        (True, "amended", instant(at("2026-01-10")), instant(at("2026-04-01"))),
        (False, "raised", instant(at("2026-04-05")), instant(at("2026-04-10"))),
        (False, "raised", instant(at("2026-05-30")), instant(at("2026-07-04"))),
    ]


def test_an_episode_over_for_more_than_a_week_is_history() -> None:
    one = customer("R3")
    one.learns(fair("2026-01-01"), "2026-06-01")
    [found] = one.learns(fair("2026-01-10"), "2026-06-01")
    assert (found.change, found.historical, found.pages_again) == ("raised", True, False)


def test_what_still_holds_is_no_history_however_old_its_start() -> None:
    one = customer("R1b")
    [found] = one.learns(JAN, "2027-01-10")
    assert (found.start, found.historical, found.pages_again) == (instant(at("2026-03-01")), False, True)


def test_an_import_of_the_past_is_history_even_while_it_holds_until_it_gets_worse() -> None:
    one = customer("R1")
    one.learns(invoice("JAN", "2026-01-05", "2026-01-15"), "2026-02-20")
    past = invoice("FEB", "2026-02-05", "2026-02-15")
    past = past.model_copy(update={"history": True})
    [found] = one.learns(past, "2026-02-20")
    assert (found.historical, found.pages_again) == (True, False)
    one.learns(MAR, "2026-03-05")
    [worse] = one.wakes("2026-03-16")
    assert (worse.historical, worse.pages_again) == (False, True)


def test_two_reports_of_one_departure_are_one_warning_with_both_as_evidence() -> None:
    one = customer("R2")
    fields = {"contact_id": "K", "change": "left", "decision_role": "finance"}
    [first] = one.learns(event("contact.changed", "2026-03-01", id="a", **fields), "2026-03-01")
    [second] = one.learns(event("contact.changed", "2026-03-01", id="b", **fields), "2026-03-02")
    assert (first.id, said([second])) == (second.id, [("amended", 2)])
    assert [ref.id for ref in second.evidence.events] == ["a", "b"]


def test_an_announced_departure_of_next_month_warns_now() -> None:
    one = customer("R2")
    leaving = event(
        "contact.changed",
        "2026-03-01 10:00",
        contact_id="K",
        change="left",
        decision_role="executive",
        effective_at="2026-04-01T00:00:00+08:00",
    )
    [found] = one.learns(leaving, "2026-03-01 10:00")
    assert (found.start, found.subject) == (instant(at("2026-03-01 10:00")), "K")


def test_a_wall_clock_that_jumps_back_takes_nothing_back() -> None:
    one, _ = late_twice()
    assert one.wakes("2026-02-15 23:00") == []
    assert one.learns(event("activity.logged", "2026-02-15", kind="call"), "2026-02-15 23:30") == []


def test_a_redelivered_offset_changes_nothing() -> None:
    one, _ = late_twice()
    one.state.unsent = []
    one.core.apply(one.state, payment("P", "2026-02-15", "100.00", ("FEB", "100.00")), offset=2, now=at("2026-02-20"))
    assert one.state.unsent == []
    assert one.state.items("payment.received") == []


def test_an_event_from_before_the_horizon_is_refused_and_only_the_offset_goes_on() -> None:
    one = Customer(core(None, 36))
    with pytest.raises(InvalidEvent) as refused:
        one.learns(JAN, "2030-01-01")
    assert refused.value.code == "before_horizon"
    assert (one.state.head.offset, one.state.items("invoice.issued")) == (1, [])


def test_what_comes_true_far_ahead_is_not_missed() -> None:
    one = customer("R1", "R1b")
    one.learns(invoice("A", "2026-01-05", "2027-04-10"), "2026-01-05")
    one.learns(invoice("B", "2026-01-05", "2027-05-10"), "2026-01-05")
    found = []
    while (due := one.state.head.wake_at) is not None and due < at("2027-08-01"):
        found += one.wakes(instant(due).astimezone(one.core.engine.calendar.zone).strftime("%Y-%m-%d %H:%M"))
    assert {(warning.rule, warning.start) for warning in found if warning.change == "raised"} == {
        ("R1", instant(at("2027-05-11"))),
        ("R1b", instant(at("2027-06-01"))),
    }


def test_an_import_of_the_past_does_not_make_history_of_what_time_brought() -> None:
    one = customer("R1")
    one.learns(JAN, "2026-01-05")
    one.learns(FEB, "2026-02-05")
    old = event("request.logged", "2025-01-01", kind="custom", history=True)
    [raised] = one.learns(old, "2026-02-16 09:00")
    assert (raised.rule, raised.historical, raised.pages_again) == ("R1", False, True)


def test_what_is_over_for_long_does_not_page_when_it_turns_out_worse() -> None:
    one, _ = late_twice()
    one.wakes("2026-04-01")
    [longer] = one.learns(invoice("DEC", "2025-12-05", "2025-12-15"), "2026-10-01")
    assert (longer.change, longer.run, longer.pages_again) == ("amended", 3, False)


def test_an_invoice_that_is_not_due_yet_is_no_evidence() -> None:
    one = customer("R1")
    one.learns(JAN, "2026-01-05")
    one.learns(invoice("EARLY", "2026-02-01", "2026-02-05"), "2026-02-01")
    one.learns(invoice("LATER", "2026-02-01", "2026-02-20"), "2026-02-01")
    [raised] = one.wakes("2026-02-06")
    assert [ref.id for ref in raised.evidence.events] == ["issued-JAN", "issued-EARLY"]
    assert one.learns(payment("P", "2026-02-20", "100.00", ("LATER", "100.00")), "2026-02-20") == []


def test_a_changed_rulebook_makes_every_customer_due_at_once() -> None:
    one, _ = late_twice()
    head = next(record for name, record in one.core.close(one.state).records if name == "")
    assert head is not None
    assert one.core.peek(head).wake_at == at("2026-04-01")
    assert core({"R1": {"months": "3"}}, None, "R1").peek(head).wake_at == 0


def test_what_begins_after_an_episode_is_no_evidence_of_it_in_whatever_order_it_is_learned() -> None:
    """Found by the nightly oracle: a case that is opened again, as less urgent, a day after it was closed."""
    opened = event("service_case.opened", "2026-03-02 09:00", id="opened", case_id="S", priority="P1")
    closed = event("service_case.closed", "2026-03-09 09:00", id="closed", case_id="S")
    again = event("service_case.opened", "2026-03-10 09:00", id="again", case_id="S", priority="P2")
    until = "2026-03-10 10:00"
    found = [
        [one.evidence for one in replay(*order, until=until, with_core=core(None, None, "R30")).episodes()]
        for order in ((opened, closed, again), (opened, again, closed))
    ]
    assert found == [[("opened",)], [("opened",)]]


def test_who_was_a_new_customer_is_none_when_several_earlier_contracts_become_known_at_once() -> None:
    with_core = core(None, None, "R5")
    state = with_core.open("C", {})

    def signed(name: str, day: str) -> Event:
        return event("contract.signed", day, id=f"{name}-{day}", contract_id=name, signed_at=f"{day}T09:00:00+08:00")

    with_core.apply(state, signed("V", "2026-12-01"), offset=0, now=at("2026-12-01"))
    with_core.wake(state, now=at("2026-12-06"))
    assert [decode_warning(raw).subject for raw in state.unsent] == ["V"]
    with_core.close(state)

    for offset, earlier in enumerate((signed("W", "2026-11-02"), signed("X", "2026-11-01"), signed("Y", "2026-11-03"))):
        with_core.learn(state, earlier, offset=1 + offset, now=at("2026-12-06"))
    with_core.settle(state)

    told = [decode_warning(raw) for raw in state.unsent]
    assert {(one.change, one.subject) for one in told} == {("withdrawn", "V"), ("raised", "X")}
