"""Appends to a spool, and forgets from its front, until it is killed: python -m tests.support.spool_writer FOLDER SEED

Record N says so in its key; each line printed is "appended N" or "forgetting N", all below N being meant.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from services.ingest.records import Record
from services.ingest.spool_store import SpoolStore

MAX_BYTES = 1 << 30


def numbered(number: int) -> Record:
    """Record N, always the same."""
    value = random.Random(number).randbytes(number * 37 % 9_000)
    return Record(f"topic-{number % 3}", str(number).encode(), value, (("n", str(number).encode()),))


def main() -> None:
    store, rng = SpoolStore(Path(sys.argv[1]), MAX_BYTES), random.Random(int(sys.argv[2]))
    waiting = store.oldest(1_000_000, MAX_BYTES)
    number = int(waiting[-1].record.key) + 1 if waiting else int(sys.argv[3])
    while True:
        count = rng.randrange(1, 60)
        store.append([numbered(n) for n in range(number, number + count)], 0.0)
        number += count
        print("appended", number, flush=True)
        if rng.random() < 0.4:
            batch = store.oldest(rng.randrange(1, 100), MAX_BYTES)
            if batch:
                print("forgetting", int(batch[-1].record.key) + 1, flush=True)
                store.delete_through(batch[-1].seq)


if __name__ == "__main__":
    main()
