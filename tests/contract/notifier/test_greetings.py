"""Greetings from the task to the mail server, on every database: once, to the right person, in a name that agreed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from services.common.database import Database
from services.notifier import forgetting
from services.notifier.channels.email import EmailChannel, SmtpServer
from services.notifier.channels.secrets import Source
from services.notifier.channels_tables import greetings
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk
from services.notifier.greetings.deciding import Contact, House, Verdict
from services.notifier.greetings.file import Greetings
from services.notifier.greetings.store import Mourning, learn_mourning, record_consent
from services.notifier.greetings.work import Greeter
from tests.contract.notifier.clocks import Clock
from tests.support.providers.mail import MailServer
from tests.unit.notifier.making import DIRECTORY, NOON, make_warning

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 3, 5)
MORNING = datetime(2026, 3, 5, 9, 30, tzinfo=SHANGHAI)
CONTACTS = (
    Contact("C1", "K1", "周总", "zhou@jiangnan.example", welcome=True, main=True),
    Contact("C2", "K9", "Ms Söhne", "s@soehne.example", "en", welcome=True, main=True),
)


def birthday(
    id: str = "g1", customer: str = "C1", subject: str = "K1", change: str = "raised", revision: int = 1
) -> Any:
    """R29's task for 5 March, three days ahead, as the rules service tells it."""
    start = datetime(2026, 3, 2, tzinfo=SHANGHAI)
    about = {"customer_id": customer, "subject": subject, "kind": "point", "start": start, "end": start}
    return make_warning(id, revision, change, rule="R29", output="task", severity="low", **about)


@pytest.fixture
def server(clock: Clock) -> Iterator[MailServer]:
    with MailServer(clock) as made:
        yield made


class Post:
    """The greeter with its mail server."""

    def __init__(self, database: Database, clock: Clock, server: MailServer) -> None:
        self.database, self.clock, self.server = database, clock, server
        smtp = SmtpServer("127.0.0.1", server.port, "none", "greetings@fengling.example", "us", "right")
        self.channel = EmailChannel(smtp, clock, name="greetings", sender_name="风铃精密")
        self.greeter = self.another()

    def another(self, house: House = House("风铃精密")) -> Greeter:  # noqa: B008 - a frozen value
        file = Greetings(Source(env="X"), house, 3, CONTACTS)
        return Greeter(self.database, self.channel, file, lambda: DIRECTORY, self.clock, SHANGHAI)

    def agree(self, person: str = "wang", *, given: bool = True) -> None:
        with self.database.writing() as tx:
            record_consent(tx, person, self.clock(), "li", given=given, note="by word")

    def rows(self) -> list[tuple[str, str, str | None]]:
        with self.database.reading() as tx:
            query = select(greetings.c.state, greetings.c.verdict, greetings.c.signer).order_by(greetings.c.warning_id)
            return [(state, verdict, signer) for state, verdict, signer in tx.execute(query)]


@pytest.fixture
def post(database: Database, clock: Clock, server: MailServer) -> Post:
    return Post(database, clock, server)


def test_a_greeting_goes_once_on_its_day_in_the_name_that_agreed(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday()])
    post.agree()
    clock.at = NOON
    assert not post.greeter.step()
    clock.at = MORNING
    assert post.greeter.step()
    for _ in range(3):
        assert not post.another().step()
        clock.at += timedelta(hours=1)
    (mail,) = post.server.accepted
    assert "zhou@jiangnan.example" in mail["To"]
    assert mail["Reply-To"] == "wang@example.com"
    assert "风铃精密" in mail["From"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "王强" in body.get_content()
    assert post.rows() == [("accepted", "send", "wang")]


def test_without_a_recorded_yes_nothing_is_sent_and_a_yes_on_the_day_still_counts(
    post: Post, clerk: Clerk, clock: Clock
) -> None:
    clerk.file([birthday()])
    clock.at = MORNING
    assert not post.greeter.step()
    assert post.rows() == [("skipped", "nobody_signs", None)]
    post.agree()
    post.agree(given=False)
    assert not post.greeter.step()
    post.agree()
    assert post.greeter.step()
    assert len(post.server.accepted) == 1


def test_the_company_signs_where_it_was_told_to_and_names_nobody(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday("g2", "C2", "cooperation")])
    clock.at = MORNING
    assert post.another(House("Fengling", company_signs=True)).step()
    (mail,) = post.server.accepted
    assert mail["Reply-To"] is None
    assert "王强" not in mail.as_string()
    assert post.rows() == [("accepted", "send", None)]


def test_the_fallback_that_stands_in_for_an_owner_signs_nothing(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday("g3", "C3", "K1")])
    post.agree("sun")
    clock.at = MORNING
    assert [verdict for _, verdict in post.greeter.look()] == [Verdict.NO_CONTACT]
    assert not post.greeter.step()


def test_nobody_is_greeted_on_a_day_of_mourning_that_the_archive_tells_of_and_a_correction_counts(
    post: Post, clerk: Clerk, clock: Clock
) -> None:
    clerk.file([birthday()])
    post.agree()
    with post.database.writing() as tx:
        assert learn_mourning(tx, [Mourning("crm", "m1", "C1", DAY)] * 2, clock()) == 1
        assert learn_mourning(tx, [Mourning("crm", "m1", "C1", DAY)], clock()) == 0
    clock.at = MORNING
    assert not post.greeter.step()
    assert post.rows() == [("skipped", "mourning", None)]
    assert post.server.accepted == []
    with post.database.writing() as tx:
        learn_mourning(tx, [Mourning("crm", "m2", "C1", None, "m1")], clock())
    assert post.greeter.step()


def test_who_was_greeted_by_hand_is_left_alone(post: Post, clerk: Clerk, desk: Desk, clock: Clock) -> None:
    clerk.file([birthday()])
    post.agree()
    desk.finish_task("g1", "wang")
    clock.at = MORNING
    assert not post.greeter.step()
    assert post.rows() == [("skipped", "by_hand", None)]


def test_a_withdrawn_occasion_is_none(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday()])
    clerk.file([birthday(change="withdrawn", revision=2)])
    post.agree()
    clock.at = MORNING
    assert not post.greeter.step()
    assert post.server.accepted == []


def test_a_mail_server_that_is_away_is_asked_again_while_the_day_lasts(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday()])
    post.agree()
    clock.at = MORNING
    post.server.answer = "450 4.2.1 zhou@jiangnan.example is busy"
    post.greeter.step()
    assert post.rows()[0][0] == "later"
    post.server.answer = None
    post.greeter.step()
    assert post.rows()[0][0] == "accepted"


def test_a_lost_answer_is_not_repeated_and_no_address_is_kept(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday(), birthday("g2", "C2", "cooperation")])
    post.agree()
    clock.at = MORNING
    post.server.cut = "after"
    post.greeter.step()
    post.server.cut = None
    post.greeter.step()
    assert [state for state, *_ in post.rows()] == ["uncertain", "uncertain"]
    assert len(post.server.accepted) == 2
    with post.database.reading() as tx:
        assert "@" not in str(tx.execute(select(greetings)).all())


def test_a_crash_between_writing_down_and_sending_greets_nobody_twice(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday()])
    post.agree()
    clock.at = MORNING
    crash = KeyboardInterrupt()

    def dies(_message: object) -> None:
        raise crash

    post.channel.send = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        post.greeter.step()
    fresh = Post(post.database, clock, post.server)
    fresh.greeter.step()
    assert [state for state, *_ in post.rows()] == ["sending"]
    clock.at += timedelta(minutes=11)
    fresh.greeter.step()
    assert [state for state, *_ in post.rows()] == ["uncertain"]
    assert post.server.accepted == []


def test_who_is_forgotten_keeps_no_day_and_is_not_greeted_again(post: Post, clerk: Clerk, clock: Clock) -> None:
    clerk.file([birthday()])
    post.agree()
    clock.at = MORNING
    post.greeter.step()
    with post.database.writing() as tx:
        learn_mourning(tx, [Mourning("crm", "m1", "C1", DAY)], clock())
    cleared = forgetting.clear(post.database, "C1")
    assert (cleared["greetings"], cleared["mourning_days"]) == (1, 1)
    with post.database.reading() as tx:
        row = tx.execute(select(greetings)).mappings().one()
    assert (row["state"], row["day"], row["provider_id"]) == ("accepted", date(1970, 1, 1), None)
    assert not post.greeter.step()
