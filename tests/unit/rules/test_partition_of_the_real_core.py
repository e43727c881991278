"""A partition with the shipped rules: what one batch may gather, and what a changed rulebook does after a restart."""

from __future__ import annotations

from schemas.codec import encode
from schemas.events import Event
from services.rules.batch import MAX_RECORD_BYTES
from services.rules.partition import Partition
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
