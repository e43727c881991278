"""Every channel with its test server, and what a test must do to each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.notifier.channels.addresses import Guard, networks
from services.notifier.channels.alertmanager import Alertmanager
from services.notifier.channels.base import Channel
from services.notifier.channels.courier import Courier
from services.notifier.channels.dingtalk import DingTalk
from services.notifier.channels.email import EmailChannel, SmtpServer
from services.notifier.channels.feishu import Feishu
from services.notifier.channels.pagerduty import PagerDuty
from services.notifier.channels.posting import Posting, PostingWithToken
from services.notifier.channels.provider import Provider
from services.notifier.channels.slack import Slack
from services.notifier.channels.webhook import WebhookChannel
from services.notifier.channels.wecom_app import WecomApp
from services.notifier.channels.wecom_bot import WecomBot
from tests.support.providers.alertmanager import AlertmanagerReceiver
from tests.support.providers.dingtalk import DingTalkServer
from tests.support.providers.feishu import FeishuServer
from tests.support.providers.hook import HookServer
from tests.support.providers.mail import MailServer
from tests.support.providers.pagerduty import PagerDutyServer, invalid
from tests.support.providers.server import Counter, Now, Reply
from tests.support.providers.slack import HOOK, SlackServer
from tests.support.providers.wecom import WecomAppServer, WecomBotServer, said

HERE = Guard(networks(["127.0.0.0/8"]))


@dataclass(frozen=True)
class Setup:
    """`refuse`, `shrink`, `lock` make the server refuse a message for good, find it too long, and know another secret.
    `text` is what the reader of one accepted message sees. `most`: so many a window before it refuses."""

    name: str
    server: Callable[[Now], Any]
    channel: Callable[[Any, Now], Channel]
    refuse: Callable[[Any], None]
    shrink: Callable[[Any], None]
    lock: Callable[[Any], None]
    text: Callable[[Any], str]
    most: int | None = None
    after_s: float = 0.0
    repeatable: bool = False
    secret: str = ""


def posting(name: str, provider: Provider, now: Now) -> Posting:
    return Posting(name, provider, Courier(provider.title, HERE), now)


def application(server: WecomAppServer, now: Now) -> PostingWithToken:
    app = WecomApp(server.corp, server.agent, server.secret, server.home)
    return PostingWithToken("wecom_app", app, Courier(app.title, HERE), now)


def mail(server: MailServer, now: Now) -> EmailChannel:
    return EmailChannel(SmtpServer("127.0.0.1", server.port, "none", "b@example.com", "us", "right"), now)


def answer(reply: Reply) -> Callable[[Any], None]:
    return lambda server: setattr(server, "answer_instead", reply)


def becomes(name: str, value: object) -> Callable[[Any], None]:
    return lambda server: setattr(server, name, value)


def few(server: Any) -> None:
    server.counter = Counter(3, 60)


def limited(make: Callable[[Now], Any]) -> Callable[[Now], Any]:
    """A server of no known limit, with one of three a minute."""

    def made(now: Now) -> Any:
        server = make(now)
        few(server)
        return server

    return made


def content(message: dict[str, Any]) -> str:
    said = message[message["msgtype"]]
    return f"{said.get('title', '')}{said.get('content') or said.get('text')}"


def rich_text(message: dict[str, Any]) -> str:
    if message["msg_type"] == "interactive":
        card = message["card"]
        return f"{card['header']['title']['content']}\n{card['elements'][0]['content']}"
    (post,) = message["content"]["post"].values()
    texts = "".join(element.get("text", "") for line in post["content"] for element in line)
    return f"{post['title']}\n{texts}"


def blocks(message: dict[str, Any]) -> str:
    texts = [block["text"]["text"] for block in message["blocks"] if "text" in block]
    link = message["blocks"][-1].get("elements", [{}])[0].get("text", "")
    return "\n".join([*texts, str(link)])


SETUPS = (
    Setup(
        "email",
        limited(MailServer),
        mail,
        becomes("answer", "550 5.7.1 we take nothing from you"),
        lambda server: server.take_no_more_than(500),
        becomes("password", b"another"),
        lambda mail: str(mail["Subject"]) + "\n" + str(mail.get_body(("plain",)).get_content()),
        most=3,
        secret="right",
    ),
    Setup(
        "webhook",
        limited(HookServer),
        lambda server, now: WebhookChannel(f"{server.home}/hook?token=url-secret", server.secret, now),
        answer(Reply({"error": "no"}, 422)),
        becomes("longest_body", 100),
        becomes("secret", "another"),
        lambda body: f"{body['subject']}\n{body['text']}",
        most=3,
        after_s=30,
        secret="url-secret",
    ),
    Setup(
        "wecom_bot",
        WecomBotServer,
        lambda server, now: posting("wecom_bot", WecomBot(server.key, home=server.home), now),
        answer(said(40033, "invalid charset")),
        becomes("longest_text", 10),
        becomes("key", "another"),
        content,
        most=20,
        after_s=600,
        secret="bot-key",
    ),
    Setup(
        "dingtalk",
        DingTalkServer,
        lambda server, now: posting("dingtalk", DingTalk(server.token, server.secret, home=server.home), now),
        answer(said(430104, "dangerous content")),
        becomes("longest_body", 10),
        becomes("secret", "another"),
        content,
        most=20,
        after_s=600,
        secret="robot-token",
    ),
    Setup(
        "feishu",
        FeishuServer,
        lambda server, now: posting("feishu", Feishu(server.token, server.secret, home=server.home), now),
        answer(Reply({"code": 9499, "msg": "Bad Request", "data": {}})),
        becomes("longest_body", 10),
        becomes("secret", "another"),
        rich_text,
        most=5,
        after_s=60,
        secret="hook-token",
    ),
    Setup(
        "slack",
        SlackServer,
        lambda server, now: posting("slack", Slack(token=server.token, channel="C-sales", home=server.home), now),
        answer(Reply({"ok": False, "error": "invalid_arguments"})),
        answer(Reply({"ok": False, "error": "msg_too_long"})),
        becomes("token", "another"),
        blocks,
        most=1,
        after_s=1,
        secret="xoxb-token",
    ),
    Setup(
        "slack-webhook",
        SlackServer,
        lambda server, now: posting("slack-webhook", Slack(webhook=server.home + HOOK), now),
        answer(Reply("invalid_payload", 400)),
        answer(Reply("msg_too_long", 400)),
        answer(Reply("no_service", 404)),
        blocks,
        most=1,
        after_s=1,
        secret="hook-secret",
    ),
    Setup(
        "pagerduty",
        PagerDutyServer,
        lambda server, now: posting("pagerduty", PagerDuty(server.routing_key, home=server.home), now),
        answer(invalid("'payload' is missing")),
        becomes("longest_body", 10),
        becomes("routing_key", "S" * 32),
        lambda event: event["payload"]["summary"] + "\n" + event["payload"]["custom_details"]["text"],
        most=120,
        after_s=60,
        repeatable=True,
        secret="R" * 32,
    ),
    Setup(
        "wecom_app",
        WecomAppServer,
        application,
        lambda server: setattr(server, "reply", after_its_token(server, said(40033, "invalid charset"))),
        lambda server: setattr(server, "reply", after_its_token(server, said(45002, "content size out of limit"))),
        becomes("secret", "another"),
        content,
        secret="app-secret",
    ),
    Setup(
        "alertmanager",
        AlertmanagerReceiver,
        lambda server, now: posting("alertmanager", Alertmanager(server.home + "/alerts", server.token), now),
        answer(Reply("bad request", 400)),
        becomes("longest_body", 10),
        becomes("token", "another"),
        lambda body: body["commonAnnotations"]["summary"] + "\n" + body["commonAnnotations"]["description"],
        repeatable=True,
        secret="alerts-token",
    ),
)


def after_its_token(server: WecomAppServer, answer: Reply) -> Callable[[Any], Reply]:
    """The application's server as it hands out tokens, and answers so to every message."""
    usual = server.reply
    return lambda asked: usual(asked) if asked.path.endswith("gettoken") else answer
