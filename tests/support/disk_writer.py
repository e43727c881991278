"""Writes to a store on disk until it is killed: python -m tests.support.disk_writer DIRECTORY

After commit N the store holds exactly what the first N steps of `changes_of` make of it.
"""

from __future__ import annotations

import random
import sys
import time
from itertools import count
from pathlib import Path

from services.rules.disk import DiskStores

CUSTOMERS = 200
PER_COMMIT = 20


def changes_of(step: int) -> tuple[str, dict[str, bytes | None]]:
    """What a step changes of whom."""
    rng = random.Random(step)
    changes: dict[str, bytes | None] = {f"2026-{rng.randrange(1, 13):02d}": rng.randbytes(rng.randrange(3_000))}
    changes[""] = f"head {step}".encode()
    if rng.random() < 0.1:
        changes = dict.fromkeys([*(f"2026-{month:02d}" for month in range(1, 13)), ""])
    return f"C-{rng.randrange(CUSTOMERS)}", changes


def expected(steps: int) -> dict[str, dict[str, bytes]]:
    """What lies in the store after so many steps."""
    found: dict[str, dict[str, bytes]] = {}
    for step in range(steps):
        customer_id, changes = changes_of(step)
        records: dict[str, bytes | None] = {**found.get(customer_id, {}), **changes}
        found[customer_id] = {segment: value for segment, value in records.items() if value is not None}
    return {customer_id: records for customer_id, records in found.items() if records}


def main() -> None:
    stores = DiskStores(Path(sys.argv[1]), time.time)
    stores.begin("this changelog", {0: 1_000_000_000})
    store = stores.open(0)
    for step in count(store.offset + 1):
        customer_id, changes = changes_of(step)
        store.put(customer_id, changes.items(), f"brief {step}".encode())
        if step % PER_COMMIT == 0:
            store.commit(step, f"note {step}".encode())
            print(step, flush=True)


if __name__ == "__main__":
    main()
