"""A rule's own examples, run through the core: what must fire and what must stay quiet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.codec import InvalidEvent, parse
from schemas.events import PREFIX, Event
from schemas.fields import parse_instant
from schemas.warnings import Warning
from services.rules.backtest import Backtest
from services.rules.books import assemble
from services.rules.calendar import NEVER, Micros, instant, micros
from services.rules.compiling import Rule, compile_rule
from services.rules.definition import BadRule, Definition, Example, ExampleEvent

EXAMPLE_ZONE = ZoneInfo("Asia/Shanghai")
"""Examples are written for the default company zone, whatever an installation uses."""

Extent = tuple[Micros, Micros | None]


class Verdict(NamedTuple):
    """What an example should find and what it found; `problem` is None when they agree."""

    rule: str
    example: str
    problem: str | None


Others = Mapping[str, Definition]
"""The definitions of a folder by their ids: what a rule's facts may read the results of."""


def run_examples(definition: Definition, file: str, others: Others | None = None) -> list[Verdict]:
    """Every example of a rule, with no other rule in its book than those whose classes and scores it reads."""
    return [
        Verdict(definition.id, example.name, _problem(definition, example, file, others or {}))
        for example in definition.examples
    ]


def _problem(definition: Definition, example: Example, file: str, others: Others) -> str | None:
    try:
        backtest = played(definition, example, file, others)
        if backtest.refused:
            return f"an event was refused: {backtest.refused[0].message}"
        return _differs(definition, example, backtest)
    except (BadRule, InvalidEvent, ValueError) as error:
        return str(error)


def played(definition: Definition, example: Example, file: str, others: Others) -> Backtest:
    """An example's events, gone through. Raises BadRule, InvalidEvent or ValueError for what cannot be read."""
    rule = compile_rule(definition, example.params, file)
    backtest = Backtest(assemble([rule, *_read(rule, others, {rule.id})], EXAMPLE_ZONE, None))
    for number, short in enumerate(example.reference):
        backtest.feed(_event(short, number, None))
    for number, short in enumerate(example.events):
        backtest.feed(_event(short, number, "customer"))
    backtest.advance(micros(parse_instant(example.until)))
    return backtest


def samples(definitions: Others) -> dict[str, list[Warning]]:
    """What each rule says in those of its examples in which it fires, as if it were said for the first time: for those
    who want to see how it reads. Rules that say nothing to anybody (classes, scores) have none."""
    found: dict[str, list[Warning]] = {}
    for definition in definitions.values():
        for example in definition.examples:
            if not example.fires:
                continue
            said = played(definition, example, definition.id, definitions).warnings.values()
            mine = [one for one in said if one.rule == definition.id and one.change != "withdrawn"]
            fresh = [one.model_copy(update={"change": "raised", "historical": False}) for one in mine]
            found.setdefault(definition.id, []).extend(fresh)
    return {rule: said for rule, said in found.items() if said}


def _read(rule: Rule, others: Others, seen: set[str]) -> list[Rule]:
    """The rules whose results a rule reads, and those that they read."""
    found = []
    for name in rule.results:
        if name in others and name not in seen:
            seen.add(name)
            other = compile_rule(others[name], {}, name)
            found += [other, *_read(other, others, seen)]
    return found


def _differs(definition: Definition, example: Example, backtest: Backtest) -> str | None:
    if definition.judges:
        value = backtest.judgements("customer").get(definition.id)
        return None if value == example.is_ else f"should be {example.is_}, is {value}"
    wanted = sorted((_extent(extent) for extent in example.fires or []), key=_by_start)
    found = sorted(
        (
            _extent([one.start, one.end])
            for one in backtest.episodes()
            if one.rule == definition.id and example.subject in (None, one.subject)
        ),
        key=_by_start,
    )
    return None if found == wanted else f"should find {_said(wanted)}, finds {_said(found)}"


def _by_start(extent: Extent) -> tuple[Micros, Micros]:
    start, end = extent
    return start, NEVER if end is None else end


def _event(short: ExampleEvent, number: int, customer: str | None) -> Event:
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
    return parse(said if customer is None else {**said, "subject": customer})


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
