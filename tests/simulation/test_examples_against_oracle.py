"""The examples in the rule files and the oracle were written from the same page by different people: they agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from schemas.codec import parse
from schemas.events import Event
from services.rules.books import SHIPPED
from tests.oracle import Knobs, episodes, standings, views

ZONE = ZoneInfo("Asia/Shanghai")
Example = dict[str, Any]


def examples() -> Iterator[Any]:
    """Every example that takes the parameters as they ship."""
    for file in sorted(SHIPPED.glob("*.yaml")):
        rule = yaml.safe_load(file.read_text(encoding="utf-8"))
        for example in rule["examples"]:
            if "params" not in example:
                yield pytest.param(rule["id"], example, id=f"{rule['id']}: {example['name']}")


def told(shorts: list[Example], about: Example) -> list[Event]:
    """The events as the codec reads them."""
    return [
        parse({"source": "example", "id": f"event-{number}", **short, **about, "type": f"bellwether.{short['type']}"})
        for number, short in enumerate(shorts, 1)
    ]


def utc(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(("rule", "example"), [*examples()])
def test_an_example_is_what_the_oracle_finds(rule: str, example: Example) -> None:
    events = told(example["events"], {"subject": "customer"})
    reference = told(example.get("reference", []), {})
    clock = max([datetime.fromisoformat(example["until"]), *(event.time for event in events)])

    if "is" in example:
        words = [standings(view, clock, {rule})[rule] for view in views(events, ZONE, clock, reference)]
        assert words == ([example["is"]] if events else [])
        return
    found = episodes(events, Knobs(), ZONE, clock, reference, {rule})
    of_subject = [one for one in found if one.subject == example.get("subject", one.subject)]
    assert sorted((one.start, str(one.end)) for one in of_subject) == sorted(
        (utc(start), str(utc(end))) for start, end in example["fires"]
    )
