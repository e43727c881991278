"""Playing a history to the core, and comparing what it finds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from schemas.warnings import decode_warning
from services.rules import backtest
from services.rules.backtest import Backtest, found_of
from services.rules.calendar import micros
from services.rules.core import Core
from tests.oracle import Found, episodes
from tests.simulation.strategies import History
from tests.simulation.worlds import core_of, shipped, taught

HISTORIES = "BELLWETHER_HISTORIES"


def how_many(default: int) -> int:
    """How many histories a property is tried on; the environment may ask for more."""
    return int(os.environ.get(HISTORIES, default))


def clock_of(history: History) -> datetime:
    """The event clock at the end: it has followed the events, and comes at least to `until`."""
    return max([history.until, *(event.time for event in history.events())])


def listed(history: History, core: Core | None = None) -> list[backtest.Found]:
    """What the core finds in the events, as they arrive, when time has come to the history's end."""
    run = Backtest(core or core_of(history.world, history.references()))
    for event in history.events():
        run.feed(event)
    run.advance(micros(clock_of(history)))
    assert run.refused == []
    return run.episodes()


def played(history: History) -> set[Found]:
    """`listed` in the oracle's terms."""
    return compared(listed(history))


def played_on(core: Core, history: History) -> set[Found]:
    """What this core finds, in the oracle's terms."""
    return compared(listed(history, taught(core, history.references())))


def compared(found: list[backtest.Found]) -> set[Found]:
    """Episodes of the core in the oracle's terms; no two warnings may stand for the same one."""
    terms = [
        Found(one.rule, one.customer_id, one.subject, datetime.fromisoformat(one.start), _instant(one.end))
        for one in found
    ]
    assert len(terms) == len(set(terms)), "two warnings stand for one episode"
    return set(terms)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def told_by(warnings: Iterable[bytes]) -> set[Found]:
    """The episodes that stand after these revisions, in the oracle's terms."""
    revisions = [decode_warning(raw) for raw in warnings]
    newest = {revision.id: revision for revision in sorted(revisions, key=attrgetter("revision"))}
    return compared([found_of(revision) for revision in newest.values() if revision.change != "withdrawn"])


def expected(history: History, clock: datetime | None = None) -> set[Found]:
    """What the oracle finds when time has come to `clock`, or to the history's end."""
    when = clock or clock_of(history)
    world = history.world
    return episodes(history.events(), world.knobs, world.zone, when, history.references(), shipped())


def difference(found: set[Found], wanted: set[Found]) -> str:
    """What one side has and the other has not; empty when they agree."""
    lines = [f"only the core:   {_told(one)}" for one in sorted(found - wanted, key=str)]
    lines += [f"only the oracle: {_told(one)}" for one in sorted(wanted - found, key=str)]
    return "\n".join(lines)


def _told(one: Found) -> str:
    end = one.end.isoformat() if one.end else "now"
    return f"{one.rule} {one.customer_id} {one.subject} {one.start.isoformat()} to {end}"
