"""An independent oracle for the rules core: which episodes a list of events amounts to.

It shares no code with services/rules: it was written from design.md (Semantics), docs/rule-language.md and the readings
of the rules alone, and it is plain and slow on purpose. There is no state. Every question is answered from the whole
list of events, by trying every instant at which an answer could change. So it cannot depend on the order of the events,
on what was announced before, or on where a state was written and read again; whatever the core does cleverly is checked
against it.

    found = episodes(events, knobs, zone, clock, reference)
    words = [standings(view, at) for view in views(events, zone, clock, reference)]

`events` are parsed events (schemas.codec.parse) in any order, `reference` those of no customer, `knobs` the rules'
parameters with the defaults of rules.md, `clock` the instant up to which time has come. The answer is the set of (rule,
customer, subject, start, end) with instants in UTC; `end` is None for what still holds at the clock, and equals `start`
for a point. `standings` are the classes and scores of a customer at an instant.

standing.py    which events count: duplicates, corrections, retractions, and where they lie in time
money.py       what of each instalment was covered, and when
series.py      events and derived series as items that lie in time
known.py       one customer's items, seen by a rule: filters, subjects, feeds
reference.py   rates, rankings, heartbeats
days.py        windows, periods, yearly and lunar days, working days
worlds.py      three-valued answers: the walk along the instants in the two worlds where unknowns are false and true
conditions.py  facts and trees of comparisons over them
counting.py    the shapes that look at a window; lasting.py those that look back; missing.py those that wait
rules.py       what a stretch, a point, a class and a score are
streaks.py     R1 and R1b; stretches.py R2, R3, R5 and R5a: written out without the shapes
book_*.py      every other rule
"""

from __future__ import annotations

from tests.oracle.answer import Found, episodes, standings, views
from tests.oracle.knobs import Knobs

__all__ = ["Found", "Knobs", "episodes", "standings", "views"]
