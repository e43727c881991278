"""A rule's own examples, run through the core: what must fire and what must stay quiet."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.codec import InvalidEvent, parse
from schemas.events import PREFIX, Event
from schemas.fields import parse_instant
from services.rules.backtest import Backtest
from services.rules.books import assemble
from services.rules.calendar import Micros, instant, micros
from services.rules.compiling import compile_rule
from services.rules.definition import BadRule, Definition, Example, ExampleEvent

EXAMPLE_ZONE = ZoneInfo("Asia/Shanghai")
"""Examples are written for the default company zone, whatever an installation uses."""

Extent = tuple[Micros, Micros | None]


class Verdict(NamedTuple):
    """What an example should find and what it found; `problem` is None when they agree."""

    rule: str
    example: str
    problem: str | None


def run_examples(definition: Definition, file: str) -> list[Verdict]:
    """Every example of a rule, alone in its rulebook."""
    return [
        Verdict(definition.id, example.name, _problem(definition, example, file)) for example in definition.examples
    ]


def _problem(definition: Definition, example: Example, file: str) -> str | None:
    try:
        rule = compile_rule(definition, example.params, file)
        wanted = sorted(_extent(extent) for extent in example.fires)
        backtest = Backtest(assemble([rule], EXAMPLE_ZONE, None))
        for number, short in enumerate(example.events):
            backtest.feed(_event(short, number))
        backtest.advance(micros(parse_instant(example.until)))
    except (BadRule, InvalidEvent, ValueError) as error:
        return str(error)
    if backtest.refused:
        return f"an event was refused: {backtest.refused[0].message}"
    found = sorted(_extent([one.start, one.end]) for one in backtest.episodes())
    return None if found == wanted else f"should find {_said(wanted)}, finds {_said(found)}"


def _event(short: ExampleEvent, number: int) -> Event:
    return parse(
        {
            "specversion": "1.0",
            "id": short.id or f"event-{number}",
            "source": "example",
            "type": PREFIX + short.type,
            "time": short.time,
            "subject": "customer",
            "data": short.data,
            "supersedes": short.supersedes,
            "retracted": short.retracted,
        }
    )


def _extent(extent: list[str | None]) -> Extent:
    if len(extent) != 2 or extent[0] is None:
        raise ValueError("`fires` lists pairs of start and end, such as [2026-01-01T00:00:00+08:00, null]")
    start, end = extent
    return micros(parse_instant(start)), None if end is None else micros(parse_instant(end))


def _said(extents: list[Extent]) -> str:
    words = [
        f"[{instant(start).astimezone(EXAMPLE_ZONE).isoformat()}, "
        f"{'…' if end is None else instant(end).astimezone(EXAMPLE_ZONE).isoformat()}]"
        for start, end in extents
    ]
    return ", ".join(words) or "nothing"
