"""PURE: how something is refused: with a stable code and a sentence in both languages."""

from __future__ import annotations

from schemas.warnings import Bilingual
from services.notifier.case import Case, Entry, Outcome, Page, Verdict
from services.notifier.views import Refusal


def refusal(code: str, zh: str, en: str) -> Refusal:
    """One reason."""
    return Refusal(code, Bilingual(zh=zh, en=en))


def refused(*reasons: Refusal) -> Outcome:
    """Nothing is changed, for these reasons."""
    return Outcome(Verdict.REFUSED, refusals=reasons)


def done(case: Case, *events: Entry, pages: tuple[Page, ...] = ()) -> Outcome:
    """The case as it is now, and what is told of it."""
    return Outcome(Verdict.DONE, case, pages, events=events)
