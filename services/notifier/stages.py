"""PURE: how far a case has come, as one table. What stands in no row leaves the case where it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from services.notifier.views import Stage

Move = Literal["acknowledge", "review", "intervene", "come_back", "close", "reopen"]
"""What moves a case: somebody has seen it; a superior opened or decided the review; a department joined; nobody did
anything for too long; it was closed; it is open again."""

OPEN: tuple[Stage, ...] = ("opened", "acknowledged", "in_review", "intervention", "reopened")

TABLE: Mapping[tuple[Stage, Move], Stage] = MappingProxyType(
    {
        ("opened", "acknowledge"): "acknowledged",
        ("reopened", "acknowledge"): "acknowledged",
        ("opened", "review"): "in_review",
        ("reopened", "review"): "in_review",
        ("acknowledged", "review"): "in_review",
        ("opened", "intervene"): "intervention",
        ("reopened", "intervene"): "intervention",
        ("acknowledged", "intervene"): "intervention",
        ("in_review", "intervene"): "intervention",
        # An acknowledgement says that somebody is on it. After days of nothing it says so no more.
        ("acknowledged", "come_back"): "opened",
        ("opened", "close"): "closed",
        ("reopened", "close"): "closed",
        ("acknowledged", "close"): "closed",
        ("in_review", "close"): "closed",
        ("intervention", "close"): "closed",
        ("closed", "reopen"): "reopened",
    }
)


def moved(stage: Stage, move: Move) -> Stage:
    """The stage after the move. A case that is further already stays there: who acknowledges during the intervention
    does not take it back."""
    return TABLE.get((stage, move), stage)
