"""A Quix Streams worker that counts the events of each customer in its state. Runs in .bench-venv.

It commits ten times a second (its default is every five seconds), so that the end is seen when it comes.
"""

from __future__ import annotations

import os
import time
from typing import Any

from quixstreams import Application

COMMIT_INTERVAL_S = 0.1


def main() -> None:
    """Count until SIGTERM."""
    app = Application(
        broker_address=os.environ["BENCH_KAFKA"],
        consumer_group=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        commit_interval=COMMIT_INTERVAL_S,
        state_dir=os.environ["BENCH_DIR"],
    )
    said: list[float] = []

    def count(_event: dict[str, Any], state: Any) -> None:
        state.set("count", state.get("count", 0) + 1)
        if not said:
            said.append(time.time())
            print(f"first {said[0]} {time.process_time()}", flush=True)

    events = app.topic(os.environ["BENCH_TOPIC"], key_deserializer="str", value_deserializer="json")
    app.dataframe(events).update(count, stateful=True)
    app.run()


if __name__ == "__main__":
    main()
