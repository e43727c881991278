"""The partition of a customer is that of Java's default partitioner, in whatever language the producer is written."""

from __future__ import annotations

import pytest
from kafka.partitioner.default import murmur2


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
