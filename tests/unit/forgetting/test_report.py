"""The proof says what was found, and is clean only when nothing was."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from services.forgetting.report import Report
from services.forgetting.traces import Found, Trace, Values

AT = datetime(2026, 3, 2, tzinfo=UTC)
OURS = Trace("t.events", ours=True, until="2029-03-02")
OTHERS = Trace("t.cases", ours=False, until="2029-03-02")


def report_of(found: Found) -> Report:
    report = Report("C001", [], "the officer", AT)
    report.note_found(found)
    return report


def found(**changes: object) -> Found:
    clean = {
        "searched": {"t.events": 3},
        "fields": Values(closed=2),
        "tombstones": {"t.state": 1},
        "kept": {"t.state": 0},
    }
    return Found(**(clean | changes))  # type: ignore[arg-type]


def test_closed_fields_and_tombstones_are_told_and_it_is_clean() -> None:
    report = report_of(found())
    assert report.is_clean
    assert "2 sealed fields of it that no key opens" in report.as_text()
    assert "Of t.state 1 keys of it are tombstones, and 0 are not" in report.as_text()
    assert "STILL THERE" not in report.as_text()


@pytest.mark.parametrize(
    "left",
    [
        {"traces": Counter([OURS])},
        {"keys": 1},
        {"fields": Values(opened=1)},
        {"kept": {"t.state": 0, "t.customers": 1}, "tombstones": {"t.state": 1, "t.customers": 0}},
    ],
)
def test_whatever_is_left_is_told_and_it_is_not_clean(left: dict[str, object]) -> None:
    report = report_of(found(**left))
    assert not report.is_clean
    assert not report.as_data()["clean"]
    assert "STILL THERE" in report.as_text()


def test_the_same_text_in_anothers_record_is_told_and_may_be_anothers() -> None:
    report = report_of(found(traces=Counter([OTHERS, OTHERS])))
    assert report.is_clean
    assert "2  t.cases" in report.as_text()
