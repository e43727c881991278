"""The limit of a Python worker: aiokafka fetches, orjson parses, nothing is kept. Reads the topic once, then waits.

The fetch settings are those of Bellwether's worker.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

FETCH_BYTES = 4 << 20
POLL_RECORDS = 2_000


async def main() -> None:
    """Parse everything that is on the topic now; print when the first event was there and when the last one was."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["BENCH_KAFKA"],
        max_partition_fetch_bytes=FETCH_BYTES,
        max_poll_records=POLL_RECORDS,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    numbers = [
        TopicPartition(os.environ["BENCH_TOPIC"], number) for number in range(int(os.environ["BENCH_PARTITIONS"]))
    ]
    consumer.assign(numbers)
    wanted, done = sum((await consumer.end_offsets(numbers)).values()), 0
    while done < wanted:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            if done == 0:
                print(f"first {time.time()} {time.process_time()}", flush=True)
            for record in records:
                orjson.loads(record.value)
            done += len(records)
    print(f"done {time.time()} {time.process_time()} {done}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, signal.pause)


if __name__ == "__main__":
    uvloop.run(main())
