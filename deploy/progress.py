"""How far the rules service has come, seen from outside."""

from __future__ import annotations

import httpx
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.topics import Topics
from services.common.kafka_admin import admin_client
from services.common.kafka_connection import Address, client_options

UNJUDGED = "bellwether_rules_unjudged_customers "
PROBE_TIMEOUT_S = 2.0


def has_caught_up(kafka: Address, topics: Topics, partitions: int) -> bool:
    """Whether the rules service has committed everything that is on the events topic now."""
    group = f"{topics.prefix}-rules"
    wanted = [TopicPartition(topics.events, number) for number in range(partitions)]
    with admin_client(kafka) as admin:
        try:
            found = admin.list_group_offsets(group).get(group, {})
        except KafkaError:
            found = {}  # the group has committed nothing yet
    committed = {one.partition: offset.offset for one, offset in found.items()}
    consumer = KafkaConsumer(**client_options(kafka))
    try:
        ends = consumer.end_offsets(wanted)
    finally:
        consumer.close()
    return all(committed.get(one.partition, 0) >= end for one, end in ends.items())


def unjudged_customers(rules_url: str) -> int:
    """How many customers wait to be judged by new rankings, rates or rules; 0 while the service does not say."""
    try:
        # trust_env=False: a proxy of the machine has no part in what goes to the loopback interface.
        with httpx.Client(timeout=PROBE_TIMEOUT_S, trust_env=False) as client:
            text = client.get(f"{rules_url}/metrics").text
    except httpx.TransportError:
        return 0
    values = [line.removeprefix(UNJUDGED) for line in text.splitlines() if line.startswith(UNJUDGED)]
    return int(float(values[0])) if values else 0
