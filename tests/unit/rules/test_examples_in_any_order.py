"""What an example finds does not depend on the order in which its events were learned, nor on how often."""

from __future__ import annotations

import pytest

from services.rules.books import SHIPPED, read_rules
from services.rules.definition import Definition, Example, ExampleEvent
from services.rules.examples import run_examples

RULES = {rule.id: rule.definition for rule in read_rules(SHIPPED)}


def named(example: Example) -> list[ExampleEvent]:
    """The events, each keeping the id that its place in the file gives it."""
    return [
        event.model_copy(update={"id": event.id or f"event-{number}"}) for number, event in enumerate(example.events)
    ]


def backwards_and_again(example: Example) -> Example:
    events = named(example)
    return example.model_copy(update={"events": [*reversed(events), *events]})


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_an_example_learned_backwards_and_twice_finds_the_same(rule: Definition) -> None:
    turned = rule.model_copy(update={"examples": [backwards_and_again(example) for example in rule.examples]})
    verdicts = run_examples(turned, f"{rule.id}.yaml", RULES)
    assert [(verdict.example, verdict.problem) for verdict in verdicts if verdict.problem] == []
