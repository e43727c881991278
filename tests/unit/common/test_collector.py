"""How the garbage collector is set in a process that keeps much in memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from services.common.collector import settle_collector


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_loaded_is_never_looked_through_again() -> None:
    loaded = [object()]
    settle_collector()
    assert gc.get_freeze_count() > 10_000
    assert not any(one is loaded for one in gc.get_objects())


def test_what_survives_a_look_is_left_alone_for_a_hundred_million_objects() -> None:
    settle_collector()
    young, per_full, _ = gc.get_threshold()
    assert young * per_full >= 100_000_000


def test_rings_are_still_found_after_so_many_new_objects() -> None:
    settle_collector()
    freed = []

    class Ring:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            freed.append(True)

    Ring()
    assert not freed
    kept = [[] for _ in range(gc.get_threshold()[0] + 1_000)]  # type: ignore[var-annotated]
    assert kept
    assert freed
