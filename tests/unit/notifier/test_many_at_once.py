"""A channel that takes many messages at once gets them together, and what is wrong with one is not told of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from services.notifier.channels.base import Accepted, Message, TryLater
from services.notifier.channels.inbox import InboxChannel
from services.notifier.dispatcher import Alone, Claims, Dispatcher
from services.notifier.messages import Letters
from services.notifier.tables import inbox, pages
from tests.unit.notifier.making import DIRECTORY, PEOPLE, make_warning
from tests.unit.notifier.office import Office, Scripted


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


class Together(Scripted):
    """Takes many at once, and cannot have `spoils` among them."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[int] = []
        self.spoils = ""

    def send_all(self, messages: Sequence[Message]) -> Sequence[Accepted]:
        self.at_once.append(len(messages))
        if self.script:
            raise self.script.pop(0)
        if any(message.to.id == self.spoils for message in messages):
            raise ZeroDivisionError
        self.sent += messages
        return [Accepted(f"id-{message.to.id}") for message in messages]

    def send(self, message: Message) -> Accepted:
        if message.to.id == self.spoils:
            raise ZeroDivisionError
        return super().send(message)


def together(office: Office, replica: Claims | None = None) -> tuple[Together, Dispatcher]:
    channel = Together()
    letters = Letters(DIRECTORY, "http://console", ZoneInfo("Asia/Shanghai"))
    return channel, Dispatcher(office.database, channel, letters, office.now, replica=replica, width=10)


def test_a_channel_that_takes_many_gets_all_that_is_due_at_once_and_each_has_its_own_id(office: Office) -> None:
    office.clerk.file([make_warning()])
    channel, dispatcher = together(office)
    assert dispatcher.round() == 2
    assert (channel.at_once, office.states()) == ([2], ["accepted"] * 2)
    with office.database.reading() as tx:
        found = tx.execute(select(pages.c.person, pages.c.provider_id).where(pages.c.channel == "webhook"))
        assert {row.person: row.provider_id for row in found} == {"wang": "id-wang", "li": "id-li"}


def test_what_nobody_foresaw_of_one_message_spoils_that_one_alone(office: Office) -> None:
    office.clerk.file([make_warning()])
    channel, dispatcher = together(office)
    channel.spoils = "wang"
    dispatcher.round()
    with office.database.reading() as tx:
        found = tx.execute(
            select(pages.c.person, pages.c.state).where(pages.c.channel == "webhook", pages.c.kind == "raised")
        )
        assert {row.person: row.state for row in found} == {"wang": "uncertain", "li": "accepted"}


def test_where_many_are_refused_together_all_of_them_wait(office: Office) -> None:
    office.clerk.file([make_warning()])
    channel, dispatcher = together(office)
    channel.script = [TryLater("the disk is full", everyone=True)]
    dispatcher.round()
    assert (channel.at_once, office.states()) == ([2], ["pending"] * 2)


def test_who_is_taken_for_dead_sends_none_of_many(office: Office) -> None:
    class Late(Alone):
        def holds(self) -> bool:
            return False

    office.clerk.file([make_warning()])
    channel, dispatcher = together(office, Late())
    dispatcher.round()
    assert (channel.at_once, office.states()) == ([], ["pending"] * 2)


def test_the_inbox_has_all_of_some_messages_or_none_of_them_and_knows_those_it_had(office: Office) -> None:
    channel = InboxChannel(office.database, office.log, office.now)
    letters = [Message(key=f"k-{number}", to=PEOPLE[0], subject="s", text="t", html="") for number in range(3)]
    first = channel.send(letters[1])
    assert [channel.has_sent(letter.key) for letter in letters] == [False, True, False]
    ids = channel.send_all(letters)
    assert (ids[1], len(set(ids))) == (first, 3)
    assert channel.send_all(letters) == ids
    assert len(office.log.read_text().splitlines()) == 3
    office.log.unlink()
    office.log.mkdir()
    with pytest.raises(TryLater):
        channel.send_all([Message(key="k-9", to=PEOPLE[0], subject="s", text="t", html="")])
    with office.database.reading() as tx:
        assert len(tx.execute(select(inbox.c.id)).all()) == 3
