"""The test button: to whom it writes, what it says of the outcome, and that it floods nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.applications import Starlette

from services.common.database import Database
from services.notifier import api_keys
from services.notifier.button import Button, NoSuchMethod
from services.notifier.channels.wecom_bot import WecomBot
from services.notifier.directory_api import Door, directory_routes
from services.notifier.directory_desk import DirectoryDesk
from services.notifier.directory_import import take_in
from services.notifier.directory_listing import Listing, said
from services.notifier.directory_live import LiveDirectory
from services.notifier.people import Directory, Method
from services.notifier.throttle import Throttle
from services.notifier.verifying import Verifier
from tests.contract.notifier.channel_setups import application, posting
from tests.contract.notifier.clocks import Clock
from tests.support.providers.wecom import WecomAppServer, WecomBotServer
from tests.unit.notifier.making import DIRECTORY

WANG = replace(
    DIRECTORY.people["wang"],
    methods=(Method("wecom_app", "WangQiang", verified=True), Method("wecom_app", "LiNa"), Method("wecom_app", "Gone")),
)
PEOPLE = Directory({**DIRECTORY.people, "wang": WANG}, DIRECTORY.customers, DIRECTORY.fallback)


class Desk:
    """A button for an application and a group."""

    def __init__(self, database: Database, clock: Clock, app: WecomAppServer, bot: WecomBotServer) -> None:
        self.database, self.clock, self.app, self.bot = database, clock, app, bot
        group = posting("group", WecomBot(bot.key, home=bot.home), clock)
        self.channels = {"wecom": application(app, clock), "group": group}
        self.button = Button(self.channels, lambda: PEOPLE, clock, Throttle(database, clock))

    def press(self, channel: str, address: str | None = None, person: str = "wang") -> str:
        self.clock.at += timedelta(seconds=10)
        return self.button.press(person, channel, address).outcome

    def reached(self) -> list[str]:
        return [message["touser"] for message in self.app.accepted]


@pytest.fixture
def desk(database: Database, clock: Clock) -> Iterator[Desk]:
    with WecomAppServer(clock) as app, WecomBotServer(clock) as bot:
        yield Desk(database, clock, app, bot)


def test_a_test_goes_to_the_method_that_is_named_verified_or_not(desk: Desk) -> None:
    assert [desk.press("wecom_app"), desk.press("wecom_app", "LiNa"), desk.press("wecom", "Gone")] == [
        "accepted",
        "accepted",
        "bad_address",
    ]
    assert desk.reached() == ["WangQiang", "LiNa"]


def test_a_group_needs_no_address(desk: Desk) -> None:
    assert desk.press("group") == "accepted"
    assert desk.bot.accepted[0]["text"]["content"].startswith("【测试】")


@pytest.mark.parametrize(
    ("person", "channel", "address"),
    [
        ("wang", "wecom_app", "Stranger"),
        ("nobody", "wecom_app", None),
        ("wang", "pigeon", None),
        ("li", "wecom_app", None),
    ],
)
def test_what_the_directory_does_not_have_is_not_written_to(
    desk: Desk, person: str, channel: str, address: str | None
) -> None:
    with pytest.raises(NoSuchMethod):
        desk.button.press(person, channel, address)
    assert desk.app.asked == []


def test_whoever_presses_again_at_once_has_to_wait_and_others_do_not(desk: Desk) -> None:
    assert desk.button.press("wang", "group").outcome == "accepted"
    assert desk.button.press("wang", "group").outcome == "rate_limited"
    assert desk.button.press("li", "group").outcome == "accepted"
    desk.clock.at += timedelta(seconds=10)
    assert desk.button.press("wang", "group").outcome == "accepted"
    assert len(desk.bot.accepted) == 3


def test_tests_leave_the_places_for_critical_pages_alone(desk: Desk) -> None:
    people = [f"p{n}" for n in range(20)]
    crowd = replace(PEOPLE, people={name: replace(WANG, id=name) for name in people})
    desk.button = Button(desk.channels, lambda: crowd, desk.clock, Throttle(desk.database, desk.clock))
    outcomes = [desk.button.press(name, "group").outcome for name in people]
    assert outcomes == ["accepted"] * 15 + ["rate_limited"] * 5
    assert desk.bot.broken_limits == 0


def test_a_mistake_in_the_settings_is_said_without_the_secret(desk: Desk) -> None:
    desk.bot.key = "another"
    tried = desk.button.press("wang", "group")
    assert (tried.outcome, "bot-key" in tried.said) == ("bad_credential", False)


def test_the_api_presses_the_button_for_whoever_has_the_key(desk: Desk) -> None:
    wang = {"people": [{"id": "wang", "name": "王强", "department": "sales"}], "fallback": "wang"}
    with desk.database.writing() as tx:
        take_in(tx, "file", list(said(Listing.model_validate(wang))), desk.clock(), "test")
    live = LiveDirectory(desk.database)
    listing = DirectoryDesk(desk.database, live, desk.clock, ZoneInfo("Asia/Shanghai"), live.refresh)
    verifier = Verifier(desk.database, live, desk.clock, desk.channels)
    door = Door(desk.database, desk.clock)
    app = Starlette(routes=directory_routes(listing, verifier, door, desk.button))
    with desk.database.writing() as tx:
        key = api_keys.add(tx, ("directory",), "a test", desk.clock())[1]

    def ask(path: str, key: str) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
                headers = {"Authorization": f"Bearer {key}"}
                return await client.post(f"/api/directory{path}", json={}, headers=headers)

        return asyncio.run(request())

    assert ask("/people/wang/methods/group/test", "").status_code == 401
    assert desk.bot.accepted == []
    answer = ask("/people/wang/methods/group/test", key)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted")
    assert ask("/people/wang/methods/pigeon/test", key).status_code == 404
