"""Console accounts and sessions: nobody acts anonymously, and the database gives no password or token away."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from services.common.database import Database
from services.notifier.accounts import SESSION_HOURS
from services.notifier.clerk import Clerk
from services.notifier.desk import AccountInvalid, Desk, SignInFailed
from services.notifier.tables import sessions, users
from services.notifier.views import Account
from tests.unit.notifier.making import DIRECTORY, NOON

PASSWORD = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    return Desk(Clerk(database, DIRECTORY, clock))


def test_name_and_password_together_sign_in(desk: Desk) -> None:
    desk.create_user("li.na", "li", PASSWORD)
    assert desk.authenticate("li.na", PASSWORD) == Account("li.na", "li")


@pytest.mark.parametrize(
    ("name", "password"), [("li.na", "correct horse batterY"), ("li.na", ""), ("nobody", PASSWORD)]
)
def test_anything_else_does_not_and_says_no_more_than_that(desk: Desk, name: str, password: str) -> None:
    desk.create_user("li.na", "li", PASSWORD)
    with pytest.raises(SignInFailed) as caught:
        desk.authenticate(name, password)
    assert str(caught.value) == "Name and password do not go together."


def test_the_password_is_kept_as_an_argon2id_hash(desk: Desk, database: Database) -> None:
    desk.create_user("li.na", "li", PASSWORD)
    with database.reading() as tx:
        kept = tx.execute(select(users.c.password_hash)).scalar_one()
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept


def test_an_account_that_cannot_be_made_is_refused_with_every_reason(desk: Desk) -> None:
    with pytest.raises(AccountInvalid) as caught:
        desk.create_user("Li Na!", "stranger", "short")
    assert [reason.code for reason in caught.value.reasons] == ["name", "person", "password"]


def test_a_name_is_given_once(desk: Desk) -> None:
    desk.create_user("li.na", "li", PASSWORD)
    with pytest.raises(AccountInvalid, match="taken"):
        desk.create_user("li.na", "wang", PASSWORD)


def test_a_session_lasts_until_it_expires_or_is_closed(desk: Desk, clock: Clock) -> None:
    account = desk.create_user("li.na", "li", PASSWORD)
    kept, closed = desk.open_session(account), desk.open_session(account)
    desk.close_session(closed.token)
    assert desk.session(kept.token) == kept
    assert desk.session(closed.token) is None
    assert desk.session("made up") is None
    clock.at = NOON + timedelta(hours=SESSION_HOURS)
    assert desk.session(kept.token) is None


def test_a_stolen_database_opens_no_session_and_expired_ones_are_swept(
    desk: Desk, clock: Clock, database: Database
) -> None:
    account = desk.create_user("li.na", "li", PASSWORD)
    old = desk.open_session(account)
    clock.at = NOON + timedelta(days=1)
    new = desk.open_session(account)
    with database.reading() as tx:
        (row,) = tx.execute(select(sessions)).mappings()
    assert new.token not in map(str, row.values())
    assert old.token != new.token
    assert new.csrf != old.csrf
