"""A delivery is done when all of its futures are, in whatever order and on whatever partition that comes about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka.future import Future

from services.ingest.publisher import _Awaited


class Told:
    """What a delivery hears."""

    def __init__(self, futures: list[Future]) -> None:
        self.done = 0
        self.failures: list[BaseException] = []
        self.awaited = _Awaited(list(futures), self._done, self.failures.append)

    def _done(self) -> None:
        self.done += 1


@given(st.permutations(range(12)), st.integers(0, 12))
def test_it_is_done_once_when_the_last_is_acknowledged(order: list[int], before: int) -> None:
    futures = [Future() for _ in order]
    told = Told(futures)
    for number in order[:before]:
        futures[number].success("metadata")
    told.awaited.listen()
    for number in order[before:]:
        assert told.done == 0
        futures[number].success("metadata")
    assert (told.done, told.failures) == (1, [])


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1), st.integers(0, 12))
def test_a_failure_is_told_and_it_is_never_done(order: list[int], failing: set[int], before: int) -> None:
    futures = [Future() for _ in order]
    told = Told(futures)
    for position, number in enumerate(order):
        if position == before:
            told.awaited.listen()
        if number in failing:
            futures[number].failure(OSError(number))
        else:
            futures[number].success("metadata")
    if before == 12:
        told.awaited.listen()
    assert told.done == 0
    assert len(told.failures) == 1


def test_without_records_it_is_done_at_once() -> None:
    told = Told([])
    told.awaited.listen()
    assert told.done == 1


def test_little_is_listened_to() -> None:
    futures = [Future() for _ in range(500)]
    told = Told(futures)
    told.awaited.listen()
    assert sum(len(future._callbacks) for future in futures) == 1
    for future in futures:
        future.success("metadata")
    assert told.done == 1
