"""PURE: the configuration of a single-node Kafka for development and tests, as text."""

from __future__ import annotations

from collections.abc import Mapping

# A little over 1 MiB, so that a value of exactly 1 MiB still fits with its key and headers.
MESSAGE_MAX_BYTES = 1_100_000
MEBIBYTE = 1024 * 1024


_SMALL: dict[str, str | int] = {
    # A typing mistake in a topic's name should fail, not make a topic with one partition.
    "auto.create.topics.enable": "false",
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.segment.bytes": 4 * MEBIBYTE,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    # Workers under test ask for short sessions, so that a killed one is missed soon.
    "group.min.session.timeout.ms": 500,
    # After a kill -9 the new process must wait until the old one's session is over (9 s by default).
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
    "message.max.bytes": MESSAGE_MAX_BYTES,
    "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
    # Small files: a development machine holds many topics with little in them.
    "log.segment.bytes": 32 * MEBIBYTE,
    "log.index.size.max.bytes": MEBIBYTE,
    "log.cleaner.dedupe.buffer.size": 16 * MEBIBYTE,
    "log.segment.delete.delay.ms": 1_000,
    "log.retention.hours": 24 * 7,
    "metadata.log.segment.bytes": 16 * MEBIBYTE,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "num.recovery.threads.per.data.dir": 1,
    "controlled.shutdown.enable": "true",
}
"""One node on a machine that has other things to do."""


def server_properties(*, port: int, controller_port: int, overrides: Mapping[str, str] | None = None) -> str:
    """server.properties of one node that is broker and controller, on the loopback interface only. `overrides` replace
    settings or add to them: a node of a cluster, a broker behind a proxy.

    `log.dirs` is relative to the working directory of the process: no character of the data directory's path can
    upset Kafka's parsing (a comma would split it in two).
    """
    settings: dict[str, str | int] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": "logs",
        **_SMALL,
        **(overrides or {}),
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def log4j2_properties() -> str:
    """Warnings and above, and the few lines that say what the server does, to standard output."""
    return """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""
