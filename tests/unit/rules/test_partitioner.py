"""Customers live where Kafka's own clients put them."""

from __future__ import annotations

import random

import pytest
from kafka.partitioner.default import murmur2 as kafka_python_murmur2

from services.rules.partitioner import murmur2, partition_of


# From Kafka's own UtilsTest.testMurmur2, as unsigned numbers.
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_the_one_of_kafkas_java_client(data: bytes, expected: int) -> None:
    assert murmur2(data) == expected & 0xFFFFFFFF


def test_any_key_hashes_as_in_the_client_that_publishes_events() -> None:
    rng = random.Random(11)
    for _ in range(500):
        key = rng.randbytes(rng.randrange(40))
        assert murmur2(key) == kafka_python_murmur2(key) & 0xFFFFFFFF


def test_a_chinese_customer_id_has_a_partition() -> None:
    assert 0 <= partition_of("客户-001", 8) < 8
