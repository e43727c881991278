"""A Kafka of several local processes, to see what becomes of everything when one of them dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.kafka.broker import Broker, Place, new_cluster_id
from deploy.ports import LOOPBACK, free_port

NODES = 3
MIN_IN_SYNC = 2


class Cluster:
    """Three nodes, each broker and controller; every topic has a replica on each, and two must have a write."""

    def __init__(self, directory: Path) -> None:
        ports = [(free_port(), free_port()) for _ in range(NODES)]
        voters = ",".join(f"{number}@{LOOPBACK}:{ports[number - 1][1]}" for number in range(1, NODES + 1))
        shared, cluster_id = _replicated(voters), new_cluster_id()
        self.brokers = [
            Broker(Place(directory / f"node-{number}", *two, {**shared, "node.id": str(number)}, cluster_id))
            for number, two in enumerate(ports, start=1)
        ]

    @property
    def bootstrap(self) -> str:
        """All nodes, for clients."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    def start(self) -> None:
        """All at the same time: one alone waits for the majority. Raises BrokerFailed, JarsUnavailable."""
        with ThreadPoolExecutor(NODES) as pool:
            for started in [pool.submit(broker.start) for broker in self.brokers]:
                started.result()

    def stop(self) -> None:
        """All of them."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(Broker.stop, self.brokers))


def _replicated(voters: str) -> dict[str, str]:
    copies = (
        "default.replication.factor",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "share.coordinator.state.topic.replication.factor",
    )
    in_sync = ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")
    return {
        "controller.quorum.voters": voters,
        **dict.fromkeys(copies, str(NODES)),
        **dict.fromkeys(in_sync, str(MIN_IN_SYNC)),
    }
