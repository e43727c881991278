"""Whether a rule asks for more of the past than is remembered, and for silence without a feed. PURE."""

from __future__ import annotations

from services.rules.calendar import DAY
from services.rules.conditions import Leaf, leaves_of
from services.rules.linting_found import Looking
from services.rules.missed import Missed
from services.rules.monthly import Monthly
from services.rules.streaks import LOOK_BACK, Streak
from services.rules.tallying import Counted
from services.rules.windows import Full, Present, Rolling, RollingMonths, Window

MONTHS = {"month": 1, "quarter": 3, "year": 12}
MONTH = 30.4375 * DAY
"""The mean length of a month."""

ABSENCE = ("since_last", "past_usual_gap", "waiting", "missed")


def look_at_reach(looking: Looking) -> None:
    """Finds windows wider than the horizon, runs longer than the look-back, and silence without a source."""
    for name, fact in looking.rule.facts.items():
        window = fact.window if isinstance(fact, Counted) else None
        months = fact.span if isinstance(fact, Monthly) else _months(window)
        if months > looking.horizon_months:
            place = ["facts", name, "window"] if window is not None else ["facts", name]
            wide = f"{round(months * MONTH / DAY)} days" if isinstance(window, Rolling) else f"{months} months"
            said = f"looks back over {wide}, but only {looking.horizon_months} months are remembered: make it narrower"
            looking.error(place, said)
    for tree in looking.rule.trees():
        for leaf in leaves_of(tree):
            _run(looking, leaf)
    _source(looking)


def _months(window: Window | None) -> float:
    """How many months before the present one a window may look into; 0 for what has no bound. All of the month in which
    the horizon lies is remembered."""
    if isinstance(window, Rolling):
        return window.length / MONTH
    if isinstance(window, RollingMonths):
        return window.months
    if isinstance(window, (Full, Present)):
        full = window.full if isinstance(window, Full) else 0
        if window.every not in MONTHS:
            return (full + 1) * 7 * DAY / MONTH
        return full * MONTHS[window.every] + MONTHS[window.every] - 1
    return 0


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
