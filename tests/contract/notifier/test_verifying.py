"""A code proves an address, once, soon and in a few attempts; nothing that is kept tells the code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from services.common.database import Database
from services.notifier.channels.base import Accepted, Message, NotSent, RateLimited, TryLater
from services.notifier.channels.limits import UNLIMITED, Go, Limits, Wait, Window
from services.notifier.codes import LIVES, MAX_ATTEMPTS, MAX_SENT, PAUSE, WINDOW, Answer
from services.notifier.directory_entries import Said
from services.notifier.directory_import import take_in
from services.notifier.directory_live import LiveDirectory
from services.notifier.directory_tables import method_codes
from services.notifier.people import Person
from services.notifier.throttle import Throttle
from services.notifier.verifying import Verifier, random_code
from tests.contract.notifier.clocks import Clock

ADDRESS = "ann.at.work"
ANN = {"name": "Ann", "department": "sales", "language": "en", "methods": [{"channel": "dingtalk", "address": ADDRESS}]}


class Ding:
    """Takes messages, unless it is told not to."""

    name = "dingtalk"
    kind = "dingtalk"

    def __init__(self) -> None:
        self.limits = UNLIMITED
        self.sent: list[Message] = []
        self.problem: NotSent | None = None

    def scope(self, message: Message) -> str:
        return self.name

    def cost(self, message: Message) -> int:
        return 1

    def reaches(self, person: Person) -> bool:
        return person.reached_by(self.kind) is not None

    def has_sent(self, key: str) -> bool | None:
        return None

    def send(self, message: Message) -> Accepted:
        if self.problem is not None:
            raise self.problem
        self.sent.append(message)
        return Accepted("1")


class Desk:
    """A verifier on a directory of one, and what it sends through."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock, self.ding = database, clock, Ding()
        with database.writing() as tx:
            take_in(
                tx, "hr", [Said("person", "ann", ANN), Said("fallback", "fallback", {"person": "ann"})], clock(), "t"
            )
        self.live = LiveDirectory(database)
        codes: Iterator[str] = (f"{number:06}" for number in range(100, 200))
        self.verifier = Verifier(database, self.live, clock, {"dingtalk": self.ding}, lambda: next(codes), clock)

    def send(self) -> Answer:
        return self.verifier.send("ann", "dingtalk")

    def confirm(self, code: str) -> Answer:
        return self.verifier.confirm("ann", "dingtalk", code)

    def wait(self, span: timedelta) -> None:
        self.clock.at += span

    def verified(self) -> bool:
        self.live.refresh()
        return bool(self.live().people["ann"].verified)


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    return Desk(database, clock)


def test_the_code_that_was_sent_verifies_the_address(desk: Desk) -> None:
    assert desk.send() is Answer.SENT
    (message,) = desk.ding.sent
    assert "Your code is 000100." in message.text
    assert message.to.reached_by("dingtalk") == ADDRESS
    assert not desk.verified()
    assert desk.confirm(" 000100 ") is Answer.CONFIRMED
    assert desk.verified()
    assert desk.send() is Answer.VERIFIED_ALREADY


def test_a_code_works_once(desk: Desk) -> None:
    desk.send()
    desk.confirm("000100")
    assert desk.confirm("000100") is Answer.NO_CODE


def test_a_code_is_over_after_its_time(desk: Desk) -> None:
    desk.send()
    desk.wait(LIVES)
    assert desk.confirm("000100") is Answer.NO_CODE
    assert not desk.verified()


def test_after_a_few_attempts_even_the_right_code_is_refused(desk: Desk) -> None:
    desk.send()
    assert [desk.confirm("999999") for _ in range(MAX_ATTEMPTS)] == [Answer.WRONG] * MAX_ATTEMPTS
    assert desk.confirm("000100") is Answer.TOO_MANY
    assert not desk.verified()


def test_a_new_code_takes_the_old_ones_place(desk: Desk) -> None:
    desk.send()
    desk.wait(PAUSE)
    assert desk.send() is Answer.SENT
    assert desk.confirm("000100") is Answer.WRONG
    assert desk.confirm("000101") is Answer.CONFIRMED


def test_nobody_is_flooded_with_codes(desk: Desk) -> None:
    assert desk.send() is Answer.SENT
    assert desk.send() is Answer.TOO_SOON
    for _ in range(MAX_SENT - 1):
        desk.wait(PAUSE)
        assert desk.send() is Answer.SENT
    desk.wait(PAUSE)
    assert desk.send() is Answer.TOO_MANY
    desk.wait(WINDOW)
    assert desk.send() is Answer.SENT


def test_a_code_that_cannot_be_sent_is_said_so(desk: Desk) -> None:
    desk.ding.problem = TryLater("away")
    assert desk.send() is Answer.NOT_SENT


def test_another_address_must_be_proved_anew(desk: Desk) -> None:
    desk.send()
    desk.confirm("000100")
    moved = {**ANN, "methods": [{"channel": "dingtalk", "address": "elsewhere"}]}
    with desk.database.writing() as tx:
        take_in(tx, "hr", [Said("person", "ann", moved)], desk.clock.at, "t")
    assert not desk.verified()


def test_what_is_kept_tells_neither_code_nor_address(desk: Desk) -> None:
    desk.send()
    with desk.database.reading() as tx:
        (row,) = tx.execute(select(method_codes)).all()
    assert "000100" not in str(row)
    assert ADDRESS not in str(row)
    assert row.digest.startswith("$argon2id$")


@pytest.mark.parametrize(("person", "channel"), [("bob", "dingtalk"), ("ann", "email"), ("ann", "wecom_app")])
def test_an_address_that_the_directory_does_not_have_gets_no_code(desk: Desk, person: str, channel: str) -> None:
    assert desk.verifier.send(person, channel) is Answer.UNKNOWN_METHOD
    assert desk.verifier.confirm(person, channel, "000100") is Answer.UNKNOWN_METHOD


def test_codes_are_six_digits_and_differ() -> None:
    codes = {random_code() for _ in range(100)}
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    assert len(codes) > 90


def test_codes_keep_within_the_providers_limit_together_with_pages(desk: Desk) -> None:
    desk.ding.limits = Limits((Window(2, 60.0, reserved=1),))
    page = Throttle(desk.database, desk.clock).reserve(desk.ding.limits, "dingtalk", 1, critical=False)
    assert isinstance(page, Go)
    assert desk.send() is Answer.CHANNEL_FULL
    assert desk.ding.sent == [], "what is left of the minute is for critical pages"
    desk.wait(timedelta(seconds=90))
    assert desk.send() is Answer.SENT, "the refusal counted as no code of the person's"
    assert desk.confirm("000101") is Answer.CONFIRMED


def test_a_provider_that_finds_codes_too_many_is_left_alone_by_pages_too(desk: Desk) -> None:
    desk.ding.limits = Limits((Window(20, 60.0),), block_s=600.0)
    desk.ding.problem = RateLimited("130101")
    assert desk.send() is Answer.NOT_SENT
    page = Throttle(desk.database, desk.clock).reserve(desk.ding.limits, "dingtalk", 1, critical=True)
    assert isinstance(page, Wait)
    assert page.reason == "blocked"
