"""On which partition a record goes: as Kafka's own default partitioner says, without working it out each time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kafka.partitioner import DefaultPartitioner
from kafka.partitioner.default import murmur2

MOST_KEYS = 100_000
"""Of which the partition is remembered. Events of a customer come again and again."""


class RememberingPartitioner(DefaultPartitioner):  # type: ignore[misc]  # kafka-python has no types
    """A fifth of the cost of sending is the default one's hash and its lists of partitions."""

    def partition(
        self, topic: str, key: Any, serialized_key: bytes | None, value: Any, serialized_value: Any, cluster: Any
    ) -> int:
        """The record's partition; every record of ours has a key."""
        if serialized_key is None:
            chosen = super().partition(topic, key, serialized_key, value, serialized_value, cluster)
            return int(chosen)
        return number_of(bytes(serialized_key), len(cluster.partitions_for_topic(topic)))


@lru_cache(maxsize=MOST_KEYS)
def number_of(key: bytes, partitions: int) -> int:
    """Among so many, numbered from 0."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
