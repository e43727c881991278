"""How somebody's addresses stand, as the console shows it: on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.common.database import Database
from services.notifier import directory_store
from services.notifier.button import Button, NoSuchMethod
from services.notifier.codes import LIVES, MAX_ATTEMPTS, Answer
from services.notifier.directory_entries import Said
from services.notifier.directory_import import take_in
from services.notifier.own_methods import NoSuchAddress, OwnMethods
from services.notifier.throttle import Throttle
from tests.contract.notifier.clocks import Clock
from tests.contract.notifier.test_verifying import ADDRESS, ANN, Desk


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    return Desk(database, clock)


@pytest.fixture
def methods(desk: Desk) -> OwnMethods:
    channels = {"dingtalk": desk.ding}
    button = Button(channels, desk.live, desk.clock, Throttle(desk.database, desk.clock))
    return OwnMethods(desk.database, desk.live, channels, desk.verifier, button, desk.live.refresh)


def test_an_address_tells_of_its_code_and_then_since_when_it_is_proved(desk: Desk, methods: OwnMethods) -> None:
    (before,) = methods.of("ann", desk.clock())
    assert (before.shown, before.verified, before.proved_at) == ("an…rk", False, None)
    assert (before.code_until, before.attempts_left, before.through) == (None, 0, ("dingtalk",))
    assert methods.send_code("ann", before.key) is Answer.SENT
    assert methods.confirm("ann", before.key, "999999") is Answer.WRONG
    (waiting,) = methods.of("ann", desk.clock())
    assert (waiting.code_until, waiting.attempts_left) == (desk.clock() + LIVES, MAX_ATTEMPTS - 1)
    desk.wait(timedelta(minutes=1))
    assert methods.confirm("ann", before.key, "000100") is Answer.CONFIRMED
    (after,) = methods.of("ann", desk.clock())
    assert (after.verified, after.proved_at, after.code_until) == (True, desk.clock(), None), "seen here at once"
    with desk.database.reading() as tx:
        assert list(directory_store.proofs(tx, ["nobody/dingtalk/x"])) == []


def test_another_address_has_another_key_and_no_proof(desk: Desk, methods: OwnMethods) -> None:
    (before,) = methods.of("ann", desk.clock())
    methods.send_code("ann", before.key)
    methods.confirm("ann", before.key, "000100")
    moved = {**ANN, "methods": [{"channel": "dingtalk", "address": "elsewhere"}]}
    with desk.database.writing() as tx:
        take_in(tx, "hr", [Said("person", "ann", moved)], desk.clock(), "t")
    desk.live.refresh()
    (after,) = methods.of("ann", desk.clock())
    assert (after.verified, after.proved_at, after.key == before.key) == (False, None, False)
    with pytest.raises(NoSuchAddress):
        methods.send_code("ann", before.key)


def test_nobody_has_the_key_of_somebody_else(desk: Desk, methods: OwnMethods) -> None:
    (hers,) = methods.of("ann", desk.clock())
    bob = {"name": "Bob", "department": "sales"}
    with desk.database.writing() as tx:
        take_in(tx, "hr", [Said("person", "bob", bob)], desk.clock(), "t")
    desk.live.refresh()
    for ask in (
        methods.send_code,
        lambda who, key: methods.confirm(who, key, "1"),
        lambda who, key: methods.test(who, key, "dingtalk"),
    ):
        for who in ("bob", "a stranger"):
            with pytest.raises(NoSuchAddress):
                ask(who, hers.key)
    assert methods.of("bob", desk.clock()) == methods.of("a stranger", desk.clock()) == []
    assert desk.ding.sent == []


def test_without_its_channel_an_address_is_shown_and_cannot_be_tried(desk: Desk) -> None:
    button = Button({}, desk.live, desk.clock, Throttle(desk.database, desk.clock))
    without = OwnMethods(desk.database, desk.live, {}, desk.verifier, button, desk.live.refresh)
    (one,) = without.of("ann", desk.clock())
    assert (one.through, ADDRESS in repr(one)) == ((), False)
    with pytest.raises(NoSuchMethod):
        without.test("ann", one.key, "dingtalk")
