"""PURE: which warnings a decision is about, for CRM and for whoever tunes the rules."""

from __future__ import annotations

from schemas.cases import CaseEventType, Judged
from services.notifier.case import Case, Entry

_DECISIONS: tuple[CaseEventType, ...] = ("review.decided", "case.closed")


def judged(case: Case, entry: Entry) -> list[Judged] | None:
    """None for what decides nothing. A review's decision is about its own warning; who closes a case judges all of its
    warnings that hold or held, or, where every one was withdrawn, those."""
    if entry.type not in _DECISIONS:
        return None
    meant = [held for held in case.warnings if entry.warning_id in (None, held.id)]
    found = [held for held in meant if held.state != "withdrawn"] or meant
    return [Judged(warning_id=one.id, revision=one.revision, rule=one.rule, severity=one.severity) for one in found]
