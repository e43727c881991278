"""PURE: which pages get links by which their reader acts without signing in, and what for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from services.notifier.case import Role
from services.notifier.contents import Notice
from services.notifier.links import LinkAction, LinkMaker
from services.notifier.people import Directory, Person

PERSONAL = ("email", "wecom_app")
"""Kinds of channel whose messages reach one person. In a group's chat everybody could act in the person's name, and
who reads the inbox has signed in."""

Signed = Mapping[LinkAction, str]
"""The addresses that one page has for one reader."""

_TELLS_ONLY = ("withdrawn", "undelivered")
"""Kinds of page that ask nobody to do anything about the case."""

_REVIEWS: tuple[Role, ...] = ("superior", "escalation")
"""Who is told as one of these may open the review."""

Links = Callable[[Notice, Person, Directory], Signed]


def acting(maker: LinkMaker) -> Links:
    """What Letters asks for each page; empty where there is nothing to be done by a link."""

    def links(notice: Notice, to: Person, directory: Directory) -> Signed:
        at = notice.at
        if at is None:
            return {}
        subject = notice.case_id or notice.warning.id
        wanted = _actions(notice, to, at, directory)
        return {action: maker.link_for(action, subject, to.id, notice.key, at) for action in wanted}

    return links


def _actions(notice: Notice, to: Person, at: datetime, directory: Directory) -> Iterator[LinkAction]:
    if notice.kind in _TELLS_ONLY:
        return
    if notice.case_id is not None:
        # A department joins: that it has seen the case must not look as if the owner or a superior had.
        if not notice.is_joining:
            yield "acknowledge"
        # It has a deadline while a review is waited for.
        if notice.due is not None and _may_review(notice, to, at, directory):
            yield "open_review"
    if notice.todo:
        yield "finish_task"


def _may_review(notice: Notice, to: Person, at: datetime, directory: Directory) -> bool:
    """A stand-in is either one of those above, or the owner's, who may not."""
    above = notice.role == "stand_in" and to.id in directory.ladder(notice.warning.customer_id, at)
    return above or notice.role in _REVIEWS
