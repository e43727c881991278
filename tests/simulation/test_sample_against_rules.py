"""What the sample announces is what the shipped rules find in it, and its well customers are left alone."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas.codec import parse
from schemas.warnings import Warning
from services.ingest.sample.world import MIN_CUSTOMERS, Sample, make_sample
from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.calendar import micros

ZONE = ZoneInfo("Asia/Shanghai")
WEEK = timedelta(days=7)
FOR_EVERYBODY = {"R29", "R32"}
"""Greetings that fall due and benefits for those who pay in time: the sample has them for many and announces none."""

Holding = dict[str, set[str]]


def played(sample: Sample, end: datetime) -> list[Warning]:
    backtest = Backtest(assemble(read_rules(SHIPPED), ZONE, None))
    for event in sample.events:
        backtest.feed(parse(event))
    backtest.advance(micros(end))
    assert not backtest.refused
    return [warning for warning in backtest.warnings.values() if warning.change != "withdrawn"]


def holds(warning: Warning, end: datetime) -> bool:
    """Whether it stands open at the end, or happened within the last week."""
    return end - warning.start < WEEK if warning.kind == "point" else warning.end is None


def by_rule(warnings: list[Warning]) -> Holding:
    found: Holding = defaultdict(set)
    for warning in warnings:
        found[warning.rule].add(warning.customer_id)
    return dict(found)


@pytest.mark.parametrize(
    "today",
    [
        date(2026, 11, 22),
        *(
            pytest.param(day, marks=pytest.mark.nightly)
            for day in (date(2026, 3, 1), date(2028, 2, 29), date(2026, 1, 1), date(2025, 7, 31))
        ),
    ],
    ids=str,
)
def test_the_rules_find_in_the_sample_what_it_announces(today: date) -> None:
    sample = make_sample(7, today, ZONE, MIN_CUSTOMERS)
    end = datetime.combine(today, datetime.min.time(), ZONE)
    warnings = [warning for warning in played(sample, end) if warning.rule not in FOR_EVERYBODY]
    assert by_rule([one for one in warnings if holds(one, end)]) == {
        rule: set(ids) for rule, ids in sample.expected.items()
    }
    troubled = {customer for ids in sample.expected.values() for customer in ids}
    assert by_rule([one for one in warnings if one.output == "warning" and one.customer_id not in troubled]) == {}
