"""The partition of a customer is that of Java's default partitioner, in whatever language the producer is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner
from kafka.partitioner.default import murmur2

from services.ingest.partitioning import RememberingPartitioner


@pytest.mark.parametrize(
    ("key", "java"),
    [
        # The vectors of org.apache.kafka.common.utils.UtilsTest#testMurmur2.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_javas(key: bytes, java: int) -> None:
    assert murmur2(key) == java & 0xFFFFFFFF


class Cluster:
    """Knows one topic."""

    def __init__(self, partitions: int) -> None:
        self._partitions = set(range(partitions))

    def topics(self) -> set[str]:
        return {"t"}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return self._partitions

    available_partitions_for_topic = partitions_for_topic


@given(st.binary(max_size=50), st.integers(1, 100))
def test_what_is_remembered_is_what_kafka_would_choose(key: bytes, partitions: int) -> None:
    asked = ("t", key, key, b"", b"", Cluster(partitions))
    first, again = (RememberingPartitioner().partition(*asked) for _ in range(2))
    assert first == again == DefaultPartitioner().partition(*asked)


def test_a_topic_that_grows_is_noticed() -> None:
    chosen = {
        partitions: {
            RememberingPartitioner().partition("t", b"", b"%d" % number, b"", b"", Cluster(partitions))
            for number in range(200)
        }
        for partitions in (2, 5)
    }
    assert chosen == {2: set(range(2)), 5: set(range(5))}


def test_a_record_without_a_key_goes_anywhere() -> None:
    assert RememberingPartitioner().partition("t", None, None, b"", b"", Cluster(3)) in {0, 1, 2}
