"""`python -m deploy.kafka`: run a local Kafka in the foreground until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from deploy.kafka import Broker, BrokerFailed, JarsUnavailable, new_place
from deploy.ports import is_free

CHECK_EVERY_S = 0.5


@click.command()
@click.option("--port", default=9092, show_default=True, help="Port for clients on 127.0.0.1.")
@click.option("--data-dir", default=".bellwether/kafka", show_default=True, type=click.Path(path_type=Path))
def main(port: int, data_dir: Path) -> None:
    """Run a single-node Kafka until Ctrl-C; its data stay for the next start."""
    if not is_free(port):
        raise click.ClickException(f"port {port} is in use; choose another with --port")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    broker = Broker(new_place(data_dir, port))
    try:
        broker.start()
        click.echo(f"Kafka is ready on {broker.bootstrap}; its log is {broker.place.log_file}")
        while broker.running and not stopping.wait(CHECK_EVERY_S):
            pass
        if not stopping.is_set():
            raise click.ClickException(f"Kafka ended by itself:\n{broker.child.log_tail()}")
    except (BrokerFailed, JarsUnavailable) as error:
        raise click.ClickException(str(error)) from error
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main())
