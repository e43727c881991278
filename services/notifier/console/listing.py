"""PURE: the list of cases: what the address asks for, in which order cases come, and which of them are on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args
from urllib.parse import urlencode

from schemas.warnings import SEVERITIES, Severity
from services.notifier.views import CaseFilter, CaseLine

Tab = Literal["open", "overdue", "closed", "all"]
TABS: tuple[Tab, ...] = get_args(Tab)
PAGE_CASES = 25
LISTED_CASES = 1000
"""At most so many cases of each status are asked for."""
TEXT_CHARS = 100
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Wanted:
    """The filters of the list, as the address has them. `page` counts from 1."""

    tab: Tab = "open"
    mine: bool = False
    severity: Severity | None = None
    text: str = ""
    page: int = 1

    @property
    def filtered(self) -> bool:
        """Whether anything but the state narrows the list."""
        return self.mine or self.severity is not None or self.text != ""

    def address(self, **changes: object) -> str:
        """The list's address with these filters; a change of a filter goes back to the first page."""
        other = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]  # the names are those of the fields
        parts = {
            "state": other.tab if other.tab != "open" else "",
            "whose": "mine" if other.mine else "",
            "severity": other.severity or "",
            "q": other.text,
            "page": str(other.page) if other.page > 1 else "",
        }
        query = urlencode({name: value for name, value in parts.items() if value})
        return "/cases" + (f"?{query}" if query else "")


def read_wanted(query: Mapping[str, str]) -> Wanted:
    """Reads the address. What makes no sense is taken as not asked for: an old bookmark still shows a list."""
    page = query.get("page", "")
    return Wanted(
        tab=next((tab for tab in TABS if tab == query.get("state")), "open"),
        mine=query.get("whose") == "mine",
        severity=next((severity for severity in SEVERITIES if severity == query.get("severity")), None),
        text=query.get("q", "").replace("\x00", "").strip()[:TEXT_CHARS],
        page=max(int(page), 1) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
    )


def desk_filter(wanted: Wanted, status: Literal["open", "closed"], person: str) -> CaseFilter:
    """What to ask the desk for."""
    return CaseFilter(status, wanted.severity, person if wanted.mine else None, wanted.text, LISTED_CASES)


def is_overdue(line: CaseLine) -> bool:
    """An open case whose review was not opened in time."""
    return line.status == "open" and line.review == "overdue"


def in_order(lines: Sequence[CaseLine]) -> list[CaseLine]:
    """Open before closed; then the overdue, what is due first, the more severe first, the newest first."""
    newest_first = sorted(lines, key=lambda line: line.opened_at, reverse=True)
    return sorted(
        newest_first,
        key=lambda line: (
            line.status == "closed",
            not is_overdue(line),
            line.due or _NEVER,
            -SEVERITIES.index(line.severity) if line.status == "open" else 0,
        ),
    )


@dataclass(frozen=True)
class Slice:
    """The cases on one page of the list."""

    lines: Sequence[CaseLine]
    page: int
    pages: int
    found: int


def page_of(lines: Sequence[CaseLine], page: int) -> Slice:
    """That page, or the last one when there are not so many."""
    pages = max(-(-len(lines) // PAGE_CASES), 1)
    page = min(page, pages)
    return Slice(lines[(page - 1) * PAGE_CASES : page * PAGE_CASES], page, pages, len(lines))
