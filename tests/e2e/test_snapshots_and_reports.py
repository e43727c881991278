"""Events in, snapshots out, reports and rankings over them, and verdicts that rest on the rankings: on a real broker.

No month's counters are lost when the worker is killed between.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import encode, parse
from schemas.customers import MonthCounters, decode_record
from schemas.fields import parse_instant
from schemas.topics import Topics
from schemas.warnings import decode_warning
from services.rules.control import advance
from tests.support.commands import call_bellwether
from tests.support.fixtures import Kafka
from tests.support.rules_worker import Installation, Worker
from tests.support.waiting import wait_until

PARTITIONS = 2
CUSTOMERS = [f"c{number}" for number in range(10)]
MONTHS = ["2026-01", "2026-02", "2026-03"]


def order(customer: str, month: str, day: int, line: str) -> bytes:
    """An order over 100 CNY times the customer's number plus one."""
    name = f"{customer}-{month}-{day}-{line}"
    price = f"{100 * (1 + CUSTOMERS.index(customer))}.00"
    piece = {"product_id": "P", "quantity": "1", "unit_price": price, "unit_cost": "50.00", "product_line": line}
    document = {
        "specversion": "1.0",
        "id": name,
        "source": "erp",
        "type": "bellwether.order.placed",
        "time": f"{month}-{day:02d}T10:00:00+08:00",
        "subject": customer,
        "data": {"order_id": name, "currency": "CNY", "lines": [piece]},
    }
    return encode(parse(document))


@pytest.fixture
def place(kafka: Kafka, make_topics: Callable[..., Topics], tmp_path: Path) -> Iterator[Installation]:
    """Workers on the events' own time; they end with the test."""
    made = Installation(kafka.bootstrap, make_topics(PARTITIONS), PARTITIONS, tmp_path)
    yield made
    made.stop()


def send(place: Installation, day: int, *months: str) -> int:
    """An order of every customer in each month; all buy valves, and all but the last customer buy pumps as well."""
    sent = [
        (customer, order(customer, month, day, line), None)
        for month in months
        for customer in CUSTOMERS
        for line in (("valves",) if customer == CUSTOMERS[-1] else ("valves", "pumps"))
    ]
    place.publish(sent)
    return len(sent)


def go_on(place: Installation, to: str) -> None:
    advance(place.bootstrap, place.topics, parse_instant(to))
    place.wait_until_done()


def told(place: Installation) -> dict[bytes, bytes]:
    """The newest record of each key on the customers topic."""
    newest = {record.key: record.value for record in place.read(place.topics.customers)}
    return {key: value for key, value in newest.items() if value is not None}


def orders_by_month(place: Installation) -> Counter[str]:
    """How many orders the counters tell of."""
    months = [record for record in map(decode_record, told(place).values()) if isinstance(record, MonthCounters)]
    return Counter(dict.fromkeys(MONTHS, 0)) + Counter(
        {
            month: sum(one.n for found in months if found.month == month for one in found.counts if one.kind == "order")
            for month in MONTHS
        }
    )


def ask(place: Installation, *arguments: str) -> Any:
    done = call_bellwether(*arguments, env=place.env())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rank(place: Installation, worker: Worker, at: str) -> None:
    """Publishes, and waits until every customer is due to be judged by it."""
    ask(place, "ranks", "publish", "--as-of", at)
    unjudged = "bellwether_rules_unjudged_customers"
    wait_until(lambda: worker.metric(unjudged) == len(CUSTOMERS), "the rankings to be known")


def test_from_events_to_reports_rankings_and_verdicts(place: Installation) -> None:
    worker = place.worker("services.cli", "rules", "run")
    worker.wait_until_ready()
    send(place, 5, *MONTHS)
    go_on(place, "2026-04-01T00:00:00+08:00")

    sales = json.loads(ask(place, "report", "K2", "--from", "2026-01-01", "--until", "2026-03-31", "--format", "json"))
    # Each of the three months: 1 + 2 + … + 9 hundred twice, and ten hundred once.
    assert [row["sales"] for row in sales["tables"]["results"]["rows"]] == [{"CNY": "30000.00"}]

    rank(place, worker, "2026-04-01T00:00:00+08:00")
    go_on(place, "2026-04-01T01:00:00+08:00")
    last, first = (json.loads(ask(place, "explain", name, "--json")) for name in (CUSTOMERS[0], CUSTOMERS[-2]))
    assert (last["classes"]["R26"]["value"], first["classes"]["R26"]["value"]) == ("base", "head")
    assert first["classes"]["R26"]["ranked_at"] == "2026-03-31T16:00:00Z"
    assert first["scores"]["R20"]["missing"] == []
    assert "head" in ask(place, "explain", CUSTOMERS[-2], "--language", "en")

    # Of its class all others buy pumps: known once the classes are.
    rank(place, worker, "2026-04-01T01:00:00+08:00")
    go_on(place, "2026-04-01T02:00:00+08:00")
    suggested = {
        warning.customer_id for warning in map(decode_warning, place.warnings().values()) if warning.rule == "R38"
    }
    assert suggested == {CUSTOMERS[-1]}

    unknown = call_bellwether("explain", "nobody", env=place.env())
    assert unknown.returncode == 1
    assert 'nothing is known of a customer "nobody"' in unknown.stderr


# Nightly: test_rules_runtime.py kills workers, whose states hold such counters too.
@pytest.mark.nightly
def test_no_months_counters_are_lost_when_the_worker_is_killed(place: Installation) -> None:
    worker = place.worker("services.cli", "rules", "run")
    worker.wait_until_ready()
    sent = send(place, 5, *MONTHS[:2])
    place.wait_until_done()
    # Told or not yet: what is untold lies in the states alone.
    worker.process().kill()
    assert worker.process().exit_code() == -signal.SIGKILL

    worker.start()
    worker.wait_until_ready()
    sent += send(place, 6, *MONTHS)
    wait_until(lambda: worker.metric("bellwether_rules_events_applied_total") > 0, "the first of the new events")
    worker.process().kill()
    worker.start()
    worker.wait_until_ready()
    go_on(place, "2026-04-01T00:00:00+08:00")

    each = sent // 5
    assert sent == 5 * 19
    assert orders_by_month(place) == Counter({"2026-01": 2 * each, "2026-02": 2 * each, "2026-03": each})
    before = place.read(place.topics.customers)
    go_on(place, "2026-04-02T00:00:00+08:00")
    months = [record.key for record in place.read(place.topics.customers)[len(before) :] if b"\x1f" in record.key]
    assert months == [], "no month is told again that did not change"
