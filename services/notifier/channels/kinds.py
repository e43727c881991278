"""The kinds of channels that a file of channels may name: the fields of each, and how it is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.common.clock import Now
from services.common.errors import UserError
from services.notifier.channels import dingtalk, feishu, pagerduty, slack, wecom_bot
from services.notifier.channels.addresses import Guard, networks
from services.notifier.channels.base import Channel
from services.notifier.channels.courier import Courier
from services.notifier.channels.email import EmailChannel, parse_smtp_url
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.posting import Posting, PostingWithToken
from services.notifier.channels.provider import Provider
from services.notifier.channels.secrets import Secret, Secrets, Source
from services.notifier.channels.webhook import Webhook, is_web


class NotSuitable(UserError):
    """A secret is there and cannot be used; the message does not repeat it."""


@dataclass(frozen=True)
class Opening:
    """What channels are opened with: a name, its secrets, the clock, and where they may connect."""

    name: str
    secrets: Secrets
    now: Now
    guard: Guard
    console_url: str = ""

    def secret(self, source: Source | None) -> str | None:
        """Of an optional field. Raises SecretMissing."""
        return None if source is None else self.secrets.read(source)

    def web(self, source: Source) -> str:
        """A secret that is an address of the web. Raises SecretMissing, NotSuitable."""
        found = self.secrets.read(source)
        if not is_web(found):
            raise NotSuitable(f"{source} holds no http or https URL")
        return found

    def posting(self, provider: Provider, allowed: tuple[str, ...]) -> Channel:
        """A channel by HTTP."""
        return Posting(self.name, provider, self.courier(provider.title, allowed), self.now)

    def courier(self, title: str, allowed: tuple[str, ...]) -> Courier:
        """`allowed` are networks beside those that all channels may reach."""
        return Courier(title, Guard((*self.guard.allowed, *networks(allowed))))


def _home(text: str) -> str:
    if not is_web(text):
        raise ValueError("must be an http or https URL")
    return text.rstrip("/")


Home = Annotated[str, AfterValidator(_home)]
"""The address of a provider: that of a private installation, or of a test server."""


class Kind(BaseModel, ABC):
    """`allow`: private networks that this channel may connect to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] = ()

    @abstractmethod
    def open(self, opening: Opening) -> Channel:
        """The channel. Raises what is under UserError."""


class Email(Kind):
    """`url` as BELLWETHER_SMTP_URL. `a_minute`: what the mail server takes from us, where it has a limit."""

    kind: Literal["email"]
    url: Secret
    a_minute: int | None = Field(default=None, ge=1, le=100_000)

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        limits = Limits((Window(self.a_minute, 60.0),), per="server") if self.a_minute else Limits()
        server = parse_smtp_url(opening.secrets.read(self.url))
        return EmailChannel(server, opening.now, name=opening.name, limits=limits)


class SignedWebhook(Kind):
    """`url` None: each person's own, verified address."""

    kind: Literal["webhook"]
    url: Secret | None = None
    secret: Secret

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        url = opening.web(self.url) if self.url else None
        return opening.posting(Webhook(url, opening.secrets.read(self.secret)), self.allow)


class AlertmanagerWebhook(Kind):
    """A receiver of Alertmanager's webhook, version 4."""

    kind: Literal["alertmanager"]
    url: Secret
    token: Secret | None = None

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        from services.notifier.channels.alertmanager import Alertmanager

        url, token = opening.web(self.url), opening.secret(self.token)
        return opening.posting(Alertmanager(url, token, opening.console_url), self.allow)


class WecomBotKind(Kind):
    """`key` is the part of the bot's address behind key=."""

    kind: Literal["wecom_bot"]
    key: Secret
    mention: bool = True
    home: Home = wecom_bot.HOME

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        bot = wecom_bot.WecomBot(opening.secrets.read(self.key), self.mention, self.home)
        return opening.posting(bot, self.allow)


class WecomAppKind(Kind):
    """An application of one's own (自建应用) that may write to members."""

    kind: Literal["wecom_app"]
    corp: str = Field(min_length=1, max_length=100)
    agent: int = Field(ge=1)
    secret: Secret
    home: Home = wecom_bot.HOME

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        from services.notifier.channels.wecom_app import WecomApp

        app = WecomApp(self.corp, self.agent, opening.secrets.read(self.secret), self.home)
        return PostingWithToken(opening.name, app, opening.courier(app.title, self.allow), opening.now)


class DingTalkKind(Kind):
    """`token` is the part of the robot's address behind access_token=."""

    kind: Literal["dingtalk"]
    token: Secret
    secret: Secret | None = None
    keyword: str = Field(default="", max_length=50)
    mention: bool = True
    home: Home = dingtalk.HOME

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        token, secret = opening.secrets.read(self.token), opening.secret(self.secret)
        return opening.posting(dingtalk.DingTalk(token, secret, self.keyword, self.mention, self.home), self.allow)


class FeishuKind(Kind):
    """`token` is the last part of the bot's address; `lark` for companies outside the mainland."""

    kind: Literal["feishu", "lark"]
    token: Secret
    secret: Secret | None = None
    keyword: str = Field(default="", max_length=50)
    mention: bool = True
    home: Home | None = None

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        token, secret = opening.secrets.read(self.token), opening.secret(self.secret)
        home = self.home or (feishu.LARK if self.kind == "lark" else feishu.FEISHU)
        return opening.posting(feishu.Feishu(token, secret, self.keyword, self.mention, home), self.allow)


class SlackKind(Kind):
    """`webhook` is the whole address of an incoming webhook; or `token` of a bot and, for all, `channel`."""

    kind: Literal["slack"]
    webhook: Secret | None = None
    token: Secret | None = None
    channel: str = Field(default="", max_length=100)
    contacts: bool = False
    home: Home = slack.HOME

    @model_validator(mode="after")
    def _one_way(self) -> SlackKind:
        if (self.webhook is None) == (self.token is None):
            raise ValueError("set webhook, or token (and channel); one of the two")
        return self

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        webhook = opening.web(self.webhook) if self.webhook else None
        token = opening.secret(self.token)
        return opening.posting(slack.Slack(webhook, token, self.channel, self.contacts, self.home), self.allow)


class PagerDutyKind(Kind):
    """`routing_key` of an integration Events API v2."""

    kind: Literal["pagerduty"]
    routing_key: Secret
    contacts: bool = False
    home: Home = pagerduty.HOME

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        key = opening.secrets.read(self.routing_key)
        if len(key) != pagerduty.KEY_LENGTH:
            raise NotSuitable(f"routing_key: it has {pagerduty.KEY_LENGTH} characters, and this one {len(key)}")
        return opening.posting(pagerduty.PagerDuty(key, self.contacts, self.home), self.allow)


class AppriseKind(Kind):
    """Any other, by the library apprise: accepted, unverified. `url` is apprise's."""

    kind: Literal["apprise"]
    url: Secret
    contacts: bool = False

    def open(self, opening: Opening) -> Channel:
        """See Kind."""
        from services.notifier.channels.any_other import open_apprise

        return open_apprise(opening.name, opening.secrets.read(self.url), contacts=self.contacts)


AnyKind = Annotated[
    Email
    | SignedWebhook
    | AlertmanagerWebhook
    | WecomBotKind
    | WecomAppKind
    | DingTalkKind
    | FeishuKind
    | SlackKind
    | PagerDutyKind
    | AppriseKind,
    Field(discriminator="kind"),
]
