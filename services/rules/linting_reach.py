"""Whether a rule asks for more of the past than is remembered, and for silence without a feed. PURE."""

from __future__ import annotations

from services.rules.calendar import DAY
from services.rules.conditions import Leaf, leaves_of
from services.rules.linting_found import Looking
from services.rules.missed import Missed
from services.rules.monthly import Monthly
from services.rules.streaks import LOOK_BACK, Streak
from services.rules.tallying import Counted
from services.rules.windows import Full, Rolling, RollingMonths, Window

MONTHS = {"month": 1, "quarter": 3, "year": 12}
MONTH = 30.4375 * DAY
"""The mean length of a month: a window is wider than the horizon when it is longer in days."""
ABSENCE = ("since_last", "past_usual_gap", "waiting", "missed")


def look_at_reach(looking: Looking) -> None:
    """Finds windows wider than the horizon, runs longer than the look-back, and silence without a source."""
    for name, fact in looking.rule.facts.items():
        place = ["facts", name]
        window = getattr(fact, "window", None) if isinstance(fact, Counted) else None
        wide = fact.span * MONTH if isinstance(fact, Monthly) else _wide(window)
        if wide is not None and wide > looking.horizon_months * MONTH:
            said = f"looks back over {round(wide / DAY)} days, but only {looking.horizon_months} months are remembered"
            looking.error([*place, *(["window"] if window is not None else [])], f"{said}: make it narrower")
    for tree in looking.rule.trees():
        for leaf in leaves_of(tree):
            _run(looking, leaf)
    _source(looking)


def _wide(window: Window | None) -> float | None:
    """How far back a window looks, in microseconds; None for what has no bound."""
    if isinstance(window, Rolling):
        return window.length
    if isinstance(window, RollingMonths):
        return window.months * MONTH
    if isinstance(window, Full):
        if window.every == "week":
            return (window.full + 1) * 7 * DAY
        return (window.full + 1) * MONTHS.get(window.every, 1) * MONTH
    return None


def _run(looking: Looking, leaf: Leaf) -> None:
    fact = looking.rule.facts.get(leaf.fact)
    if not isinstance(fact, (Streak, Missed)) or not isinstance(leaf.threshold, int):
        return
    every = fact.every if isinstance(fact, Missed) else "month"
    months = leaf.threshold * (7 * DAY / MONTH if every == "week" else MONTHS.get(every, 1))
    if months > LOOK_BACK:
        said = f"a run of {leaf.threshold} {every}s cannot be seen: only {LOOK_BACK} months are looked at"
        looking.error(looking.place(leaf), f"{said}; ask for a shorter one")


def _source(looking: Looking) -> None:
    definition = looking.rule.definition
    if "source" in definition.model_fields_set:
        return
    for name, raw in definition.facts.items():
        if raw.get("shape") in ABSENCE:
            said = (
                f"{name} is about something missing, and no `source` is named: name the feed that would have reported"
                " it, or write `source: null` if the rule shall not wait for any"
            )
            looking.warning(["facts", name], said)
            return
