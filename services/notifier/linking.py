"""PURE: which pages get links by which their reader acts without signing in, and what for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from services.notifier.case import Role
from services.notifier.contents import Notice
from services.notifier.links import LinkAction, LinkMaker
from services.notifier.people import Person

PERSONAL = ("email", "wecom_app")
"""Kinds of channel whose messages reach one person. In a group's chat everybody could act in the person's name, and
who reads the inbox has signed in."""

Signed = Mapping[LinkAction, str]
"""The addresses that one page has for one reader."""

_TELLS_ONLY = ("withdrawn", "undelivered")
"""Kinds of page that ask nobody to do anything about the case."""

_REVIEWS: tuple[Role, ...] = ("superior", "escalation")
"""Who is told as one of these may open the review; of any other the owner, who may not, is one."""


def acting(maker: LinkMaker) -> Callable[[Notice, Person], Signed]:
    """What Letters asks for each page; empty where there is nothing to be done by a link."""

    def links(notice: Notice, to: Person) -> Signed:
        at = notice.at
        if at is None:
            return {}
        subject = notice.case_id or notice.warning.id
        return {action: maker.link_for(action, subject, to.id, notice.key, at) for action in _actions(notice)}

    return links


def _actions(notice: Notice) -> Iterator[LinkAction]:
    if notice.kind in _TELLS_ONLY:
        return
    if notice.case_id is not None:
        yield "acknowledge"
        # It has a deadline while a review is waited for.
        if notice.due is not None and notice.role in _REVIEWS:
            yield "open_review"
    elif notice.warning.output == "task":
        yield "finish_task"
