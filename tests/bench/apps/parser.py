"""The limit of a Python worker: aiokafka fetches, orjson parses, nothing is kept.

The fetch settings are those of Bellwether's worker. The topic is read once before anything is measured, since what had
been fetched ahead when the first event came would else cost nothing; then again and again for BENCH_SECONDS.
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
    """Parse everything that is on the topic now; print when measuring began and when it ended."""
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
    wanted = sum((await consumer.end_offsets(numbers)).values())
    await read_through(consumer, numbers, wanted)
    begun, done = time.monotonic(), 0
    print(f"first {time.time()} {time.process_time()}", flush=True)
    while time.monotonic() - begun < float(os.environ["BENCH_SECONDS"]):
        await read_through(consumer, numbers, wanted)
        done += wanted
    # The first event is in the first sample, as with all others.
    print(f"done {time.time()} {time.process_time()} {done + 1}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, signal.pause)


async def read_through(consumer: AIOKafkaConsumer, numbers: list[TopicPartition], wanted: int) -> None:
    """Fetch and parse every event from the first one on. What was fetched before is thrown away."""
    await consumer.seek_to_beginning(*numbers)
    done = 0
    while done < wanted:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                orjson.loads(record.value)
            done += len(records)


if __name__ == "__main__":
    uvloop.run(main())
