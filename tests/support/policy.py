"""What a skipped test means, and in which order tests run.

On a developer's machine a test whose program is missing is skipped, and the end of the run lists why. In CI everything
is installed, and BELLWETHER_REQUIRE=all turns a skip into a failure: a test that silently never runs proves nothing.
Only tests on the shared data may skip there; that data is not part of the project.

Of several workers each gets an equal share of the list, one after the other. Tests in WAITING wait for processes most
of their time, all others compute; so the former are spread among the latter, and every worker always has of both.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from itertools import groupby
from typing import TypeVar

import pytest

REQUIRE = "BELLWETHER_REQUIRE"
SHARED_DATA = "shared_data"
WAITING = (("tests", "browser"), ("tests", "chaos"), ("tests", "e2e"))

T = TypeVar("T")


def everything_required() -> bool:
    """Whether a skip is a failure in this run."""
    return os.environ.get(REQUIRE) == "all"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whoever uses the shared data is marked so, without having to remember it. Last, when what does not run is out."""
    for item in items:
        if SHARED_DATA in getattr(item, "fixturenames", ()):
            item.add_marker(SHARED_DATA)
    if hasattr(config, "workerinput"):
        items[:] = spread(
            items, lambda item: item.path.relative_to(config.rootpath).parts[:2] in WAITING, lambda item: item.path
        )


def spread(items: Sequence[T], waits: Callable[[T], bool], module: Callable[[T], object]) -> list[T]:
    """The same in another order: the modules whose tests wait, each whole, at equal distances among all others."""
    others = [item for item in items if not waits(item)]
    modules = [list(group) for _, group in groupby(filter(waits, items), module)]
    spread_out: list[T] = []
    for number, waiting in enumerate(modules):
        first, end = (len(others) * n // len(modules) for n in (number, number + 1))
        spread_out += [*waiting, *others[first:end]]
    return spread_out if modules else others


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under BELLWETHER_REQUIRE=all, turn a skip into a failure."""
    report = yield
    expected_failure = hasattr(report, "wasxfail")
    if report.skipped and not expected_failure and everything_required() and not item.get_closest_marker(SHARED_DATA):
        report.outcome = "failed"
        report.longrepr = f"skipped, which {REQUIRE}=all does not allow: {skip_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is imported."""
    report = yield
    if report.skipped and everything_required():
        report.outcome = "failed"
        report.longrepr = f"skipped, which {REQUIRE}=all does not allow: {skip_reason(report)}"
    return report


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason as its author wrote it."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List why tests were skipped, with their number."""
    reasons = Counter(skip_reason(report) for report in terminalreporter.getreports("skipped"))
    if not reasons:
        return
    terminalreporter.section("skipped")
    for reason, number in reasons.most_common():
        terminalreporter.line(f"{number} x {reason}")
