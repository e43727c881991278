"""A partition with the shipped rules: what one batch may gather, and what a changed rulebook does after a restart."""

from __future__ import annotations

from schemas.codec import encode
from schemas.events import Event
from schemas.warnings import decode_warning
from services.rules.batch import MAX_RECORD_BYTES, table_key
from services.rules.partition import Partition
from services.rules.port import Outgoing
from tests.support.records import Rec, restore
from tests.unit.rules.making import at, core, event, invoice, payment


def records(*events: Event) -> list[Rec]:
    return [Rec(offset, b"C", encode(made)) for offset, made in enumerate(events)]


def test_a_first_import_with_hundreds_of_departures_in_one_batch_loses_none() -> None:
    left = [
        event(
            "contact.changed",
            f"2026-0{1 + number % 6}-{1 + number // 6 % 28:02d}",
            contact_id=f"K{number}",
            change="left",
            decision_role="procurement",
        )
        for number in range(600)
    ]
    part = Partition(0, 1, core({}, None, "R2"), event_clock=False)
    waiting, told, sizes = records(*left), list[str](), [0]
    while waiting:
        result = part.apply_batch(waiting, at("2026-09-01"))
        assert result.dead_letters == []
        told += [decode_warning(warning.value or b"").id for warning in result.warnings]
        sizes += [len(write.value) for write in result.writes if write.value is not None]
        waiting = waiting[result.consumed :]
    assert len(set(told)) == 600
    assert max(sizes) < MAX_RECORD_BYTES / 2


def test_while_time_stands_rules_are_asked_once_of_all_that_a_batch_brings_of_a_customer() -> None:
    bought, paid = records(
        invoice("I", "2026-01-01", "2026-02-01"), payment("P", "2026-02-01", "100.00", ("I", "100.00"))
    )
    apart, joined = (Partition(0, 1, core(), event_clock=False) for _ in range(2))
    told = [apart.apply_batch([one], at("2026-06-01")).warnings for one in (bought, paid)]
    assert [("R1b", "raised") in changes(warnings) for warnings in told] == [True, False]
    assert ("R1b", "withdrawn") in changes(told[1])
    assert {rule for rule, _ in changes(joined.apply_batch([bought, paid], at("2026-06-01")).warnings)}.isdisjoint(
        {"R1b"}
    )


def test_events_of_the_past_that_are_marked_so_are_asked_of_apart() -> None:
    old = event("contact.changed", "2026-05-30", contact_id="K1", change="left", decision_role="finance")
    new = event("contact.changed", "2026-05-30", contact_id="K2", change="left", decision_role="finance")
    part = Partition(0, 1, core(), event_clock=False)
    found = part.apply_batch(records(old.model_copy(update={"history": True}), new), at("2026-06-01")).warnings
    told = [decode_warning(warning.value or b"") for warning in found]
    assert [one.historical for one in told if one.rule == "R2"] == [True, False]


def changes(warnings: list[Outgoing]) -> list[tuple[str, str]]:
    told = [decode_warning(warning.value or b"") for warning in warnings]
    return [(one.rule, one.change) for one in told]


def test_a_changed_rule_reaches_a_silent_customer_after_a_restart() -> None:
    flag = event("profile.updated", "2026-01-01", section="basic", fields={"important": True})
    call = event("activity.logged", "2026-01-02", kind="call")
    before = Partition(0, 1, core(), event_clock=False)
    written = before.apply_batch(records(flag, call), at("2026-01-15")).writes

    after = Partition(0, 1, core({"R7": {"limit": "10d"}}), event_clock=False)
    restore(after, written)
    after.recovered()

    assert after.has_due(at("2026-01-15"))
    assert len(after.fire_due(at("2026-01-15"), 10).warnings) == 1
    assert not after.has_due(at("2026-01-15"))


def test_a_step_that_raises_a_thousand_warnings_is_written_sent_and_sent_again_after_a_crash() -> None:
    with_core = core()
    state = with_core.open("C", {})
    with_core.apply(state, invoice("I", "2026-01-01", "2026-02-01", "900000.00"), offset=0, now=at("2026-01-01"))
    with_core.wake(state, now=at("2026-06-01"))
    [said, *_] = state.unsent
    state.unsent = [said.replace(b'"revision":1', b'"revision":%d' % number) for number in range(1, 1_001)]
    written = with_core.close(state)
    assert sum(map(len, written.warnings)) > 1.5 * MAX_RECORD_BYTES
    assert [name for name, record in written.records if record is not None and len(record) > MAX_RECORD_BYTES / 2] == []

    part = Partition(0, 1, with_core, event_clock=False)
    restore(part, [Outgoing(table_key("C", name), record) for name, record in written.records])
    assert [warning.value for warning in part.recovered()] == written.warnings
    assert with_core.open("C", part.records_of("C")).head.unsent == written.warnings
