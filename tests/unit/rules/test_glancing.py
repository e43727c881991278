"""A glance at a silent rule leaves nothing out that asking it would have found."""

from __future__ import annotations

import orjson

from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, assemble, read_rules, rules_of
from services.rules.examples import EXAMPLE_ZONE
from tests.bench.rules_cost import rule_document
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


def test_a_subject_first_heard_of_may_have_waited_since_before_on_other_grounds() -> None:
    """Found by the nightly oracle: the contract counts for every order until that order comes."""
    label = {"zh": "数", "en": "number"}
    fact = {"shape": "since_last", "of": "orders", "otherwise": {"of": "contract.signed"}, "label": label}
    document = {**rule_document("X1", fact, {"op": ">=", "value": "1d"}), "per": "order"}
    run = Backtest(assemble(rules_of({"X1.yaml": orjson.dumps(document).decode()}, {}), EXAMPLE_ZONE, None))
    run.feed(event("contract.signed", "2026-01-05", contract_id="V"))
    lines = [{"product_id": "p", "quantity": "1", "unit_price": "5.00"}]
    run.feed(event("order.placed", "2026-01-08", order_id="O", currency="CNY", lines=lines))
    found = [(one.start[:10], (one.end or "")[:10]) for one in run.episodes()]
    assert found == [("2026-01-05", "2026-01-07")], "in UTC: a day after the contract, until the order"
