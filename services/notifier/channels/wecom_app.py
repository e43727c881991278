"""PURE: a WeCom (企业微信) application that writes to one member. tokens.py fetches the token it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote_plus

import orjson

from services.notifier.channels.base import Accepted, BadAddress, BadCredential, Message, TryLater
from services.notifier.channels.fitting import fit, utf8
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.provider import Answer, Request, document, judge_status, no_verdict, said_code
from services.notifier.channels.saying import whole
from services.notifier.channels.tokens import Token, TokenExpired
from services.notifier.channels.wecom_bot import HOME, LONGEST_TEXT, fingerprint, judge_errcode
from services.notifier.people import Person

LIMITS = Limits((Window(30, 60.0, reserved=5), Window(1000, 3600.0, reserved=50)), 0.0, LONGEST_TEXT, "member")
"""What goes over is dropped without a word, so nothing may."""

_EXPIRED = frozenset({40014, 41001, 42001})
_BAD_KEY = frozenset({40001, 40013, 40056, 40082, 41002, 41004, 48002, 60011, 60020, 301002})
_NOBODY = frozenset({40031, 60111, 81013})


@dataclass(frozen=True)
class WecomApp:
    """`corp` is the company's id, `secret` and `agent` the application's."""

    corp: str
    agent: int
    secret: str = field(repr=False)
    home: str = HOME
    kind: str = "wecom_app"
    title: str = "企业微信应用 / the WeCom application"
    limits: Limits = LIMITS

    def token_request(self) -> Request:
        """What fetches a token."""
        query = f"corpid={quote_plus(self.corp)}&corpsecret={quote_plus(self.secret)}"
        return Request(f"{self.home}/cgi-bin/gettoken?{query}", b"", {}, "GET")

    def judge_token(self, answer: Answer, at: datetime) -> Token:
        """The token, and until when it is good. Raises BadCredential, TryLater."""
        judge_status(self.title, answer, at)
        found = document(answer) or {}
        code, token, seconds = found.get("errcode"), found.get("access_token"), found.get("expires_in")
        if code == 0 and isinstance(token, str) and isinstance(seconds, int):
            return Token(token, at + timedelta(seconds=seconds))
        said = said_code(self.title, code, found.get("errmsg", ""))
        raise BadCredential(said, code=str(code)) if code in _BAD_KEY else TryLater(said, everyone=True, code=str(code))

    def bearing(self, token: str) -> WecomMessages:
        """What is sent with a token."""
        return WecomMessages(self, token)


@dataclass(frozen=True)
class WecomMessages:
    """The application with a token in its hand."""

    app: WecomApp
    token: str = field(default="", repr=False)
    repeatable: bool = False

    @property
    def kind(self) -> str:
        """The application's."""
        return self.app.kind

    @property
    def title(self) -> str:
        """The application's."""
        return self.app.title

    @property
    def limits(self) -> Limits:
        """The application's."""
        return self.app.limits

    def scope(self, message: Message) -> str:
        """The member, who has one limit for each application."""
        member = message.to.reached_by(self.kind) or ""
        return f"{self.kind}:{fingerprint(f'{self.app.corp} {self.app.agent} {member}')}"

    def reaches(self, person: Person) -> bool:
        """Who has a WeCom user id."""
        return person.reached_by(self.kind) is not None

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One message in markdown where it is written so and short enough, else one text or its parts: WeCom itself
        would cut what is too long."""
        member = message.to.reached_by(self.kind)
        if not member or "|" in member or member.startswith("@") or not member.isprintable():
            said = f"没有可用的企业微信账号 / no usable WeCom user id: {message.to.id}"
            raise BadAddress(said, code="no_address")
        url = f"{self.app.home}/cgi-bin/message/send?access_token={quote_plus(self.token)}"
        kind, parts = "markdown", [message.markdown]
        if not message.markdown or utf8(message.markdown) > LONGEST_TEXT:
            kind, parts = "text", fit(whole(message), LONGEST_TEXT, message.link, message.to.language)
        common = {"touser": member, "msgtype": kind, "agentid": self.app.agent, "safe": 0}
        return [Request(url, orjson.dumps({**common, kind: {"content": part}})) for part in parts]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """errcode 0 with nobody left out is accepted: there is one recipient."""
        judge_status(self.title, answer, at)
        found = document(answer)
        code = found.get("errcode") if found is not None else None
        if found is None or not isinstance(code, int):
            raise no_verdict(self.title, answer)
        said, shown = said_code(self.title, code, found.get("errmsg", "")), str(code)
        left_out = next((name for name in ("invaliduser", "unlicenseduser") if found.get(name)), None)
        if code == 0 and left_out:
            raise BadAddress(f"{said} ({left_out})", code=left_out)
        if code in _EXPIRED:
            raise TokenExpired(said, code=shown)
        if code in _BAD_KEY:
            raise BadCredential(said, code=shown)
        if code in _NOBODY:
            raise BadAddress(said, code=shown)
        return judge_errcode(self.title, answer)
