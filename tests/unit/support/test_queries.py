"""Which series a query names."""

from __future__ import annotations

import pytest

from tests.support.queries import selectors


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("up == 0", ["up"]),
        ('up{job=~"a-.+"} == bool 0', ['up{job=~"a-.+"}']),
        ('changes(x{a="}", b="by (c)"}[15m]) > 2', ['x{a="}", b="by (c)"}']),
        ("sum by (le, job) (rate(x_bucket[1m])) / on (job) group_left (le) y", ["x_bucket", "y"]),
        ("sum(rate(x[1m])) by (job)", ["x"]),
        ("60 * a_total - 1e3 and b or vector(0) unless c offset 5m", ["a_total", "b", "c"]),
        ("count(max by (feed) (silent) == 1) or absent (up)", ["silent", "up"]),
        ("deriv(sum by (job) (lag)[10m:1m]) > 0 and sum(lag) > 0.05", ["lag"]),
        ("histogram_quantile(0.99, sum by (le) (rate(y_bucket[1m])))", ["y_bucket"]),
    ],
)
def test_the_series_of_a_query(query: str, expected: list[str]) -> None:
    assert selectors(query) == expected
