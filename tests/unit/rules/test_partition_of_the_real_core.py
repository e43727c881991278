"""A partition with the shipped rules: what one batch may gather, and what a changed rulebook does after a restart."""

from __future__ import annotations

from schemas.codec import encode
from schemas.events import Event
from services.rules.batch import MAX_RECORD_BYTES, table_key
from services.rules.partition import Partition
from services.rules.port import Outgoing
from tests.support.records import Rec, restore
from tests.unit.rules.making import at, core, event, invoice


def records(*events: Event) -> list[Rec]:
    return [Rec(offset, b"C", encode(made)) for offset, made in enumerate(events)]


def test_a_first_import_of_many_unpaid_invoices_in_one_batch_loses_none() -> None:
    bills = [
        invoice(f"I{number}", f"2026-0{1 + number % 6}-01", f"2026-0{1 + number % 6}-{5 + number // 6 % 20:02d}")
        for number in range(160)
    ]
    part = Partition(0, 1, core(), event_clock=False)
    waiting, warnings, sizes = records(*bills), 0, [0]
    while waiting:
        result = part.apply_batch(waiting, at("2026-09-01"))
        assert result.dead_letters == []
        warnings += len(result.warnings)
        sizes += [len(write.value) for write in result.writes if write.value is not None]
        waiting = waiting[result.consumed :]
    assert warnings > 100, "every late month has something to say, and each of the first fifty invoices of a rule"
    assert max(sizes) < MAX_RECORD_BYTES / 2


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
