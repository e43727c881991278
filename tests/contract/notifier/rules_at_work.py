"""Warnings as the rules service really sends them: the shipped rules on their own examples, and on one customer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import services.rules.books as books
from schemas import warnings as wire
from schemas.codec import parse
from schemas.events import PREFIX
from schemas.fields import parse_instant
from services.rules.backtest import Backtest
from services.rules.calendar import micros
from services.rules.compiling import Rule, compile_rule
from services.rules.definition import Definition, Example, ExampleEvent, parse_definition
from services.rules.examples import EXAMPLE_ZONE

RULEBOOK = Path(books.__file__).with_name("rulebook")
CUSTOMER = "customer"
"""As the examples call theirs."""
NOT_SHOWN = ("class", "score")


@cache
def definitions() -> Mapping[str, Definition]:
    """The shipped rules by id."""
    files = sorted(RULEBOOK.glob("*.yaml"))
    found = (parse_definition(file.read_text(encoding="utf-8"), file.name) for file in files)
    return {definition.id: definition for definition in found}


class Recorder(Backtest):
    """A backtest that keeps every revision."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sent: list[wire.Warning] = []

    def _settle(self, state: Any) -> None:
        self.sent += [wire.decode_warning(raw) for raw in state.unsent]
        super()._settle(state)


def sent_by(rules: Iterable[str], events: Iterable[Mapping[str, Any]], until: str) -> list[wire.Warning]:
    """What these rules say of one customer from its events until an instant, every revision in its order."""
    compiled = [compile_rule(definitions()[rule], {}, rule) for rule in _with_results(rules)]
    return _run(compiled, [ExampleEvent(**event) for event in events], [], until)


def examples_of(rule: str) -> list[wire.Warning]:
    """What a rule says in its examples that fire, the revision with the most to tell of each."""
    definition, found = definitions()[rule], []
    for example in definition.examples:
        if example.fires:
            said = [one for one in _sent(definition, example) if one.rule == rule and one.change != "withdrawn"]
            found += sorted(said, key=lambda one: len(one.evidence.events))[-1:]
    return found


def announced() -> list[str]:
    """The rules that send warnings, tasks or suggestions."""
    return [rule for rule, definition in definitions().items() if definition.output not in NOT_SHOWN]


def _sent(definition: Definition, example: Example) -> list[wire.Warning]:
    others = [name for name in _with_results([definition.id]) if name != definition.id]
    rules = [compile_rule(definition, example.params, definition.id)]
    rules += [compile_rule(definitions()[name], {}, name) for name in others]
    return _run(rules, example.events, example.reference, example.until)


def _with_results(rules: Iterable[str]) -> list[str]:
    """The rules and those whose classes and scores they read."""
    found: dict[str, None] = {}
    waiting = list(rules)
    while waiting:
        name = waiting.pop(0)
        if name in definitions() and name not in found:
            found[name] = None
            waiting += compile_rule(definitions()[name], {}, name).results
    return list(found)


def _run(
    rules: list[Rule], events: list[ExampleEvent], reference: list[ExampleEvent], until: str
) -> list[wire.Warning]:
    recorder = Recorder(books.assemble(rules, EXAMPLE_ZONE, None))
    for number, short in enumerate([*reference, *events]):
        recorder.feed(parse(_envelope(short, number, CUSTOMER if number >= len(reference) else None)))
    recorder.advance(micros(parse_instant(until)))
    assert recorder.refused == []
    return recorder.sent


def _envelope(short: ExampleEvent, number: int, customer: str | None) -> dict[str, Any]:
    said = {
        "specversion": "1.0",
        "id": short.id or f"event-{number}",
        "source": "example",
        "type": PREFIX + short.type,
        "time": short.time,
        "data": short.data,
        "supersedes": short.supersedes,
        "retracted": short.retracted,
    }
    return said if customer is None else {**said, "subject": customer}


def _invoice(name: str, month: str, amount: str, due: str) -> dict[str, Any]:
    data = {"invoice_id": name, "amount": amount, "currency": "CNY", "issue_date": f"{month}-05", "due_date": due}
    return {"type": "invoice.issued", "time": f"{month}-05T09:00:00+08:00", "id": f"inv-{name}", "data": data}


def _payment(name: str, day: str, amount: str, invoice: str) -> dict[str, Any]:
    paid = {"payment_id": name, "amount": amount, "currency": "CNY", "value_date": day}
    data = {**paid, "allocations": [{"invoice_id": invoice, "amount": amount}]}
    return {"type": "payment.received", "time": f"{day}T09:00:00+08:00", "id": f"pay-{name}", "data": data}


def _order() -> dict[str, Any]:
    lines = [{"product_id": "P1", "quantity": "100", "unit_price": "60000.00"}]
    data = {"order_id": "O1", "currency": "CNY", "lines": lines}
    return {"type": "order.placed", "time": "2026-01-05T10:00:00+08:00", "id": "order-1", "data": data}


TROUBLED = (
    _order(),
    _invoice("Z1", "2026-01", "600000.00", "2026-01-31"),
    _invoice("A", "2026-01", "12000.00", "2026-01-15"),
    _payment("P1", "2026-01-20", "600000.00", "Z1"),
    _invoice("Z2", "2026-02", "600000.00", "2026-02-28"),
    _invoice("B", "2026-02", "12000.00", "2026-02-15"),
    {
        "type": "activity.logged",
        "time": "2026-02-10T10:00:00+08:00",
        "id": "call-1",
        "data": {"kind": "call", "channel": "phone"},
    },
    _payment("P2", "2026-02-20", "600000.00", "Z2"),
    _invoice("C", "2026-03", "12000.00", "2026-03-15"),
)
"""A customer that buys much and pays its large invoices, leaves small ones open, and whom nobody has called since
February: R6, R7, R10b and R23a hold of it by the 20th of March, and R1 besides."""
TROUBLED_UNTIL = "2026-03-20T10:00:00+08:00"
