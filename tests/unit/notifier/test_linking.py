"""A page that one person reads has a link for that person; what a group reads, and what asks for nothing, has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from urllib.parse import unquote

import pytest

from services.notifier.case import PageKind, Role
from services.notifier.contents import About, Notice
from services.notifier.linking import PERSONAL, acting
from services.notifier.links import Link, LinkAction, LinkMaker, page_mark, read_token
from services.notifier.messages import READ, Letters
from services.notifier.people import Absence, Directory
from services.notifier.words import load_words
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning

SECRET = b"s" * 32
MAKER = LinkMaker("https://console.test", [SECRET])
NOTICE = Notice("c1/raised/wang/email", "raised", "owner", "c1", make_warning(), at=NOON)
LETTERS = Letters(DIRECTORY, "https://console.test", UTC, load_words(), acting=acting(MAKER))
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
    task = replace(NOTICE, case_id=None, warning=make_warning(output="task"), todo=True)
    for notice in (NOTICE, task):
        assert acting(MAKER)(replace(notice, kind=kind), WANG, DIRECTORY) == {}


def test_a_department_joins_and_acknowledges_nothing() -> None:
    assert actions(replace(NOTICE, kind="join", role="department")) == []
    repeated = replace(NOTICE, kind="uncertain", about=About("wang", "email", "", "join_due"))
    assert actions(repeated) == []
    assert "须在此前介入" in LETTERS.for_channel("email").single(replace(repeated, due=NOON + DAY), WANG).text


def actions(notice: Notice, person: str = "wang", directory: Directory = DIRECTORY) -> list[LinkAction]:
    """With whom each is for, and what it is about, as it ought to be."""
    found = acting(MAKER)(notice, DIRECTORY.people[person], directory)
    for action, url in found.items():
        link = read_token(unquote(url.rpartition("/")[2]), [SECRET], NOON)
        subject = notice.case_id or notice.warning.id
        assert (link.action, link.subject, link.person) == (action, subject, person)
    return list(found)


@pytest.mark.parametrize("kind", ["raised", "amended", "due_soon", "breached"])
@pytest.mark.parametrize("role", ["superior", "escalation"])
def test_who_is_asked_for_a_review_may_open_it_by_a_link_too(kind: PageKind, role: Role) -> None:
    asked = replace(NOTICE, kind=kind, role=role, due=NOON)
    assert actions(asked) == ["acknowledge", "open_review"]
    assert actions(replace(asked, due=None)) == ["acknowledge"]


@pytest.mark.parametrize("role", ["owner", "assignee", "department", "fallback", "stand_in"])
def test_who_may_not_open_a_review_has_no_link_for_it(role: Role) -> None:
    assert actions(replace(NOTICE, role=role, due=NOON)) == ["acknowledge"]


def test_who_stands_in_for_a_superior_may_open_the_review_and_who_stands_in_for_the_owner_may_not() -> None:
    away = Absence("li", NOON, NOON + DAY, "sun")
    asked = replace(NOTICE, role="stand_in", due=NOON)
    assert actions(asked, "sun", replace(DIRECTORY, absences=(away,))) == ["acknowledge", "open_review"]
    of_owner = replace(DIRECTORY, absences=(replace(away, person="wang"),))
    assert actions(asked, "sun", of_owner) == ["acknowledge"]


@pytest.mark.parametrize("kind", ["nudge", "reminder", "assigned"])
def test_a_task_is_finished_by_a_link_and_acknowledged_by_none(kind: PageKind) -> None:
    task = replace(NOTICE, kind=kind, case_id=None, warning=make_warning("t1", output="task"), todo=True)
    assert actions(task) == ["finish_task"]


def test_what_a_case_has_to_do_is_finished_by_the_reminder_of_it() -> None:
    assert actions(replace(NOTICE, kind="reminder", todo=True)) == ["acknowledge", "finish_task"]
    assert actions(replace(NOTICE, kind="reminder")) == ["acknowledge"]


def test_a_link_is_in_no_data_for_programs() -> None:
    """A webhook's receiver keeps what it gets."""
    assert "/act/" not in str(LETTERS.single(NOTICE, WANG).data)
