"""Writes what this version of the software keeps of two customers, for the tests of those that come after it.

Whoever raises SCHEMA (services/rules/records.py) runs it once, on a checkout of the last commit before that:
    python tests/unit/rules/data/write_states.py > state_N.json
It asks nothing of the software but what all versions had.
"""

from __future__ import annotations

import base64
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
CUSTOMERS = {"few": 9, "many": 90}
BEGIN = datetime(2025, 3, 3, 9, tzinfo=ZONE)


def document(number: int, kind: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """One event, a day and a bit after the one before."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "erp",
        "type": f"bellwether.{kind}",
        "time": (BEGIN + timedelta(hours=31 * number)).isoformat(),
        "subject": "C",
        "data": data,
        **envelope,
    }


def history(events: int) -> list[dict[str, Any]]:
    """Invoices of which every third is paid, calls, and a correction and a retraction of a call."""
    made = []
    for number in range(events):
        day = (BEGIN + timedelta(hours=31 * number)).date()
        money = {"amount": "300000.00", "currency": "CNY"}
        due = (day + timedelta(days=10)).isoformat()
        if number % 3 == 0:
            bill = {**money, "invoice_id": f"I{number}", "issue_date": day.isoformat(), "due_date": due}
            made.append(document(number, "invoice.issued", bill))
        elif number % 9 == 1:
            to = [{"invoice_id": f"I{number - 1}", "amount": "300000.00"}]
            paid = {**money, "payment_id": f"P{number}", "value_date": day.isoformat(), "allocations": to}
            made.append(document(number, "payment.received", paid))
        else:
            made.append(document(number, "activity.logged", {"kind": "call", "channel": "phone"}))
    made.append(document(events, "activity.logged", {"kind": "visit", "channel": "onsite"}, supersedes="e2"))
    made.append(document(events + 1, "activity.logged", {}, supersedes="e5", retracted=True))
    return made


def kept(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The records after these events and some time, and the newest revision of every warning."""
    from schemas.codec import decode
    from services.rules.books import SHIPPED, assemble, read_rules
    from services.rules.calendar import micros

    core = assemble(read_rules(SHIPPED), ZONE, 36)
    state, records, said = core.open("C", {}), dict[str, bytes | None](), dict[str, int]()

    def close() -> Any:
        written = core.close(state)
        records.update(written.records)
        for raw in written.warnings:
            warning = json.loads(raw)
            said[warning["id"]] = warning["revision"]
        return core.open("C", {name: record for name, record in records.items() if record is not None})

    for offset, one in enumerate(events):
        event = decode(json.dumps(one).encode())
        core.apply(state, event, offset=offset, now=micros(event.time))
        state = close()
    last = micros(decode(json.dumps(events[-1]).encode()).time)
    for days in (30, 60):
        core.wake(state, now=last + days * 86_400_000_000)
        state = close()
    texts = {name: base64.b64encode(record).decode() for name, record in records.items() if record is not None}
    return {"records": texts, "warnings": said}


def main() -> None:
    sys.path.insert(0, str(Path.cwd()))
    written = {name: kept(history(events)) for name, events in CUSTOMERS.items()}
    print(json.dumps(written, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
