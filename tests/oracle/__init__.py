"""An independent oracle for the rules core: which episodes a list of events amounts to.

It shares no code with services/rules: it was written from design.md (Semantics) and rules.md alone, and it is plain and
slow on purpose. There is no state. Every question is answered from the whole list of events, by trying every instant at
which an answer could change. So it cannot depend on the order of the events, on what was announced before, or on
where a state was written and read again; whatever the core does cleverly is checked against it.

    found = episodes(events, knobs, zone, clock)

`events` are parsed events (schemas.codec.parse) in any order, `knobs` the rules' parameters with the defaults of
rules.md, `clock` the instant up to which time has come. The answer is the set of (rule, customer, subject, start, end)
with instants in UTC; `end` is None for what still holds at the clock, and equals `start` for a point.

standing.py   which events count: duplicates, corrections, retractions, and where they lie in time
money.py      what of each instalment was covered, and when
worlds.py     three-valued answers: the walk along the instants in the two worlds where unknowns are false and true
streaks.py    R1 and R1b
stretches.py  R2, R3, R5, R5a and R7
"""

from __future__ import annotations

from tests.oracle.answer import Found, episodes
from tests.oracle.knobs import Knobs

__all__ = ["Found", "Knobs", "episodes"]
