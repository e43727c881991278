"""The core that the settings ask for."""

from __future__ import annotations

from services.common.settings import Settings
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.core import Core


def build_core(settings: Settings) -> Core:
    """The shipped rulebook over the company's zone and horizon; raises BadRule."""
    return assemble(read_rules(SHIPPED), settings.zone, settings.horizon_months)
