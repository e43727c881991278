"""Creating Bellwether's topics on a broker, and seeing that those which exist are as they must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.topics import TopicSpec
from services.common.errors import UserError
from services.common.kafka_connection import Address, UnusableCertificate, client_options, why_unusable

CONNECT_TIMEOUT_S = 10.0
CREATE_TIMEOUT_S = 30.0
# The broker's own default.replication.factor: 1 on a developer's machine, usually 3 in production.
BROKER_DEFAULT = -1


class BrokerUnreachable(UserError):
    """Nothing that speaks Kafka answers at the address, or it does not let us in."""


CANNOT_CONNECT = (KafkaError, ValueError, UnusableCertificate)
"""What the making of a client of kafka-python ends with where Kafka cannot be used."""


def unreachable(kafka: Address, error: BaseException) -> BrokerUnreachable:
    """For a client that could not be made, with what to do."""
    return BrokerUnreachable(why_unusable(kafka, error))


class TopicMismatch(UserError):
    """A topic exists with another number of partitions: customers would land on other partitions than their state."""


@dataclass(frozen=True)
class Ensured:
    """What `ensure_topics` found: names in the order of the specifications."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


def ensure_topics(kafka: Address, specs: Sequence[TopicSpec]) -> Ensured:
    """Create what is missing, and return when each topic has its leaders. Settings of existing topics stay as they are.

    Raises:
        BrokerUnreachable: Kafka cannot be used.
        TopicMismatch: a topic exists with another number of partitions.
    """
    with admin_client(kafka, CONNECT_TIMEOUT_S) as admin:
        present = _partition_counts(admin)
        missing = [spec for spec in specs if spec.name not in present]
        require_partitions(specs, present)
        if missing:
            _create(admin, missing)
        # Also for the topics found: somebody else may have asked for them a moment ago.
        admin.wait_for_topics([spec.name for spec in specs], timeout_ms=int(CREATE_TIMEOUT_S * 1000))
        # Of two creators at the same time one may have lost with another count.
        require_partitions(specs, _partition_counts(admin))
    return Ensured(
        created=tuple(spec.name for spec in missing),
        existing=tuple(spec.name for spec in specs if spec.name in present),
    )


@contextmanager
def admin_client(kafka: Address, timeout_s: float = CONNECT_TIMEOUT_S) -> Iterator[KafkaAdminClient]:
    """A connected admin client. Raises BrokerUnreachable when Kafka cannot be used within `timeout_s`."""
    try:
        client = KafkaAdminClient(
            **client_options(kafka),
            bootstrap_timeout_ms=int(timeout_s * 1000),
            client_id="bellwether-admin",
        )
    except CANNOT_CONNECT as error:
        raise unreachable(kafka, error) from error
    try:
        yield client
    finally:
        client.close()


def _partition_counts(admin: KafkaAdminClient) -> dict[str, int]:
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}


def require_partitions(specs: Sequence[TopicSpec], present: Mapping[str, int]) -> None:
    """Raises TopicMismatch when a topic that is present has another number of partitions than its specification."""
    counts = {present[spec.name] for spec in specs if spec.by_customer and spec.name in present}
    for spec in specs:
        found = present.get(spec.name, spec.partitions)
        if found == spec.partitions:
            continue
        if len(counts) > 1:
            raise TopicMismatch(
                f"the topics have from {min(counts)} to {max(counts)} partitions: a growth was begun; finish it with "
                f"`bellwether topics grow --partitions {max(counts)}`"
            )
        raise TopicMismatch(
            f"topic {spec.name} has {found} partitions where {spec.partitions} are wanted: "
            "set BELLWETHER_PARTITIONS to what exists, go to more with `bellwether topics grow`, "
            "or use another BELLWETHER_TOPIC_PREFIX"
        )


def _create(admin: KafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": BROKER_DEFAULT,
            "configs": spec.config,
        }
        for spec in specs
    }
    try:
        admin.create_topics(wanted, timeout_ms=int(CREATE_TIMEOUT_S * 1000))
    except TopicAlreadyExistsError:
        # Somebody made one of them since we looked; the broker has made the others all the same.
        return
