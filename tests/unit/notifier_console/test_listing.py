"""The order of cases, pages of the list, and addresses that say what they show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from schemas.warnings import SEVERITIES
from services.notifier.console.listing import PAGE_CASES, TABS, Wanted, in_order, page_of, read_wanted
from services.notifier.views import CaseLine

NOW = datetime(2026, 3, 18, tzinfo=UTC)
LINE = CaseLine("1", "C", "C", "o", "O", "high", "open", NOW, None, (), "waiting", NOW)


def test_open_cases_come_first_then_the_overdue_the_nearest_deadline_and_the_most_severe() -> None:
    closed = replace(LINE, id="closed", status="closed", due=None, review="decided", severity="critical")
    overdue = replace(LINE, id="overdue", review="overdue", due=NOW + timedelta(hours=9))
    sooner = replace(LINE, id="sooner", due=NOW + timedelta(hours=1))
    later = replace(LINE, id="later", due=NOW + timedelta(hours=2))
    severe = replace(LINE, id="severe", due=None, severity="critical")
    mild = replace(LINE, id="mild", due=None, severity="low")
    order = in_order([closed, mild, later, severe, sooner, overdue])
    assert [line.id for line in order] == ["overdue", "sooner", "later", "severe", "mild", "closed"]


def test_among_equals_the_newest_comes_first() -> None:
    older = replace(LINE, id="older", opened_at=NOW - timedelta(days=1))
    assert [line.id for line in in_order([older, LINE])] == ["1", "older"]


@given(st.integers(0, 200), st.integers(1, 50))
def test_every_case_is_on_exactly_one_page_and_no_page_is_beyond_the_last(count: int, asked: int) -> None:
    lines = [replace(LINE, id=str(number)) for number in range(count)]
    pages = page_of(lines, 1).pages
    shown = [line.id for page in range(1, pages + 1) for line in page_of(lines, page).lines]
    assert shown == [line.id for line in lines]
    assert page_of(lines, asked).page == min(asked, pages)
    assert len(page_of(lines, asked).lines) <= PAGE_CASES


@given(
    st.builds(
        Wanted,
        st.sampled_from(TABS),
        st.booleans(),
        st.sampled_from([None, *SEVERITIES]),
        st.text(max_size=50).map(str.strip).filter(lambda text: text.isprintable()),
        st.integers(1, 999),
    )
)
def test_the_address_of_a_list_shows_that_list(wanted: Wanted) -> None:
    query = dict(parse_qsl(urlsplit(wanted.address(page=wanted.page)).query))
    assert read_wanted(query) == wanted
    assert read_wanted(dict(parse_qsl(urlsplit(wanted.address()).query))) == replace(wanted, page=1)
