"""What is worked out from several events of one thing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.rules.derived import Orders
from services.rules.series import Pick
from tests.unit.rules.making import event, state_of

LINES = [
    {"product_id": "P", "quantity": "3", "unit_price": "10.00", "unit_cost": "4.00", "product_line": "valves"},
    {"product_id": "Q", "quantity": "1", "unit_price": "5.00", "product_line": "pumps"},
]


@pytest.mark.parametrize(
    ("cancelled", "left"),
    [
        ([], (Decimal(35), Decimal(4), None)),
        ([{"lines": []}], (Decimal(35), Decimal(4), None)),
        ([{"lines": [{"product_id": "Q", "quantity": "1"}]}], (Decimal(30), Decimal(3), Decimal(18))),
        ([{"lines": [{"product_id": "P", "quantity": "1"}]}] * 2, (Decimal(15), Decimal(2), None)),
        ([{}], None),
        ([{"lines": [{"product_id": "P", "quantity": "3"}, {"product_id": "Q", "quantity": "9"}]}], None),
    ],
    ids=["nothing", "no line", "a line", "a line twice in part", "the whole", "every line"],
)
def test_an_order_is_what_its_cancellations_left_of_it(
    cancelled: list[dict[str, Any]], left: tuple[Decimal, Decimal, Decimal | None] | None
) -> None:
    placed = event("order.placed", "2026-03-01", order_id="O", currency="CNY", lines=LINES)
    taken = [
        event("order.cancelled", "2026-03-05", id=f"c{number}", order_id="O", **what)
        for number, what in enumerate(cancelled)
    ]
    items = state_of(placed, *taken).series(Pick(Orders())).items
    found = [
        ((item.data or {})["amount"], (item.data or {})["quantity"], (item.data or {}).get("margin")) for item in items
    ]
    assert found == ([] if left is None else [left])
