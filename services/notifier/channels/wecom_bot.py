"""PURE: a WeCom (企业微信) group bot: text to a group, with the person mentioned whose page it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from services.notifier.channels.base import (
    Accepted,
    BadCredential,
    Message,
    RateLimited,
    Refused,
    TooLarge,
    TryLater,
)
from services.notifier.channels.fitting import fit, utf8
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.provider import Answer, Request, document, judge_status, no_verdict, said_code
from services.notifier.channels.saying import mentionable, whole
from services.notifier.people import Person

HOME = "https://qyapi.weixin.qq.com"
LONGEST_TEXT = 2048
LONGEST_MARKDOWN = 4096
"""Bytes of a text, and of one in markdown; over it the message is lost with error 40058."""
BLOCK_S = 600.0

_BAD_KEY = frozenset({93000, 93004, 93008, 93017, 40014, 41001, 42001})
_TOO_MANY = frozenset({45009, 45033})
_TOO_LARGE = frozenset({40058, 45002})
_BUSY = frozenset({-1, 6000, 50001})

LIMITS = Limits((Window(20, 60.0, reserved=5),), BLOCK_S, LONGEST_MARKDOWN, "bot")


@dataclass(frozen=True)
class WecomBot:
    """`key` is that of the bot's webhook. `mention`: whether whoever is paged is mentioned, where the directory has
    a WeCom user id for this channel."""

    key: str = field(repr=False)
    mention: bool = True
    home: str = HOME
    kind: str = "wecom_bot"
    title: str = "企业微信机器人 / the WeCom bot"
    limits: Limits = LIMITS
    repeatable: bool = False

    def scope(self, message: Message) -> str:
        """The bot."""
        return f"{self.kind}:{fingerprint(self.key)}"

    def reaches(self, person: Person) -> bool:
        """Everybody: whoever reads the group."""
        return True

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One message in markdown where it is written so, else one text or its parts."""
        user = mentionable(message, self.kind) if self.mention else None
        if message.markdown:
            called = f"{message.markdown}\n<@{user}>" if user else message.markdown
            said = called if utf8(called) <= LONGEST_MARKDOWN else message.markdown
            if utf8(said) <= LONGEST_MARKDOWN:
                return [self._request("markdown", {"content": said})]
        parts = fit(whole(message), LONGEST_TEXT, message.link, message.to.language)
        names = {"mentioned_list": [user]} if user else {}
        return [self._request("text", {"content": part, **names}) for part in parts]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """errcode 0 alone is accepted."""
        judge_status(self.title, answer, at)
        return judge_errcode(self.title, answer)

    def _request(self, kind: str, said: Mapping[str, object]) -> Request:
        body = orjson.dumps({"msgtype": kind, kind: said})
        return Request(f"{self.home}/cgi-bin/webhook/send?key={self.key}", body)


def judge_errcode(title: str, answer: Answer) -> Accepted:
    """What WeCom's errcode says: of bots, and of what is common to all of its interfaces."""
    found = document(answer)
    code = found.get("errcode") if found is not None else None
    if found is None or not isinstance(code, int):
        raise no_verdict(title, answer)
    if code == 0:
        return Accepted(str(found.get("msgid", "")))
    said, shown = said_code(title, code, found.get("errmsg", "")), str(code)
    if code in _TOO_MANY:
        raise RateLimited(said, BLOCK_S, everyone=True, code=shown)
    if code in _BAD_KEY:
        raise BadCredential(said, code=shown)
    if code in _TOO_LARGE:
        raise TooLarge(said, code=shown)
    if code in _BUSY:
        raise TryLater(said, code=shown)
    raise Refused(said, code=shown)


def fingerprint(secret: str) -> str:
    """Tells one secret from another and does not tell it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
