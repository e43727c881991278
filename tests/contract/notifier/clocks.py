"""A clock for the store's contract."""

from __future__ import annotations

from datetime import datetime

from tests.unit.notifier.making import NOON


class Clock:
    """Stands until the test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at
