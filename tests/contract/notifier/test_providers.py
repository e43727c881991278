"""What is each provider's own: tokens, incidents, blocks, what is told to whom, what is known of a lost answer."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.notifier.channels.any_other import AppriseMissing, AppriseUrlInvalid, open_apprise
from services.notifier.channels.base import BadAddress, BadCredential, FateUnknown, Message, RateLimited, TryLater
from services.notifier.channels.dingtalk import DingTalk
from services.notifier.channels.dingtalk import sign as dingtalk_sign
from services.notifier.channels.feishu import Feishu
from services.notifier.channels.feishu import sign as feishu_sign
from services.notifier.channels.pagerduty import PagerDuty
from services.notifier.channels.posting import PostingWithToken
from services.notifier.channels.slack import Slack
from services.notifier.channels.wecom_bot import WecomBot
from services.notifier.people import Method, Person
from tests.contract.notifier.channel_setups import application, posting
from tests.contract.notifier.clocks import Clock
from tests.support.providers.dingtalk import DingTalkServer
from tests.support.providers.feishu import FeishuServer
from tests.support.providers.hook import HookServer
from tests.support.providers.pagerduty import PagerDutyServer
from tests.support.providers.server import Asked, ProviderServer, Reply
from tests.support.providers.slack import SlackServer
from tests.support.providers.wecom import WecomAppServer, WecomBotServer

LINK = "https://bellwether.example.com/cases/case-1"
WANG = Person("wang", "王强", "sales", methods=(Method("wecom_app", "WangQiang", verified=True),))
MESSAGE = Message("key-1", WANG, "【预警】江南", "正文", "<p></p>", "case-1", {"kind": "raised", "url": LINK}, LINK)


@pytest.fixture
def app(clock: Clock) -> Iterator[tuple[WecomAppServer, PostingWithToken]]:
    with WecomAppServer(clock) as server:
        yield server, application(server, clock)


def test_a_token_is_fetched_once_and_again_before_it_ends(
    app: tuple[WecomAppServer, PostingWithToken], clock: Clock
) -> None:
    server, channel = app
    for minutes in (0, 60, 114, 1):
        clock.at += timedelta(minutes=minutes)
        channel.send(MESSAGE)
    assert len(server.tokens) == 2
    assert len(server.accepted) == 4


def test_a_token_that_the_provider_forgot_is_fetched_anew_and_the_message_goes_once(
    app: tuple[WecomAppServer, PostingWithToken],
) -> None:
    server, channel = app
    channel.send(MESSAGE)
    server.expire()
    channel.send(MESSAGE)
    assert (len(server.accepted), len(server.tokens)) == (2, 2)


def test_a_provider_that_knows_no_token_of_its_own_is_not_asked_for_ever(
    app: tuple[WecomAppServer, PostingWithToken], clock: Clock
) -> None:
    server, channel = app
    server.now = lambda: clock.at + timedelta(days=1)
    setattr(server, "reply", answering(server))  # noqa: B010 - the method of this one server
    with pytest.raises(TryLater):
        channel.send(MESSAGE)
    assert len(server.asked) == 4


def answering(server: WecomAppServer) -> Callable[[Asked], Reply]:
    """Hands out tokens and then says that each has expired."""
    usual = server.reply

    def reply(asked: Asked) -> Reply:
        if asked.path.endswith("gettoken"):
            return usual(asked)
        return Reply({"errcode": 42001, "errmsg": "access_token expired"})

    return reply


@pytest.mark.parametrize("member", ["WangQiang|LiNa", "@all", "", "Wang\nQiang"])
def test_nobody_writes_to_more_than_one_member_by_an_entry_of_the_directory(
    app: tuple[WecomAppServer, PostingWithToken], member: str
) -> None:
    server, channel = app
    with pytest.raises(BadAddress):
        channel.send(replace(MESSAGE, to=replace(WANG, methods=(Method("wecom_app", member, verified=True),))))
    assert server.asked == []


def test_a_member_who_left_is_a_bad_address_although_the_code_says_ok(
    app: tuple[WecomAppServer, PostingWithToken],
) -> None:
    server, channel = app
    server.members.clear()
    for lenient in (False, True):
        server.lenient = lenient
        with pytest.raises(BadAddress, match="invaliduser" if lenient else "81013"):
            channel.send(MESSAGE)
    assert server.accepted == []


def test_an_address_that_is_not_verified_is_none(app: tuple[WecomAppServer, PostingWithToken]) -> None:
    _, channel = app
    unverified = replace(WANG, methods=(Method("wecom_app", "WangQiang"),))
    assert (channel.reaches(WANG), channel.reaches(unverified)) == (True, False)


def test_two_members_have_limits_of_their_own(app: tuple[WecomAppServer, PostingWithToken]) -> None:
    _, channel = app
    li = replace(WANG, methods=(Method("wecom_app", "LiNa", verified=True),))
    scopes = {channel.scope(replace(MESSAGE, to=person)) for person in (WANG, li)}
    assert len(scopes) == 2
    assert not [scope for scope in scopes if "LiNa" in scope]


def test_a_bot_that_two_channels_use_has_one_limit(clock: Clock) -> None:
    first, second, other = (posting(name, WecomBot(key), clock) for name, key in (("a", "k"), ("b", "k"), ("c", "x")))
    assert first.scope(MESSAGE) == second.scope(MESSAGE) != other.scope(MESSAGE)


@pytest.mark.parametrize("server_of", [WecomBotServer, DingTalkServer])
def test_whoever_goes_on_is_blocked_for_ten_minutes(server_of: type[ProviderServer], clock: Clock) -> None:
    with server_of(clock) as server:
        provider = (
            WecomBot(server.key, home=server.home)
            if isinstance(server, WecomBotServer)
            else DingTalk("robot-token", "SECrobot", home=server.home)
        )
        channel = posting("bot", provider, clock)
        for _ in range(20):
            channel.send(MESSAGE)
        with pytest.raises(RateLimited) as caught:
            channel.send(MESSAGE)
        assert caught.value.after_s == 600
        clock.at += timedelta(seconds=599)
        with pytest.raises(RateLimited):
            channel.send(MESSAGE)
        clock.at += timedelta(seconds=1)
        channel.send(MESSAGE)


def test_the_signatures_are_those_that_openssl_makes() -> None:
    """DingTalk signs a text with the secret, Feishu an empty text with text and secret."""
    assert dingtalk_sign(1577262236757, "this is secret") == "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="
    assert feishu_sign(1599360473, "this is secret") == "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw="


def test_a_signature_is_of_the_time_of_the_attempt(clock: Clock) -> None:
    with DingTalkServer(clock) as ding, FeishuServer(clock) as lark:
        robots = (
            posting("ding", DingTalk("robot-token", "SECrobot", home=ding.home), clock),
            posting("lark", Feishu("hook-token", "feishu-secret", home=lark.home), clock),
        )
        for _ in range(3):
            for robot in robots:
                robot.send(MESSAGE)
            clock.at += timedelta(hours=2)
        behind = Clock()
        slow = posting("ding", DingTalk("robot-token", "SECrobot", home=ding.home), behind)
        with pytest.raises(BadCredential, match="sign not match"):
            slow.send(MESSAGE)


def test_a_key_word_that_the_robot_wants_stands_in_every_message(clock: Clock) -> None:
    with DingTalkServer(clock, secret=None) as ding, FeishuServer(clock, secret=None) as lark:
        ding.keyword = lark.keyword = "风铃"
        for keyword, error in (("风铃", None), ("", BadCredential)):
            for robot in (
                posting("ding", DingTalk("robot-token", None, keyword, home=ding.home), clock),
                posting("lark", Feishu("hook-token", None, keyword, home=lark.home), clock),
            ):
                if error is None:
                    robot.send(MESSAGE)
                else:
                    with pytest.raises(error):
                        robot.send(MESSAGE)


def test_an_address_that_feishu_does_not_know_is_for_whoever_keeps_the_settings(clock: Clock) -> None:
    with FeishuServer(clock) as server:
        server.allowed = False
        with pytest.raises(BadCredential, match="19022"):
            posting("lark", Feishu("hook-token", "feishu-secret", home=server.home), clock).send(MESSAGE)


def page(warning: str, case: str | None, kind: str = "raised", severity: str = "high") -> dict[str, object]:
    return {"kind": kind, "severity": severity, "warning_id": warning, "case_id": case, "url": LINK, "rule": "R1"}


@pytest.fixture
def pager(clock: Clock) -> Iterator[tuple[PagerDutyServer, Message]]:
    with PagerDutyServer(clock) as server:
        yield server, replace(MESSAGE, data=page("w1", "case-1", severity="critical"))


def test_a_case_is_one_incident_from_its_first_page_to_its_end(
    pager: tuple[PagerDutyServer, Message], clock: Clock
) -> None:
    server, message = pager
    channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
    channel.send(message)
    channel.send(replace(message, key="key-2", data=page("w2", "case-1", "amended")))
    assert server.incidents == {"case-1": "triggered"}
    assert [event["payload"]["severity"] for event in server.accepted] == ["critical", "error"]
    channel.send(replace(message, key="key-3", action="acknowledge"))
    assert server.incidents == {"case-1": "acknowledged"}
    channel.send(replace(message, key="key-4", action="resolve"))
    assert server.incidents == {}


def test_a_warning_that_is_withdrawn_from_a_case_wakes_nobody_and_a_withdrawn_task_is_over(
    pager: tuple[PagerDutyServer, Message], clock: Clock
) -> None:
    server, message = pager
    channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
    off = replace(message, data=page("w1", "case-1", "withdrawn"))
    assert (channel.cost(off), channel.send(off).provider_id) == (0, off.key)
    assert server.accepted == []
    task = replace(message, case_id=None, data=page("w9", None))
    channel.send(task)
    channel.send(replace(task, data=page("w9", None, "withdrawn")))
    assert server.incidents == {}


def test_a_digest_triggers_an_incident_for_each_case_and_one_more_for_the_rest(
    pager: tuple[PagerDutyServer, Message], clock: Clock
) -> None:
    server, message = pager
    channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
    pages = [page(f"w{n}", f"case-{n // 2}") for n in range(60)]
    digest = replace(message, key="digest/1", case_id=None, data={"kind": "digest", "pages": pages})
    assert channel.cost(digest) == 21
    channel.send(digest)
    assert set(server.incidents) == {*(f"case-{n}" for n in range(20)), "digest/1"}


def test_what_is_lost_on_the_way_to_pagerduty_is_sent_again_and_is_one_incident(
    pager: tuple[PagerDutyServer, Message], clock: Clock
) -> None:
    server, message = pager
    channel = posting("pager", PagerDuty(server.routing_key, home=server.home), clock)
    server.cut = "after"
    with pytest.raises(TryLater):
        channel.send(message)
    server.cut = None
    channel.send(message)
    assert server.incidents == {"case-1": "triggered"}


CONTACTS = "王总 wang.zong+erp@jiangnan.com.cn，手机 138 0013 8000 或 +86 13800138000，电话 0512-68881234。"
FIGURES = "订单 20260302000123 金额 1380013800.00 日期 2026-03-02 12:00 编号 13800138000123"


def test_contact_details_do_not_go_to_slack_and_pagerduty_unless_that_is_wanted(clock: Clock) -> None:
    told = replace(MESSAGE, text=f"{CONTACTS}\n{FIGURES}", subject=f"{CONTACTS}", summary=CONTACTS, markdown="")
    with SlackServer(clock) as slack, PagerDutyServer(clock) as pagers:
        for wanted in (False, True):
            clock.at += timedelta(minutes=1)
            channels = (
                posting("s", Slack(token=slack.token, channel="C-sales", contacts=wanted, home=slack.home), clock),
                posting("p", PagerDuty(pagers.routing_key, wanted, home=pagers.home), clock),
            )
            for channel in channels:
                channel.send(told)
            clock.at += timedelta(minutes=1)
            channels[0].send(replace(told, markdown=f"*{CONTACTS}*"))
        without, with_them = [str(slack.accepted[:2]) + str(pagers.accepted[:1])], str(slack.accepted[2:])
    for secret in ("jiangnan.com.cn", "0013 8000", "13800138000，", "68881234"):
        assert secret not in without[0]
    assert all(figure in without[0] for figure in FIGURES.split())
    assert "jiangnan.com.cn" in with_them


def test_every_channel_of_slack_has_a_second_of_its_own(clock: Clock) -> None:
    with SlackServer(clock) as server:
        bot = posting("s", Slack(token=server.token, channel="C-sales", home=server.home), clock)
        mine = replace(MESSAGE, to=replace(WANG, methods=(Method("slack", "U-wang", verified=True),)))
        assert bot.scope(MESSAGE) != bot.scope(mine)
        bot.send(MESSAGE)
        bot.send(mine)
        assert [one["channel"] for one in server.accepted] == ["C-sales", "U-wang"]
        with pytest.raises(RateLimited) as caught:
            bot.send(MESSAGE)
        assert caught.value.after_s == 1


@pytest.mark.parametrize("text", ["<html>Welcome to the hotel</html>", "", "[]", '{"errcode": "0"}', '{"ok": 1}'])
def test_an_ok_of_somebody_else_on_the_way_is_no_acceptance(clock: Clock, text: str) -> None:
    with WecomBotServer(clock) as wecom, DingTalkServer(clock) as ding, FeishuServer(clock) as lark:
        for server, provider in (
            (wecom, WecomBot(wecom.key, home=wecom.home)),
            (ding, DingTalk("robot-token", "SECrobot", home=ding.home)),
            (lark, Feishu("hook-token", "feishu-secret", home=lark.home)),
        ):
            server.answer_instead = Reply(text)
            with pytest.raises(FateUnknown):
                posting("bot", provider, clock).send(MESSAGE)


def test_any_other_is_accepted_but_never_verified(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    class Json(HookServer):
        def reply(self, asked: Asked) -> Reply:
            self.accepted.append(asked.json)
            return Reply({})

    caplog.set_level(logging.DEBUG, "services")
    with Json(clock) as server:
        host = server.home.removeprefix("http://")
        channel = open_apprise("any", f"json://us:s3cret@{host}/")
        accepted = channel.send(replace(MESSAGE, text=f"正文 {CONTACTS}"))
        assert (accepted.verified, accepted.provider_id) == (False, "key-1")
        assert "正文" in server.accepted[0]["message"]
        assert "jiangnan.com.cn" not in server.accepted[0]["message"]
        server.answer_instead = Reply({}, 500)
        with pytest.raises(TryLater):
            channel.send(MESSAGE)
        server.unplug()
        with pytest.raises(TryLater):
            channel.send(MESSAGE)
    assert "s3cret" not in caplog.text


def test_without_the_library_any_other_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(AppriseMissing, match="bellwether\\[apprise\\]"):
        open_apprise("any", "json://example.com/")


def test_an_address_that_the_library_does_not_know_is_refused_without_repeating_it() -> None:
    with pytest.raises(AppriseUrlInvalid) as caught:
        open_apprise("any", "pigeon://s3cret@nowhere")
    assert "s3cret" not in str(caught.value)
