"""What ingest is compared with: a kafka-python producer that gathers records as ingest does, with the same bytes.

Arguments: bootstrap servers, topic, a file with key and value in base64 a line, seconds. Events are sent 500 at a time,
and of so many at once the acknowledgement is waited for, as ingest does it for four posts at once.
"""

from __future__ import annotations

import sys
import time
from base64 import b64decode
from collections import deque
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaProducer

from services.common.librdkafka import BATCH_BYTES, LINGER_MS

BATCH = 500
AT_ONCE = 4


def main(bootstrap: str, topic: str, file: str, seconds: str) -> None:
    """Send, and print how many were acknowledged, in what time and at what cost."""
    events = [tuple(map(b64decode, line.split())) for line in Path(file).read_bytes().splitlines()]
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        batch_size=BATCH_BYTES,
        metrics_enabled=False,
    )
    producer.partitions_for(topic)
    turns = cycle(events)
    open_batches: deque[list[Any]] = deque()
    sent, begun, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < float(seconds):
        open_batches.append(
            [producer.send(topic, key=key, value=value) for key, value in (next(turns) for _ in range(BATCH))]
        )
        sent += BATCH
        if len(open_batches) == AT_ONCE:
            for future in open_batches.popleft():
                future.get(30)
    for batch in open_batches:
        for future in batch:
            future.get(30)
    took = {"events": sent, "seconds": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}
    print(orjson.dumps(took).decode(), flush=True)
    producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
