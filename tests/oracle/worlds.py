"""Three-valued answers: a question is asked where all that is unknown is false, and where it is true.

Where the worlds agree the answer is known; where they differ nothing starts or ends: what was, goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

PESSIMIST, OPTIMIST = False, True


class Unknown:
    """The value of what may be anything: a comparison with it is true in one world and false in the other."""


UNKNOWN = Unknown()
Span = tuple[datetime, datetime | None]
Question = Callable[[datetime, bool], bool]
"""Does it hold at the instant, in the world where unknowns have this value?"""


def spans(question: Question, instants: Iterable[datetime], clock: datetime) -> list[Span]:
    """The stretches [start, end) in which it holds, of `instants` that contain every one at which an answer can change.

    What starts after the clock is not there yet, and what ends after it still holds (end None).
    """
    found: list[Span] = []
    since: datetime | None = None
    for at in sorted({instant for instant in instants if instant <= clock}):
        pessimist, optimist = question(at, PESSIMIST), question(at, OPTIMIST)
        if pessimist != optimist:
            continue
        if pessimist and since is None:
            since = at
        elif not pessimist and since is not None:
            found.append((since, at))
            since = None
    return found if since is None else [*found, (since, None)]
