"""A customer's orders as they are now known. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from statistics import median_high, median_low

from schemas.customers import OrderFacts
from services.rules.calendar import SECOND, Micros, instant
from services.rules.dealings import Order, fields, order_of
from services.rules.entries import Entry
from services.rules.newest import newest_by

MAX_ORDER_TIMES = 400


def orders_of(placed: Iterable[Entry], cancellations: Iterable[Entry]) -> list[Order]:
    """All orders of which something is left. Systems may report an order twice: the newest word on its id counts."""
    cancelled: defaultdict[str, list[Entry]] = defaultdict(list)
    for one in cancellations:
        cancelled[str(fields(one)["order_id"])].append(one)
    newest = newest_by("order_id", placed)
    left = (order_of(entry, cancelled.get(order_id, ())) for order_id, entry in newest.items())
    return [order for order in left if order is not None]


def rhythm_of(orders: Iterable[Order]) -> OrderFacts:
    """How many orders there are and when they were placed, with the newest MAX_ORDER_TIMES of the times."""
    times = sorted(order.at for order in orders)
    if not times:
        return OrderFacts()
    return OrderFacts(
        count=len(times),
        first=instant(times[0]),
        last=instant(times[-1]),
        median_gap_s=_median_gap_s(times),
        times=[instant(at) for at in times[-MAX_ORDER_TIMES:]],
    )


def _median_gap_s(times: list[Micros]) -> Decimal | None:
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    if not gaps:
        return None
    # From both middles, since the mean of two integers would be a float.
    return Decimal(median_low(gaps) + median_high(gaps)) / 2 / SECOND
