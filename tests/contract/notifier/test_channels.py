"""What every channel does, against a server that answers as its provider: nothing is lost, doubled or misread."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from services.notifier.channels.base import (
    BadCredential,
    Channel,
    FateUnknown,
    Message,
    NotSent,
    RateLimited,
    Refused,
    TooLarge,
    TryLater,
)
from services.notifier.channels.limits import Go, Usage, Wait, answered, decide
from services.notifier.channels.wecom_bot import WecomBot
from services.notifier.people import Method, Person
from tests.contract.notifier.channel_setups import SETUPS, Setup, posting
from tests.contract.notifier.clocks import Clock
from tests.support.providers.server import Counter
from tests.support.providers.wecom import WecomBotServer

LINK = "https://bellwether.example.com/cases/case-1"
WANG = Person(
    "wang",
    "王强",
    "sales",
    "zh",
    None,
    "wang@example.com",
    (Method("wecom_app", "WangQiang", verified=True), Method("wecom_bot", "WangQiang", verified=True)),
)
DATA: dict[str, object] = {
    "kind": "raised",
    "severity": "high",
    "rule": "R1",
    "warning_id": "w1",
    "customer": "江南",
    "url": LINK,
}
MESSAGE = Message(
    "key-1", WANG, "【预警】江南精密机械", "连续两个月晚付。\n请今天联系。", "<p></p>", "case-1", DATA, LINK
)


@dataclass(frozen=True)
class Line:
    """A channel and the provider at its other end."""

    setup: Setup
    server: Any
    channel: Channel
    clock: Clock

    def send(self, message: Message = MESSAGE) -> str:
        return self.channel.send(message).provider_id

    def read(self) -> list[str]:
        return [self.setup.text(one) for one in self.server.accepted]


@pytest.fixture(params=SETUPS, ids=lambda setup: setup.name)
def line(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Line]:
    setup: Setup = request.param
    with setup.server(clock) as server:
        yield Line(setup, server, setup.channel(server, clock), clock)


def test_a_message_arrives_once_with_its_subject_and_text(line: Line) -> None:
    line.send()
    (text,) = line.read()
    assert "【预警】江南精密机械" in text
    assert "连续两个月晚付。" in text
    assert "请今天联系。" in text
    assert line.channel.cost(MESSAGE) == 1


def test_what_is_accepted_has_an_id_and_messages_of_two_cases_are_two(line: Line) -> None:
    assert line.send()
    line.clock.at += timedelta(minutes=1)
    line.send(replace(MESSAGE, key="key-2", case_id="case-2", data={**DATA, "warning_id": "w2"}))
    assert len(line.server.accepted) == 2


def test_a_refusal_is_one_although_the_status_says_ok(line: Line) -> None:
    line.setup.refuse(line.server)
    with pytest.raises(Refused) as caught:
        line.send()
    assert " / " in str(caught.value)
    assert caught.value.code
    assert line.server.accepted == []


def test_what_the_provider_finds_too_long_is_said_so(line: Line) -> None:
    line.setup.shrink(line.server)
    with pytest.raises(TooLarge):
        line.send()
    assert line.server.accepted == []


def test_a_bad_credential_keeps_everybody_waiting_until_it_is_mended(line: Line) -> None:
    line.setup.lock(line.server)
    with pytest.raises(BadCredential) as caught:
        line.send()
    assert caught.value.everyone
    assert line.server.accepted == []


def test_too_many_are_told_for_how_long_to_wait(line: Line) -> None:
    if line.setup.most is None:
        for _ in range(40):
            line.send()
        return
    for _ in range(line.setup.most):
        line.send()
    with pytest.raises(TryLater) as caught:
        line.send()
    assert isinstance(caught.value, RateLimited) or line.setup.name == "email"
    assert caught.value.after_s == line.setup.after_s
    assert len(line.server.accepted) == line.setup.most
    line.clock.at += timedelta(seconds=max(61.0, caught.value.after_s))
    line.send()
    assert len(line.server.accepted) == line.setup.most + 1


def test_a_provider_that_is_away_is_for_later_and_for_everyone(line: Line) -> None:
    line.server.unplug()
    with pytest.raises(TryLater) as caught:
        line.send()
    assert caught.value.everyone
    assert not isinstance(caught.value, BadCredential)


def test_an_answer_that_is_lost_leaves_doubt_unless_the_provider_takes_a_second_for_the_first(line: Line) -> None:
    if line.setup.name == "wecom_app":
        line.send()
        line.server.accepted.clear()
    line.server.cut = "after"
    with pytest.raises(TryLater if line.setup.repeatable else FateUnknown):
        line.send()
    assert len(line.server.accepted) == 1


LONG = "\n".join(f"第{n}行：" + "客户连续两个月没有按时付款，需要今天联系并约定新的日期。" * 6 for n in range(1, 400))


def test_a_long_chinese_text_fits_in_whole_characters_with_a_link_to_all_of_it(line: Line) -> None:
    line.send(replace(MESSAGE, text=LONG))
    (text,) = line.read()
    assert "\ufffd" not in text
    assert "第1行" in text
    assert LINK in text or squeezed(LONG) in squeezed(text)
    assert getattr(line.server, "truncated", 0) == 0


def test_a_long_text_without_a_link_comes_in_parts_and_nothing_is_lost(line: Line) -> None:
    text = LONG[:9000]
    message = replace(MESSAGE, text=text, link=None, data={})
    line.send(message)
    assert len(line.server.accepted) == line.channel.cost(message)
    assert squeezed(text) in squeezed("".join(without_number(one.replace(MESSAGE.subject, "")) for one in line.read()))


def test_a_part_that_fails_after_another_was_sent_leaves_the_whole_in_doubt(clock: Clock) -> None:
    with WecomBotServer(clock) as server:
        channel = posting("bot", WecomBot(server.key, home=server.home), clock)
        message = replace(MESSAGE, text=LONG[:3000], link=None)
        assert channel.cost(message) > 2
        for _ in range(18):
            channel.send(replace(MESSAGE, text="x"))
        with pytest.raises(FateUnknown, match="only 2 parts were sent"):
            channel.send(message)


MARKED = replace(MESSAGE, markdown="**重** 连续两个月晚付。 [案件](https://bellwether.example.com/cases/case-1)")
IN_MARKDOWN = ("wecom_bot", "wecom_app", "dingtalk", "feishu", "slack", "slack-webhook")


def test_what_is_written_in_the_channels_own_markdown_goes_as_that_and_else_as_text(line: Line) -> None:
    line.send(MARKED)
    (text,) = line.read()
    assert (MARKED.markdown in text) is (line.setup.name in IN_MARKDOWN)
    assert "连续两个月晚付。" in text


def test_markdown_that_is_too_long_after_all_gives_way_to_the_text(line: Line) -> None:
    line.send(replace(MARKED, markdown="**重** " * 10_000))
    (text,) = line.read()
    assert "请今天联系。" in text
    assert "**重**" not in text


IDS = {"wecom_bot": "WangQiang", "dingtalk": "13800001111", "feishu": "ou_84aad35d084aa403"}
MENTIONING = [setup for setup in SETUPS if setup.name in IDS]


@pytest.mark.parametrize("line", MENTIONING, indirect=True, ids=lambda setup: setup.name)
def test_who_is_paged_is_mentioned_in_both(line: Line) -> None:
    user = IDS[line.setup.name]
    to = replace(WANG, methods=(Method(line.setup.name, user, verified=True),))
    for message in (MESSAGE, MARKED):
        line.send(replace(message, to=to))
    assert [user in str(one) for one in line.server.accepted] == [True, True]


def squeezed(text: str) -> str:
    return "".join(text.split())


def without_number(text: str) -> str:
    """A part without its (1/9), in whatever line it stands."""
    head, found, rest = text.partition(") ") if "(" in text[:200] else ("", "", text)
    return head.rpartition("(")[0] + rest if found else text


def test_the_throttle_never_breaks_a_limit_of_the_provider(line: Line) -> None:
    """The clock moves only when it has to; every message arrives, and the server has nothing to refuse."""
    limits, usage, sent = line.channel.limits, Usage(), 0
    if line.setup.name in ("email", "webhook"):
        line.server.counter = Counter(10_000, 60)
    while sent < 130:
        verdict = decide(limits, usage, line.clock.at)
        usage = verdict.usage
        if isinstance(verdict, Wait):
            line.clock.at = verdict.until
            continue
        assert isinstance(verdict, Go)
        line.send(replace(MESSAGE, key=f"key-{sent}", case_id=f"case-{sent}"))
        usage = answered(usage, verdict.hold, line.clock.at)
        sent += 1
    assert line.server.broken_limits == 0
    assert len(line.server.accepted) == 130


def test_no_secret_is_logged_said_or_shown(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = [repr(line.channel), line.channel.scope(MESSAGE)]
    line.send()
    for spoil in (line.setup.refuse, line.setup.lock, lambda server: server.unplug()):
        spoil(line.server)
        line.clock.at += timedelta(hours=3)
        with pytest.raises(NotSent) as caught:
            line.send()
        said += [str(caught.value), repr(caught.value)]
    for record in caplog.records:
        if record.name.startswith(("services", "http")):
            said.append(record.getMessage())
    assert line.setup.secret
    assert not [text for text in said if line.setup.secret in text]


EVIL = (
    '江南\r\nBcc: thief@example.com\u2028<@everyone> <!channel> @all <at user_id="all"></at> {{7*7}} {0.__class__}\x00'
)


def test_a_name_is_text_whatever_stands_in_it(line: Line) -> None:
    evil = replace(WANG, name=EVIL)
    line.send(replace(MESSAGE, to=evil, subject=f"【预警】{EVIL}", text=EVIL))
    (text,) = line.read()
    assert "{{7*7}} {0.__class__}" in text
    first = line.server.accepted[0]
    if line.setup.name == "email":
        assert first["Bcc"] is None
    else:
        found = str(first)
        assert "'isAtAll': True" not in found
        assert "'user_id': 'all'" not in found
        assert not line.setup.name.startswith("slack") or "<!channel>" not in first["text"]


def test_whoever_may_not_be_mentioned_all_at_once_is_not(line: Line) -> None:
    everybody = tuple(Method(kind, word, verified=True) for kind, word in ALL)
    try:
        line.send(replace(MESSAGE, to=replace(WANG, methods=(*everybody, *WANG.methods))))
    except Refused:
        assert line.server.accepted == []
        return
    found = str(line.server.accepted[0])
    assert "@all" not in found
    assert "'user_id': 'all'" not in found


ALL = [("wecom_bot", "@all"), ("wecom_app", "@all"), ("dingtalk", "@all"), ("feishu", "all")]
