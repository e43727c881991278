"""What an event costs the rules core: by the number of rules, and by how much a customer has behind it.

    python -m tests.bench.rules_cost [--rounds 5] [--to FILE.md]

CPU time of one process for decoding an event, applying it and writing the customer down, with the customer open, as the
worker keeps it. The rounds of all settings are interleaved, and medians are told: these machines are shared.
The invented rules are spread evenly over all event types and shapes, and hold for nobody, as rules mostly do; their
customer has events of all types. The shipped rulebook judges a customer in good order: invoices paid in time, calls,
visits, orders that are delivered and called about, service cases that are answered.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from schemas.codec import decode
from schemas.events import CUSTOMER_EVENTS, PREFIX
from services.rules.books import SHIPPED, assemble, read_rules, rules_of
from services.rules.calendar import Micros, micros
from services.rules.compiling import Rule
from services.rules.core import Core
from services.rules.examples import EXAMPLE_ZONE
from services.rules.state import CustomerState
from tests.unit.schemas.examples import DATA

RULES = (5, 50, 500)
PAST = (10, 1_000, 100_000)
MEASURED = 840
"""Events of a round: every type twenty times."""
KINDS = sorted(CUSTOMER_EVENTS)
ROUND = 16
"""Events of a round of the customer in good order."""
END = datetime(2026, 6, 1, 9, tzinfo=EXAMPLE_ZONE)
MONTHS = 36


def facts(kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A fact of each shape over an event type, and a comparison of it that no customer of the bench comes to."""
    often = {"op": ">=", "value": 100_000_000}
    yield {"shape": "count", "of": kind, "window": "90d"}, often
    yield {"shape": "since_last", "of": kind}, {"op": ">", "value": "900d"}
    yield {"shape": "distinct_days", "of": kind, "window": {"months": 6}}, {"op": ">=", "value": 400}
    yield {"shape": "count", "of": kind, "window": {"calendar": "quarter"}}, often
    answer = {"of": "activity.logged", "where": {"kind": {"is": "answered"}}}
    yield {"shape": "waiting", "after": {"of": kind}, "answer": answer, "restarts": True}, {"op": ">=", "value": "900d"}
    yield {"shape": "count", "of": kind, "window": {"months": 12}}, often
    yield {"shape": "past_usual_gap", "of": kind, "least": "900d", "times": 3}, {"op": ">=", "value": "0d"}
    yield {"shape": "count", "of": kind, "window": {"calendar": "month", "full": 3}}, often


def invented_rules(number: int) -> list[Rule]:
    """So many rules, spread over all event types; the shape changes with each round through the types."""
    files = {}
    step = len(KINDS) / min(number, len(KINDS))
    for n in range(number):
        kind = KINDS[int(n * step) % len(KINDS)]
        shapes = list(facts(kind))
        fact, compared = shapes[n // len(KINDS) % len(shapes)]
        document = rule_document(f"B{n}", {**fact, "label": {"zh": "数", "en": "number"}}, compared)
        files[f"B{n}.yaml"] = orjson.dumps(document).decode()
    return rules_of(files, {})


def rule_document(rule_id: str, fact: dict[str, Any], compared: dict[str, Any]) -> dict[str, Any]:
    """A rule file that asks one fact."""
    words = {"zh": "测试", "en": f"bench {rule_id}"}
    quiet = {"name": "quiet", "events": [], "until": "2026-01-01T00:00:00+08:00", "fires": []}
    fires = {**quiet, "name": "fires", "fires": [["2026-01-01T00:00:00+08:00", None]]}
    return {
        "id": rule_id,
        "name": words,
        "kind": "stretch",
        "output": "task",
        "severity": "low",
        "clause": {**words, "source": "bench"},
        "summary": words,
        "advice": words,
        "clears": words,
        "facts": {"number": fact},
        "when": {"fact": "number", **compared},
        "audience": ["owner"],
        "examples": [fires, quiet],
    }


def busy_history(past: int) -> Iterator[dict[str, Any]]:
    """`past` events of 36 months and MEASURED more, of all types in turn, each thing named anew."""
    start, span = END - timedelta(days=30 * MONTHS), timedelta(days=30 * MONTHS)
    for number in range(past + MEASURED):
        at = start + span * number / past if number < past else END + timedelta(minutes=number - past)
        yield document(KINDS[number % len(KINDS)], number, at)


def well_history(past: int) -> Iterator[dict[str, Any]]:
    """`past` events of 36 months and MEASURED more, in rounds in which a customer in good order goes through a week."""
    start, rounds = END - timedelta(days=30 * MONTHS), max(past // ROUND, 1)
    for number in range(past + MEASURED):
        week, step = divmod(number, ROUND)
        at = start + timedelta(days=30 * MONTHS) * week / rounds + timedelta(minutes=5 * step)
        kind, data = a_step(step, week, at)
        yield envelope(kind, number, at, data)


def a_step(step: int, week: int, at: datetime) -> tuple[str, dict[str, Any]]:
    """What happens at a step of a round."""
    day, due = at.date().isoformat(), (at + timedelta(days=30)).date().isoformat()
    name = f"{week}-{step % 4}"
    money = {"amount": "100.00", "currency": "CNY"}
    bill = ("invoice.issued", {**money, "invoice_id": name, "issue_date": day, "due_date": due})
    allocation = {"invoice_id": name, "amount": "100.00"}
    paid = ("payment.received", {**money, "payment_id": name, "value_date": day, "allocations": [allocation]})
    line = {"product_id": "p", "quantity": "2", "unit_price": "50.00", "unit_cost": "30.00", "product_line": "L"}
    once: dict[int, tuple[str, dict[str, Any]]] = {
        10: (
            "activity.logged",
            {"kind": "visit", "channel": "onsite", "next_at": (at + timedelta(days=9)).isoformat()},
        ),
        11: ("order.placed", {"order_id": f"{week}", "currency": "CNY", "lines": [line]}),
        12: ("order.delivered", {"order_id": f"{week}"}),
        13: ("service_case.opened", {"case_id": f"{week}", "priority": "P2"}),
        14: ("service_case.closed", {"case_id": f"{week}", "score": 5}),
    }
    if step < 8:
        return bill if step < 4 else paid
    return once.get(step, ("activity.logged", {"kind": "call", "channel": "phone"}))


def document(kind: str, number: int, at: datetime) -> dict[str, Any]:
    """An event of a type, of things of its own: each round through the types names its own invoice, order, case."""
    data = {
        name: f"{value}-{number // len(KINDS)}" if name.endswith("_id") else value for name, value in DATA[kind].items()
    }
    data.pop("at", None)
    data.update(moved(kind, at))
    return envelope(kind, number, at, data)


def envelope(kind: str, number: int, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """The event around its data."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "bench",
        "type": PREFIX + kind,
        "time": at.isoformat(),
        "subject": "C",
        "data": data,
    }


def moved(kind: str, at: datetime) -> dict[str, Any]:
    """The dates of an event's data, moved to when it happens."""
    day, due = at.date().isoformat(), (at + timedelta(days=30)).date().isoformat()
    dates: dict[str, dict[str, Any]] = {
        "invoice.issued": {
            "issue_date": day,
            "instalments": [{"due_date": due, "amount": "300.00"}],
            "amount": "300.00",
        },
        "payment.received": {"value_date": day, "amount": "300.00", "currency": "CNY"},
        "invoice.credited": {"credit_date": day},
        "order.placed": {"promised_date": due},
        "order.spec_changed": {"promised_date": due},
        "activity.logged": {"outcome": "reached", "automated": False},
        "contact.changed": {"change": "details"},
        "contract.signed": {"signed_at": at.isoformat()},
        "competitor.activity": {"occurred_at": at.isoformat()},
        "customer.milestone": {"occurs_on": day},
        "promise.made": {"due": (at + timedelta(days=30)).isoformat()},
    }
    return dates.get(kind, {})


@dataclass
class Setting:
    """A rulebook over a customer with a past."""

    name: str
    core: Core
    state: CustomerState
    coming: list[bytes]
    offset: int

    def round(self, first: int, count: int) -> float:
        """Microseconds of CPU for each of some of the coming events."""
        gc.collect()
        begun = time.process_time_ns()
        for raw in self.coming[first : first + count]:
            event = decode(raw)
            now = micros(event.time)
            self.offset += 1
            self.core.apply(self.state, event, offset=self.offset, now=now)
            if (wake := self.core.wake_at(self.state)) is not None and wake <= now:
                self.core.wake(self.state, now=now)
            self.core.close(self.state)
        return (time.process_time_ns() - begun) / 1_000 / count


def setting(name: str, rules: list[Rule], past: int) -> Setting:
    """The customer as it stands after its past. The collector is off meanwhile, and leaves it alone afterwards."""
    core = assemble(rules, EXAMPLE_ZONE, MONTHS)
    history = well_history if name == "the shipped rulebook" else busy_history
    raws = [orjson.dumps(one) for one in history(past)]
    state, clock, offset = core.open("C", {}), Micros(0), 0
    gc.disable()
    for raw in raws[:past]:
        event = decode(raw)
        offset += 1
        clock = max(clock, micros(event.time))
        core.apply(state, event, offset=offset, now=clock)
    core.close(state)
    gc.enable()
    gc.freeze()
    return Setting(name, core, state, raws[past:], offset)


def measure(rounds: int) -> tuple[list[tuple[str, int, float]], datetime]:
    """The median cost of every setting."""
    books = {f"{number} rules": invented_rules(number) for number in RULES}
    books["the shipped rulebook"] = read_rules(SHIPPED)
    settings = [(book, past, setting(book, rules, past)) for past in PAST for book, rules in books.items()]
    size = MEASURED // rounds
    costs: dict[tuple[str, int], list[float]] = {(book, past): [] for book, past, _ in settings}
    for one in range(rounds):
        for book, past, subject in settings:
            costs[book, past].append(subject.round(one * size, size))
    return [(book, past, statistics.median(found)) for (book, past), found in costs.items()], datetime.now(UTC)


def table(costs: list[tuple[str, int, float]]) -> str:
    """The costs as Markdown, a row a rulebook."""
    books = list(dict.fromkeys(book for book, _, _ in costs))
    found = {(book, past): cost for book, past, cost in costs}
    lines = [f"| µs an event | {' | '.join(f'{past:,} past items' for past in PAST)} |", "|---|" + "---|" * len(PAST)]
    lines += [f"| {book} | {' | '.join(f'{found[book, past]:.0f}' for past in PAST)} |" for book in books]
    few, many = f"{RULES[0]} rules", f"{RULES[-1]} rules"
    by_rules = max(found[many, past] / found[few, past] for past in PAST)
    by_past = max(found[book, PAST[-1]] / found[book, PAST[0]] for book in books)
    lines += ["", f"From {few} to {many}: at most {by_rules:.1f} times."]
    lines += [f"From {PAST[0]} to {PAST[-1]:,} past items: at most {by_past:.1f} times."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What an event costs the rules core.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", type=Path, help="write the table into this file as well")
    options = parser.parse_args()
    costs, at = measure(options.rounds)
    text = table(costs)
    print(text)
    if options.to:
        options.to.write_text(f"# What an event costs the rules core, {at:%Y-%m-%d}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
