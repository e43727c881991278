"""A glance at a silent rule leaves nothing out that asking it would have found."""

from __future__ import annotations

from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.examples import EXAMPLE_ZONE
from tests.unit.rules.making import at, event, payment


def test_a_run_from_before_lasts_until_its_period_closes_though_a_visit_came_meanwhile() -> None:
    """Found by chaos: in February the customer was in no tier and was visited; in March the tier was back, and with it
    the quarter that had been missed before."""
    run = Backtest(assemble(read_rules(SHIPPED), EXAMPLE_ZONE, None))
    for month in ("2025-09", "2025-10", "2025-11"):
        run.feed(payment(month, f"{month}-15", "600000.00"))
    run.feed(event("activity.logged", "2026-02-04 17:00", kind="visit", channel="onsite"))
    run.feed(payment("2026-02", "2026-02-20", "600000.00"))
    run.advance(at("2026-04-20"))
    found = [(one.start[:10], (one.end or "")[:10]) for one in run.episodes() if one.rule == "R6b"]
    assert found == [("2025-12-31", "2026-01-31"), ("2026-02-28", "2026-03-31")], "in UTC: from the first of a month"
