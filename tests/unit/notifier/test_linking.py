"""A page that one person reads has a link for that person; what a group reads, and what asks for nothing, has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from urllib.parse import unquote

import pytest

from services.notifier.case import PageKind
from services.notifier.contents import Notice
from services.notifier.linking import PERSONAL, acknowledging
from services.notifier.links import Link, LinkMaker, page_mark, read_token
from services.notifier.messages import READ, Letters
from services.notifier.words import load_words
from tests.unit.notifier.making import DIRECTORY, NOON, make_warning

SECRET = b"s" * 32
MAKER = LinkMaker("https://console.test", [SECRET])
NOTICE = Notice("c1/raised/wang/email", "raised", "owner", "c1", make_warning(), at=NOON)
LETTERS = Letters(DIRECTORY, "https://console.test", UTC, load_words(), acknowledge=acknowledging(MAKER))
WANG = DIRECTORY.people["wang"]


def test_the_link_in_an_e_mail_is_for_its_reader_and_this_page() -> None:
    message = LETTERS.for_channel("email").single(NOTICE, WANG)
    assert "确认收到" in message.text
    (url,) = {word for word in message.text.split() if word.startswith("https://console.test/act/")}
    assert url in message.html
    link = read_token(unquote(url.rpartition("/")[2]), [SECRET], NOON)
    assert link == Link("acknowledge", "c1", "wang", page_mark(NOTICE.key), NOON + timedelta(days=7))


@pytest.mark.parametrize("kind", sorted({*READ, "apprise"} - set(PERSONAL)))
def test_where_a_group_reads_nobody_acts_in_anothers_name(kind: str) -> None:
    message = LETTERS.for_channel(kind).single(NOTICE, WANG)
    assert "/act/" not in f"{message.text}{message.html}{message.markdown}{message.summary}{message.data}"


@pytest.mark.parametrize("kind", ["withdrawn", "undelivered"])
def test_what_asks_for_nothing_has_no_link(kind: PageKind) -> None:
    assert acknowledging(MAKER)(replace(NOTICE, kind=kind), WANG) is None
    assert acknowledging(MAKER)(replace(NOTICE, case_id=None), WANG) is None


def test_a_link_is_in_no_data_for_programs() -> None:
    """A webhook's receiver keeps what it gets."""
    assert "/act/" not in str(LETTERS.single(NOTICE, WANG).data)
