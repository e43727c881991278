"""A library may not flood the log."""

from __future__ import annotations

import logging

from services.rules.logs import REPEAT_AFTER_S, Throttle


def record(name: str, message: str, *, failed: bool = False) -> logging.LogRecord:
    error = ValueError("x")
    trace = (ValueError, error, None) if failed else None
    return logging.LogRecord(name, logging.ERROR, "file", 1, message, ("1",), trace)


def test_a_librarys_line_passes_once_in_a_while_and_ours_always() -> None:
    now_s = 0.0
    throttle = Throttle(lambda: now_s)
    assert throttle.filter(record("aiokafka", "cannot connect to %s"))
    now_s = REPEAT_AFTER_S - 1
    assert not throttle.filter(record("aiokafka", "cannot connect to %s"))
    assert throttle.filter(record("aiokafka", "something else than %s"))
    assert throttle.filter(record("aiokafka", "cannot connect to %s", failed=True))
    now_s = REPEAT_AFTER_S
    assert throttle.filter(record("aiokafka", "cannot connect to %s"))
    ours = record("services.rules.host", "partition %s")
    assert [throttle.filter(ours) for _ in range(3)] == [True, True, True]
