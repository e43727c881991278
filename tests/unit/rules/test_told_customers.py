"""The core tells reports of customers: what, when, and that nothing is lost or told twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.codec import encode
from schemas.customers import CustomerSnapshot, MonthCounters, decode_record
from schemas.events import Event
from services.rules import core as core_module
from services.rules.batch import MAX_EVENTS_ASKED_ALONE
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.calendar import SECOND, instant
from services.rules.core import Core
from services.rules.entries import entry_of
from services.rules.examples import EXAMPLE_ZONE
from services.rules.partition import Partition
from services.rules.place import Place
from services.rules.reports.standing import Standing
from services.rules.state import CustomerState
from services.rules.touching import touched_of
from tests.support.records import Rec
from tests.unit.rules.making import CALENDAR, at, event, invoice, payment
from tests.unit.rules.reports.making import order, reference_event

EVERY = 600 * SECOND
RULES = {rule.id: rule for rule in read_rules(SHIPPED)}


def telling_core(*only: str) -> Core:
    wanted = list(only)
    for name in wanted:
        wanted += [other for other in RULES[name].results if other not in wanted]
    return assemble([RULES[name] for name in wanted], EXAMPLE_ZONE, 36, None, EVERY)


def ranked(day: str, measure: str, **percentiles: float) -> Event:
    return reference_event(
        "ranks.published", day, measure=measure, as_of=f"{day}T00:00:00+08:00", percentiles=percentiles
    )


class Told:
    """One customer over closes and opens, and what the customers topic says of it."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.records: dict[str, bytes] = {}
        self.topic: dict[str, bytes | None] = {}
        self.offset = 0

    def opened(self) -> CustomerState:
        return self.core.open("C", self.records)

    def learns(self, made: Event, now: str) -> list[str]:
        """What is told as the step is closed."""
        self.offset += 1
        state = self.opened()
        self.core.apply(state, made, offset=self.offset, now=at(now))
        return self._close(state)

    def wakes(self, now: str) -> list[str]:
        state = self.opened()
        self.core.wake(state, now=at(now))
        return self._close(state)

    def _close(self, state: CustomerState) -> list[str]:
        written = self.core.close(state)
        for name, value in written.records:
            if value is None:
                self.records.pop(name, None)
            else:
                self.records[name] = value
        self.topic.update(written.snapshots)
        return [name for name, _ in written.snapshots]

    @property
    def snapshot(self) -> CustomerSnapshot:
        record = decode_record(self.topic[""] or b"")
        assert isinstance(record, CustomerSnapshot)
        return record

    def counted(self) -> int:
        """All events that are counted, over all months."""
        months = [decode_record(raw) for name, raw in self.topic.items() if name and raw is not None]
        return sum(one.n for month in months if isinstance(month, MonthCounters) for one in month.counts)


def call(day: str) -> Event:
    return event("activity.logged", day, kind="meeting", channel="video")


def test_changed_months_wait_over_closes_and_are_told_once() -> None:
    told = Told(telling_core("R3"))

    assert told.learns(call("2026-02-10 09:00"), "2026-03-10 09:00") == []
    assert told.learns(call("2026-03-10 09:01"), "2026-03-10 09:01") == []
    assert told.opened().head.untold == [2026 * 12 + 1, 2026 * 12 + 2]

    assert told.wakes("2026-03-10 09:10") == ["2026-02", "2026-03", ""]
    assert told.opened().head.untold == []
    assert told.wakes("2026-03-10 09:20") == []
    assert told.wakes("2026-04-10 09:20") == []
    assert told.counted() == 2


def test_after_a_telling_only_what_changed_since_is_told() -> None:
    told = Told(telling_core("R3"))
    told.learns(call("2026-02-10 09:00"), "2026-03-10 09:00")
    told.wakes("2026-03-10 09:10")

    told.learns(call("2026-03-11 09:00"), "2026-03-11 09:00")

    assert told.wakes("2026-03-11 09:10") == ["2026-03", ""]


def test_an_event_that_moves_no_rule_and_no_month_is_told_all_the_same() -> None:
    told = Told(telling_core("R3"))
    told.learns(event("profile.updated", "2026-03-10", section="basic", fields={"region": "East"}), "2026-03-10")

    assert told.wakes("2026-03-10 00:10") == [""]
    assert told.snapshot.region == "East"


def test_what_a_crash_left_between_a_segment_and_the_head_is_told_in_full() -> None:
    told = Told(telling_core("R3"))
    told.learns(call("2026-02-10 09:00"), "2026-03-10 09:00")
    told.wakes("2026-03-10 09:10")
    head = told.records[""]
    told.learns(call("2026-03-11 09:00"), "2026-03-11 09:00")
    told.records[""] = head

    told.offset -= 1
    told.learns(call("2026-03-11 09:00"), "2026-03-11 09:00")
    told.wakes("2026-03-11 09:10")

    assert told.counted() == 2


def test_who_was_not_told_for_long_is_told_in_full_once_reports_are_wanted() -> None:
    told = Told(assemble([RULES["R3"]], EXAMPLE_ZONE, 36))
    told.learns(call("2026-01-10"), "2026-01-10")
    told.learns(call("2026-02-10"), "2026-02-10")
    told.core = telling_core("R3")

    told.learns(call("2026-03-10"), "2026-03-10")

    assert told.wakes("2026-03-10 00:10") == ["2026-01", "2026-02", "2026-03", ""]


def test_a_fault_in_telling_costs_no_event_and_no_month(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(telling_core("R3"))
    told.learns(call("2026-03-10 09:00"), "2026-03-10 09:00")

    def fail(*_: Any) -> Any:
        raise ValueError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(core_module, "judged_of", fail)
        assert told.wakes("2026-03-10 09:10") == []

    told.learns(call("2026-03-11 09:00"), "2026-03-11 09:00")
    assert told.wakes("2026-03-11 09:10") == ["2026-03", ""]
    assert told.counted() == 2


def test_a_score_explains_itself_and_a_class_says_which_ranking_it_rests_on() -> None:
    told = Told(telling_core("R20", "R26"))
    for measure, place in (("order_amount_12m", 0.9), ("rfm_recency", 0.8), ("rfm_frequency", 0.5)):
        told.core.reference.learn(ranked("2026-03-01", measure, C=place))  # type: ignore[arg-type]
    told.learns(order("O1", "2026-03-05"), "2026-03-05")
    told.wakes("2026-03-05 00:10")

    seen = told.snapshot
    assert (seen.classes["R26"].value, seen.classes["R26"].ranked_at) == ("head", instant(at("2026-03-01")))
    assert seen.classes["R26"].name is not None
    assert seen.classes["R26"].name.en == "head"
    assert seen.scores["R20"].value is None
    assert seen.scores["R20"].missing == ["monetary"]
    recency, frequency, monetary = seen.scores["R20"].inputs
    assert (recency.value, recency.part, recency.weight) == ("0.8", Decimal(80), Decimal(1))
    assert (frequency.part, monetary.value, monetary.ranked_at) == (Decimal(50), None, None)


def test_new_rankings_are_told_though_no_rule_speaks() -> None:
    told = Told(telling_core("R26"))
    told.learns(order("O1", "2026-03-05"), "2026-03-05")
    told.wakes("2026-03-05 00:10")
    assert told.snapshot.classes["R26"].value is None

    told.core.reference.learn(ranked("2026-03-06", "order_amount_12m", C=0.9))  # type: ignore[arg-type]
    told.wakes("2026-03-06 02:00")

    assert told.wakes("2026-03-06 02:10") == [""]
    assert told.snapshot.classes["R26"].value == "head"


def test_a_class_is_told_with_what_it_rests_on() -> None:
    told = Told(telling_core("R10"))
    told.learns(event("profile.updated", "2026-01-01", section="basic", fields={"expansion_plan": True}), "2026-01-01")
    told.learns(order("O", "2026-02-01", "1000000.00"), "2026-02-01 10:00")
    told.wakes("2026-02-01 11:00")

    classes = told.snapshot.classes
    assert classes["R10"].says is not None
    assert "Value middling value, potential high potential, risk low risk; 0 late payments" in classes["R10"].says.en
    assert "价值中等" in classes["R10"].says.zh
    assert classes["R10v"].says is not None
    assert "Orders of the last 12 months come to 1000000.00 CNY" in classes["R10v"].says.en
    assert classes["R10p"].says is not None
    assert "plans to expand yes" in classes["R10p"].says.en
    assert classes["R10v"].says.zh in "\n".join(Standing("zh", EXAMPLE_ZONE).lines(told.snapshot))


def test_a_credit_grade_tells_how_late_money_came_by_amount_and_at_the_most() -> None:
    told = Told(telling_core("R15"))
    for name, amount, day in (("small", "100.00", "2026-02-20"), ("large", "300.00", "2026-02-12")):
        told.learns(invoice(name, "2026-01-05", "2026-02-10", amount), "2026-03-01")
        told.learns(payment(name, day, amount, (name, amount)), "2026-03-01")
    told.wakes("2026-03-02")

    says = told.snapshot.classes["R15"].says
    assert says is not None
    # 100 came 10 days late and 300 two.
    assert "what was paid came 4 days late on average by amount and 10 at the most" in says.en


def test_open_warnings_and_what_is_near_are_told_in_both_languages() -> None:
    told = Told(telling_core("R1", "R7"))
    told.learns(event("profile.updated", "2026-01-01", section="basic", fields={"important": True}), "2026-01-01")
    told.learns(call("2026-05-02 09:00"), "2026-05-02 09:00")
    for month in ("02", "03"):
        told.learns(invoice(f"I{month}", f"2026-{month}-01", f"2026-{month}-10"), "2026-05-02 09:01")
        told.learns(payment(f"P{month}", "2026-05-01", "100.00", (f"I{month}", "100.00")), "2026-05-02 09:02")
    told.wakes("2026-05-02 10:00")

    seen = told.snapshot
    assert [(near.rule, near.due) for near in seen.near_misses if near.rule == "R7"] == [
        ("R7", instant(at("2026-05-02 09:00")) + timedelta(days=30))
    ]
    for language in ("zh", "en"):
        text = "\n".join(Standing(language, EXAMPLE_ZONE).lines(seen))
        assert "2026-06-01 09:00" in text
        assert all(f"{one.rule} " in text for one in seen.episodes)


def test_a_long_history_makes_no_event_dearer() -> None:
    """Counted: how often the months of an event are worked out."""
    calls = {size: _months_worked_out(size) for size in (30, 3000)}

    assert calls[3000] == calls[30]


def _months_worked_out(size: int) -> int:
    touched = touched_of(CustomerState.new("C", CALENDAR))
    for number in range(size):
        touched.change(_entry(order(f"O{number}", "2026-03-05")), stands=True)
    touched.take()
    asked: list[int] = []

    def counting(at: int) -> int:
        asked.append(at)
        return CALENDAR.month_of(at)

    touched._month_of = counting
    touched.change(_entry(event("order.cancelled", "2026-04-05", order_id="O7")), stands=True)
    touched.change(_entry(order("new", "2026-04-05")), stands=True)
    _, months = touched.take()
    assert months == {2026 * 12 + 2, 2026 * 12 + 3}
    return len(asked)


def _entry(made: Event) -> Any:
    return entry_of(made, CALENDAR)


def test_under_the_event_clock_a_customer_is_told_once_a_batch() -> None:
    part = Partition(0, 1, telling_core("R3"), event_clock=True)
    records = [Rec(number, b"C", encode(call(f"2026-03-{10 + number} 09:00"))) for number in range(3)]

    result = part.apply_batch(records, 0)

    assert [outgoing.key for outgoing in result.snapshots] == [b"C\x1f2026-03", b"C"]
    assert part.due.first() is None
    again = part.apply_batch([Rec(3, b"C", encode(call("2026-03-13 09:00")))], 0)
    assert again.snapshots == []
    assert part.due.first() is not None


def test_who_is_far_behind_tells_when_it_has_come_further() -> None:
    part = Partition(0, 1, telling_core("R3"), event_clock=True)
    records = [Rec(number, b"C", encode(call(f"2026-03-{10 + number} 09:00"))) for number in range(4)]

    assert part.apply_batch(records[:3], 0, behind=True).snapshots == []
    told = part.apply_batch(records[3:], 0)

    assert [outgoing.key for outgoing in told.snapshots] == [b"C\x1f2026-03", b"C"]
    month = decode_record(told.snapshots[0].value or b"")
    assert isinstance(month, MonthCounters)
    assert sum(one.n for one in month.counts) == 4


def test_a_partition_is_behind_when_much_more_is_known_to_wait() -> None:
    place = Place(Partition(0, 1, telling_core("R3"), event_clock=True))
    place.take_over(0, 0, 0)
    place.ready = True
    last = Rec(10, b"C", b"")
    assert not place.is_behind([last])

    place.observe(0, 11 + 100, idle=False)
    assert place.is_behind([last])
    place.observe(0, 10 + 100, idle=False)
    assert not place.is_behind([last])


def test_a_partition_is_behind_from_the_start_and_while_more_is_fetched_than_a_batch_takes() -> None:
    place = Place(Partition(0, 1, telling_core("R3"), event_clock=True))
    place.take_over(0, 0, 5_000)
    assert place.is_behind([Rec(0, b"C", b"")]), "before the consumer has told anything"

    place.take_over(0, 0, 0)
    fetched = [Rec(offset, b"C", b"") for offset in range(MAX_EVENTS_ASKED_ALONE + 200)]
    assert place.is_behind(fetched)
    assert not place.is_behind(fetched[MAX_EVENTS_ASKED_ALONE:])
