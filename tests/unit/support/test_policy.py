"""The policy on skipped tests, tried on small suites of their own, and the order of tests."""

from __future__ import annotations

import pytest

from tests.support.policy import spread
from tests.support.waiting import wait_until

pytest_plugins = ["pytester"]

SUITE = """
    import pytest
    pytest_plugins = ["tests.support.policy"]

    @pytest.fixture
    def shared_data():
        pytest.skip("no shared data")

    def test_needs_a_program():
        pytest.skip("the program chromium is not installed")

    @pytest.mark.parametrize("number", [1, 2])
    def test_needs_another(number):
        pytest.skip("the program postgresql is not installed")

    def test_needs_the_shared_data(shared_data):
        pass

    @pytest.mark.xfail(strict=True)
    def test_known_defect():
        assert False

    def test_plain():
        pass
"""


def run(pytester: pytest.Pytester, suite: str = SUITE) -> pytest.RunResult:
    pytester.makeini("[pytest]\nmarkers =\n    shared_data: needs data\n")
    pytester.makepyfile(suite)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "tests.support.policy")


def test_without_programs_tests_skip_and_the_reasons_are_counted(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BELLWETHER_REQUIRE", raising=False)
    result = run(pytester)
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "*= skipped =*",
            "2 x the program postgresql is not installed",
            "1 x the program chromium is not installed",
            "1 x no shared data",
        ]
    )


def test_where_everything_is_required_only_the_shared_data_may_be_missing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLWETHER_REQUIRE", "all")
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=3, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*BELLWETHER_REQUIRE=all does not allow: the program chromium is not installed*"])


def test_a_module_may_not_skip_itself_either(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLWETHER_REQUIRE", "all")
    result = run(pytester, "import pytest\npytest.skip('not today', allow_module_level=True)")
    result.assert_outcomes(errors=1)


def test_waiting_says_what_for_and_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match=r"waited 0.1 s for rain; the last answer was 0"):
        wait_until(lambda: 0, "rain", deadline_s=0.1)


def test_waiting_gives_the_first_true_answer() -> None:
    answers = iter([0, "", "yes"])
    assert wait_until(lambda: next(answers), "an answer", deadline_s=5) == "yes"


def test_modules_that_wait_are_spread_whole_among_the_others() -> None:
    listed = ["A1", "A2", "b1", "b2", "b3", "C1", "D1", "D2", "e1", "e2", "e3", "e4"]

    assert spread(listed, str.isupper, lambda name: name[0]) == [
        *("A1", "A2", "b1", "b2"),
        *("C1", "b3", "e1"),
        *("D1", "D2", "e2", "e3", "e4"),
    ]


def test_without_tests_that_wait_the_order_stays() -> None:
    assert spread(["b", "a"], str.isupper, str) == ["b", "a"]


def test_tests_that_wait_come_first_where_there_are_no_others() -> None:
    assert spread(["B", "A"], str.isupper, str) == ["B", "A"]
