"""Who has which story: what the sample shows, by the rules that hold at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.ingest.sample import deals, slips, troubles
from services.ingest.sample.diary import Diary


@dataclass(frozen=True)
class Story:
    """One customer's. `rules` hold at the sample's end, or fired within its last week where they name one event."""

    write: Callable[[Diary], None]
    rules: tuple[str, ...]


STORIES: tuple[Story, ...] = (
    Story(troubles.paying_late, ("R1",)),
    Story(troubles.paying_late, ("R1",)),
    Story(troubles.not_paying, ("R1b",)),
    Story(troubles.buyer_left, ("R2",)),
    Story(troubles.finance_replaced, ("R2",)),
    Story(troubles.courted_by_competitors, ("R3",)),
    Story(troubles.needs_never_asked, ("R5",)),
    Story(troubles.late_giant, ("R10b", "R23a")),
    Story(troubles.stopped_ordering, ("R23a",)),
    Story(slips.forgotten_by_flag, ("R7", "R28", "R39", "R39c")),
    Story(slips.forgotten_by_receipts, ("R6", "R6b", "R7", "R28", "R39", "R39c")),
    Story(slips.only_visited, ("R6",)),
    Story(slips.never_visited, ("R6b", "R39c")),
    Story(slips.handed_over, ("R8",)),
    Story(slips.passed_around, ("R9", "R13")),
    Story(slips.poorly_served, ("R12", "R30")),
    Story(slips.never_answered, ("R14", "R31")),
    Story(slips.neglected, ("R11", "R28", "R28b", "R39c")),
    Story(slips.not_called_back, ("R28d", "R39", "R39b")),
    Story(slips.loose_ends, ("R33", "R35")),
    Story(deals.off_the_book, ("R24", "R24a", "R24b", "R24c", "R24e")),
    Story(deals.standstill, ("R24d", "R24s")),
    Story(deals.strategic_alone, ("R23",)),
    Story(deals.worth_cultivating, ("R10a",)),
    Story(deals.wants_custom_parts, ("R27",)),
)
"""All other customers live well."""

SHOWN = tuple(sorted({rule for story in STORIES for rule in story.rules}))
"""The rules of which the sample has a customer."""
