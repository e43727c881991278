"""Histories of years that are played in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.rules import engine


@pytest.fixture(scope="module", autouse=True)
def nothing_new_from_silent_feeds() -> Iterator[None]:
    """Who waits for a silent feed asks again every hour. All that is heard here is told to the core at once, and a
    year has nine thousand hours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "ASK_AGAIN", 24 * 60 * engine.ASK_AGAIN)
        yield
