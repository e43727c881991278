"""PURE: which pages get a link by which their reader acknowledges them."""

from __future__ import annotations

from collections.abc import Callable

from services.notifier.contents import Notice
from services.notifier.links import LinkMaker
from services.notifier.people import Person

PERSONAL = ("email", "wecom_app")
"""Kinds of channel whose messages reach one person. In a group's chat everybody could act in the person's name, and
who reads the inbox has signed in."""

_TELLS_ONLY = ("withdrawn", "undelivered")
"""Kinds of page that ask nobody to do anything about the case."""


def acknowledging(maker: LinkMaker) -> Callable[[Notice, Person], str | None]:
    """What Letters asks for each page; None where there is nothing to acknowledge, such as a task."""

    def link(notice: Notice, to: Person) -> str | None:
        if notice.case_id is None or notice.at is None or notice.kind in _TELLS_ONLY:
            return None
        return maker.link_for("acknowledge", notice.case_id, to.id, notice.key, notice.at)

    return link
