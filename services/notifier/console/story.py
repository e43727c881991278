"""PURE: what a case's page says of its past in sentences, and what it offers this reader to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.warnings import SEVERITIES, Review
from services.notifier.console.texts import Texts
from services.notifier.policy import CUSTOMER_MERGED
from services.notifier.views import CaseView, Refusal, TimelineEntry, WarningView

Tone = Literal["", "strong", "alarm"]
_AWAITED = {"review_not_opened": ("waiting", "overdue"), "review_not_decided": ("opened",)}
"""Codes of the desk, and the states of the reviews that they speak of."""
_OWN_PAGE = re.compile(r"https?://[^\s/]+(/(?:cases|customers|findings|tasks)(?:[/?]\S*)?)(?=\s|$)")
_ALARM = frozenset({"review.breached", "case.page_uncertain"})
_STRONG = frozenset({"case.opened", "review.opened", "review.decided", "case.closed", "case.reopened"})


@dataclass(frozen=True)
class Happening:
    """A line of the timeline. `note` is what a person wrote, or our explanation."""

    at: datetime
    text: str
    note: str | None
    tone: Tone


@dataclass(frozen=True)
class Offers:
    """What the reader may do now. `departments` are those that have not joined yet.

    review: `none` is demanded; it is for `others`; the reader may `open` or `decide` it; it is `done`.
    """

    open: bool
    acknowledge: bool
    review: Literal["none", "others", "open", "decide", "done"]
    departments: tuple[str, ...]
    close: bool
    reopen: bool


def offers(view: CaseView, person: str) -> Offers:
    """What to show as possible. The desk decides again when it is done; this only spares people a refusal."""
    is_open = view.line.status == "open"
    return Offers(
        open=is_open,
        acknowledge=is_open and person not in view.acknowledged_by,
        review=_review(view, person) if is_open else "none",
        departments=tuple(name for name in view.departments if name not in view.departments_joined),
        close=is_open and not view.missing,
        reopen=not is_open and view.line.stage == "closed",
    )


def _review(view: CaseView, person: str) -> Literal["none", "others", "open", "decide", "done"]:
    state = view.line.review
    if state == "none":
        return "none"
    if state == "decided":
        return "done"
    if person not in view.may_review:
        return "others"
    return "decide" if state == "opened" else "open"


def gravest_first(view: CaseView) -> list[WarningView]:
    """The case's warnings as they are shown: what stands before what is over, the more severe first."""
    return sorted(
        view.warnings,
        key=lambda held: (held.state != "standing", -SEVERITIES.index(held.warning.severity)),
    )


def missing(view: CaseView, texts: Texts) -> list[str]:
    """What stands in the way of closing: a sentence for each demand, not for each warning that makes it."""
    sentences: list[str] = []
    for reason in view.missing:
        sentences += _demands(reason, view, texts)
    return list(dict.fromkeys(sentences))


def _demands(reason: Refusal, view: CaseView, texts: Texts) -> list[str]:
    if reason.code in _AWAITED:
        held = [held for held in view.warnings if held.review in _AWAITED[reason.code]]
        names = enumeration([texts.of(one.warning.name) for one in held], texts)
        return [texts(f"missing.{reason.code}", warnings=names)]
    if reason.code == "quorum":
        reviews = [held.warning.review for held in view.warnings if held.review != "none"]
        return [_quorum(review, view, texts) for review in reviews if review and _joined(review, view) < review.quorum]
    return [texts.of(reason.text)]


def _joined(review: Review, view: CaseView) -> int:
    return sum(name in review.departments for name in view.departments_joined)


def _quorum(review: Review, view: CaseView, texts: Texts) -> str:
    names = enumeration([texts.known(f"department.{name}", name) for name in review.departments], texts)
    return texts("missing.quorum", n=review.quorum, departments=names, there=_joined(review, view))


def enumeration(names: Sequence[str], texts: Texts) -> str:
    """甲、乙 or A, B."""
    return texts("case.enumeration").join(names)


def timeline(view: CaseView, texts: Texts) -> list[Happening]:
    """Everything that happened, newest first."""
    names = {held.warning.id: texts.of(held.warning.name) for held in view.warnings}
    return [_happening(entry, texts, names) for entry in sorted(view.timeline, key=lambda e: -e.sequence)]


def _happening(entry: TimelineEntry, texts: Texts, names: Mapping[str, str]) -> Happening:
    key = f"timeline.{entry.type}"
    if entry.type == "case.closed" and entry.actor is None:
        key = "timeline.by_itself"
    # An entry of a kind that a later release adds is shown by its name rather than not at all.
    text = texts.known(
        key,
        entry.type,
        actor=entry.actor_name or entry.actor or texts("timeline.system"),
        person=entry.person_name or entry.person or texts("timeline.nobody"),
        warning=names.get(entry.warning_id or "", texts("timeline.a_warning")),
        channel=texts.known(f"channel.{entry.channel}", entry.channel or ""),
        department=texts.known(f"department.{entry.department}", entry.department or ""),
        decision=texts.known(f"decision.{entry.decision}", entry.decision or ""),
        value=entry.value or "",
    )
    tone: Tone = "alarm" if entry.type in _ALARM else "strong" if entry.type in _STRONG else ""
    return Happening(entry.at, text, entry.note if entry.actor else _own_note(entry, texts), tone)


def _own_note(entry: TimelineEntry, texts: Texts) -> str | None:
    """Notes of the service itself are in English for the record; readers get the catalogue's sentence."""
    if not entry.note:
        return None
    if entry.type in ("case.opened", "case.warning_joined"):
        return texts("timeline.unassigned")
    if entry.note.startswith(CUSTOMER_MERGED):
        return texts("timeline.customer_merged", into=entry.note.removeprefix(CUSTOMER_MERGED))
    return texts("timeline.merged") if entry.type == "case.warning_withdrawn" else None


def linked(text: str) -> list[tuple[str, str | None]]:
    """A message in pieces, those that name a page of ours with its path. The host is left out: whatever stands in a
    customer's name, a link leads nowhere but here."""
    found: list[tuple[str, str | None]] = []
    at = 0
    for link in _OWN_PAGE.finditer(text):
        found += [(text[at : link.start()], None), (link[0], link[1])]
        at = link.end()
    return [*found, (text[at:], None)]
