"""A stock Faust worker that counts the events of each customer in a Table, as Faust's own documentation does it.

    python -m tests.bench.apps.faust_counter worker -l warn

Everything is at Faust's defaults but what has to name this place: broker, topic, partitions, directory, web port.
"""

from __future__ import annotations

import os
import time
from typing import Any

import faust

PARTITIONS = int(os.environ["BENCH_PARTITIONS"])

app = faust.App(
    os.environ["BENCH_GROUP"],
    broker=f"kafka://{os.environ['BENCH_KAFKA']}",
    datadir=os.environ["BENCH_DIR"],
    topic_partitions=PARTITIONS,
    web_port=int(os.environ["BENCH_WEB_PORT"]),
)
events = app.topic(os.environ["BENCH_TOPIC"], key_type=str, value_serializer="json")
counts: Any = app.Table("counts", default=int, partitions=PARTITIONS)


async def count(stream: Any) -> None:
    """One more for the event's customer."""
    said = False
    async for event in stream.events():
        counts[event.key] += 1
        if not said:
            # Not print: Faust makes log lines of that.
            os.write(1, f"first {time.time()} {time.process_time()}\n".encode())
            said = True


app.agent(events)(count)

if __name__ == "__main__":
    app.main()
