"""Courses that still stand from an earlier step are no other than those worked out anew: no word is another."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import HealthCheck, given, settings

from services.rules.courses import Courses
from tests.simulation.playing import how_many
from tests.simulation.strategies import History, histories
from tests.simulation.test_episodes_against_oracle import run_with_restarts


def words(history: History) -> dict[str, list[bytes]]:
    """All that is said of each customer, in its order; after every third event time runs a month ahead."""
    ahead = dict.fromkeys(range(3, len(history.documents) + 1, 3), 30)
    return dict(run_with_restarts(history, frozenset(), ahead).warnings)


@settings(
    deadline=None,
    print_blob=True,
    max_examples=how_many(30),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=histories())
def test_courses_that_stand_change_no_word(history: History) -> None:
    remembered = words(history)

    with patch.object(Courses, "find", return_value=None):
        assert words(history) == remembered
