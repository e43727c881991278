"""Lists of open items, each compared with the one before."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import yaml

from schemas.codec import decode
from schemas.events import Event
from services.ingest.imports.chunks import CHUNK_EVENTS, Outgoing, Rejected, Sent, Summary
from services.ingest.imports.comparing import Difference, Item, SnapshotRefused
from services.ingest.imports.finding import find_mapping
from services.ingest.imports.mapping import BadMapping, parse_mapping
from services.ingest.imports.rows import Target
from services.ingest.imports.running import Job, beside, take_in_snapshot
from services.ingest.imports.snapshots import Kept, KeptAsItWas, list_name
from services.rules.ledger import ledger_of
from tests.unit.rules.making import state_of

ZONE = ZoneInfo("Asia/Shanghai")
TITLES = "Customer No,Invoice No,Invoice Date,Due Date,Open Amount,Currency"
SETTLED = yaml.safe_load("""
item: "{invoice}"
missing: settled
settled:
  type: payment.received
  id: "settled-{invoice}"
  subject: {column: customer}
  time: {column: snapshot_date, as: start_of_day}
  data:
    payment_id: {template: "settled-{invoice}"}
    amount: {column: open, as: decimal}
    currency: {column: currency}
    value_date: {column: snapshot_date, as: date}
    allocations: [{invoice_id: {column: invoice}, amount: {column: open, as: decimal}}]
""")
QUIET = find_mapping("receivables_ageing")
SETTLING = parse_mapping(
    {**yaml.safe_load(QUIET.model_dump_json(by_alias=True, exclude_defaults=True)), "snapshot": SETTLED}, "test"
)

Line = tuple[str, str, str]
"""Customer, due date and open amount of an invoice."""


class Memory:
    """The last list, as the database keeps it: as text."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def read(self) -> Mapping[str, Item]:
        return {name: Item.from_json(text) for name, text in self.rows.items()}

    def write(self, changed: Mapping[str, Item]) -> None:
        self.rows |= {name: item.to_json() for name, item in changed.items()}


class Ledger:
    """What holds after all events: one that came before is recognised by its id, a correction replaces, a retraction
    takes back."""

    batch_events = CHUNK_EVENTS

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.holds: dict[str, dict[str, Any]] = {}
        self.refuses: set[str] = set()
        self.events: dict[str, list[Event]] = {}

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        sent = Sent()
        for outgoing in batch:
            event, document = decode(outgoing.body), orjson.loads(outgoing.body)
            if event.id in self.refuses:
                sent.rejected.append(Rejected(outgoing.row, "not today"))
                continue
            sent.accepted += 1
            if event.id in self.seen:
                continue
            self.seen.add(event.id)
            self.events.setdefault(document["subject"], []).append(event)
            if event.supersedes is not None:
                corrected = self.holds.pop(event.supersedes)
                assert corrected["subject"] == document["subject"], "a correction goes to the same customer"
            if not event.retracted:
                self.holds[event.id] = document
        return sent

    def open_invoices(self) -> dict[str, Line]:
        """By number, of those that no payment settles."""
        data = [(event["subject"], event["data"], event["type"].rpartition(".")[2]) for event in self.holds.values()]
        paid = {part["invoice_id"] for _, one, kind in data if kind == "received" for part in one["allocations"]}
        issued = [(subject, one) for subject, one, kind in data if kind == "issued"]
        assert len({one["invoice_id"] for _, one in issued}) == len(issued), "an invoice is never there twice"
        return {
            one["invoice_id"]: (subject, one["due_date"], one["amount"])
            for subject, one in issued
            if one["invoice_id"] not in paid
        }


def in_the_books(ledger: Ledger) -> dict[str, Line]:
    """What the rules service takes for open after the same events."""
    return {
        part.invoice_id: (customer, date.fromordinal(part.due).isoformat(), str(part.uncovered(None)))
        for customer, events in ledger.events.items()
        for part in ledger_of(state_of(*events)).instalments.values()
        if part.uncovered(None) > 0
    }


def take(
    folder: Path,
    lines: Mapping[str, Line],
    ledger: Ledger,
    kept: Kept,
    *more: str,
    force: bool = False,
    mapping: Any = SETTLING,
    day: date = date(2026, 3, 2),
) -> tuple[Summary, Difference]:
    rows = [f"{who},{number},2026-01-05,{due},{amount},EUR" for number, (who, due, amount) in lines.items()]
    path = folder / "list.csv"
    path.write_text("\n".join([TITLES, *rows, *more]) + "\n")
    job = Job(path, mapping, history=False, source=None, encoding=None, zone=ZONE)
    return take_in_snapshot(job, day, force, ledger, beside(path), kept, lambda _done, _so_far: None)


ONE, TWO, THREE = ("C1", "2026-02-04", "100.00"), ("C1", "2026-03-04", "20.50"), ("C2", "2026-02-20", "7")


def test_new_changed_and_gone_items_are_told(tmp_path: Path) -> None:
    ledger, kept = Ledger(), Memory()
    _, first = take(tmp_path, {"F1": ONE, "F2": TWO, "F3": THREE}, ledger, kept)
    assert (first.new, first.changed, first.settled) == (3, 0, 0)
    changed = ("C1", "2026-03-04", "10.50")
    _, second = take(tmp_path, {"F1": ONE, "F2": changed}, ledger, kept)
    assert (second.new, second.changed, second.settled, second.missing) == (0, 1, 1, [])
    assert ledger.open_invoices() == {"F1": ONE, "F2": changed}
    (payment,) = [event for event in ledger.holds.values() if event["type"] == "bellwether.payment.received"]
    assert (payment["data"]["amount"], payment["data"]["value_date"], payment["subject"]) == ("7", "2026-03-02", "C2")


def test_the_same_list_twice_changes_nothing(tmp_path: Path) -> None:
    ledger, kept = Ledger(), Memory()
    take(tmp_path, {"F1": ONE, "F2": TWO}, ledger, kept)
    rows, seen = dict(kept.rows), set(ledger.seen)
    summary, difference = take(tmp_path, {"F1": ONE, "F2": TWO}, ledger, kept, day=date(2026, 3, 3))
    assert (summary.events, difference) == (0, Difference())
    assert (kept.rows, ledger.seen) == (rows, seen)


def test_without_a_word_in_the_mapping_nothing_is_said_of_what_is_gone(tmp_path: Path) -> None:
    ledger, kept = Ledger(), Memory()
    take(tmp_path, {"F1": ONE, "F2": TWO}, ledger, kept, mapping=QUIET)
    for _ in range(2):
        summary, difference = take(tmp_path, {"F1": ONE}, ledger, kept, mapping=QUIET)
        assert (summary.events, difference.missing) == (0, ["F2"])
    assert ledger.open_invoices() == {"F1": ONE, "F2": TWO}


def test_a_list_that_shrank_by_more_than_half_is_refused_unless_forced(tmp_path: Path) -> None:
    ledger, kept = Ledger(), Memory()
    lines = {f"F{number}": ONE for number in range(10)}
    half = dict(list(lines.items())[:5])
    take(tmp_path, lines, ledger, kept)
    seen, rows = set(ledger.seen), dict(kept.rows)
    with pytest.raises(SnapshotRefused, match="6 of 10 open items are missing.*--force"):
        take(tmp_path, dict(list(lines.items())[:4]), ledger, kept)
    assert (ledger.seen, kept.rows) == (seen, rows)
    take(tmp_path, half, ledger, kept)
    assert ledger.open_invoices() == half
    _, difference = take(tmp_path, {}, ledger, kept, force=True)
    assert (difference.settled, ledger.open_invoices()) == (5, {})
    # What was settled is not open, and does not count as missing again.
    take(tmp_path, {}, ledger, kept)


@pytest.mark.parametrize("broken", ["C1,,2026-01-05,2026-02-04,5,EUR", "too,few", "C1,F2,2026-01-05,2026-02-04,x,EUR"])
def test_while_a_row_is_refused_nothing_counts_as_gone(tmp_path: Path, broken: str) -> None:
    ledger, kept = Ledger(), Memory()
    take(tmp_path, {"F1": ONE, "F2": TWO}, ledger, kept)
    summary, difference = take(tmp_path, {"F1": ONE}, ledger, kept, broken)
    assert (summary.rejected_rows, difference.settled, len(ledger.open_invoices())) == (1, 0, 2)


def test_an_item_that_stands_there_twice_is_told(tmp_path: Path) -> None:
    summary, _ = take(tmp_path, {"F1": ONE}, Ledger(), Memory(), "C1,F1,2026-01-05,2026-02-04,5,EUR")
    assert [row.reason for row in summary.rejected] == ["is the item F1 of row 2 once more"]


def test_what_ingest_refuses_is_tried_again_with_the_next_list(tmp_path: Path) -> None:
    ledger, kept = Ledger(), Memory()
    ledger.refuses = {"invoice-F2"}
    summary, _ = take(tmp_path, {"F1": ONE, "F2": TWO}, ledger, kept)
    assert [(row.number, row.reason) for row in summary.rejected] == [(3, "not today")]
    rejected = (tmp_path / "list.csv.rejected.csv").read_text().splitlines()[1]
    assert rejected == "3,,not today,C1,F2,2026-01-05,2026-03-04,20.50,EUR"
    ledger.refuses = set()
    take(tmp_path, {"F1": ONE, "F2": TWO}, ledger, kept)
    assert ledger.open_invoices() == {"F1": ONE, "F2": TWO}


def test_a_dry_run_keeps_the_last_list(tmp_path: Path) -> None:
    kept = Memory()
    take(tmp_path, {"F1": ONE}, Ledger(), KeptAsItWas(kept))
    assert kept.rows == {}


def test_a_list_needs_a_mapping_that_names_its_items() -> None:
    with pytest.raises(BadMapping, match="no part snapshot"):
        list_name(find_mapping("activities"), Target(ZONE, "erp"))
    with pytest.raises(BadMapping, match="at most 200"):
        list_name(QUIET, Target(ZONE, "e" * 190))


@pytest.mark.parametrize("cut_off", [False, True])
def test_after_any_lists_the_events_say_what_the_last_one_says(tmp_path: Path, cut_off: bool) -> None:
    """Also when each import is cut off before the list is kept, and run again."""
    seed = random.randrange(1_000_000)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(15):
        ledger, kept = Ledger(), Memory()
        for _ in range(8):
            lines = {
                f"F{number}": (
                    f"C{chance.randrange(2)}",
                    f"2026-02-0{chance.randint(1, 2)}",
                    f"{chance.randint(1, 2)}.00",
                )
                for number in range(6)
                if chance.random() < 0.6
            }
            if cut_off:
                take(tmp_path, lines, ledger, KeptAsItWas(kept), force=True)
            take(tmp_path, lines, ledger, kept, force=True)
            assert ledger.open_invoices() == lines
            assert in_the_books(ledger) == lines
