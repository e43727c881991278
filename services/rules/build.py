"""The core that the settings ask for."""

from __future__ import annotations

from services.common.settings import Settings
from services.rules.books import assemble
from services.rules.calendar import SECOND
from services.rules.compiling import Rule
from services.rules.core import Core
from services.rules.reference import Reference


def build_core(settings: Settings, rules: list[Rule], reference: Reference) -> Core:
    """These rules over the company's zone and horizon, with reference data that is shared and goes on to change.
    Reports are told of customers as often as the settings say."""
    every = settings.snapshot_minutes * 60 * SECOND or None
    core = assemble(rules, settings.zone, settings.horizon_months, reference, every)
    core.max_items = settings.max_items
    return core
