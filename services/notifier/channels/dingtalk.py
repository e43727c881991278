"""PURE: a DingTalk (钉钉) robot: signed text to a group, with the person mentioned whose page it is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote_plus

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
from services.notifier.channels.fitting import cut_characters, fit, in_json
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.provider import Answer, Request, document, judge_status, no_verdict, said_code
from services.notifier.channels.saying import mentionable, subject_of, whole
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

HOME = "https://oapi.dingtalk.com"
LONGEST_BODY = 20_000
TITLE = 200
"""Characters of the title that a message in markdown must have; it is what a locked screen shows."""
BLOCK_S = 600.0

_TOO_MANY = frozenset({130101, 410100})
_TOO_LARGE = frozenset({460101, 400103})
# 310000: the sign, the key word or the address of the sender does not fit what the robot was set up with.
_BAD_KEY = frozenset({310000, 300001, 300005, 400013, 400014, 400101, 400102, 400106, 40035, 40014})

LIMITS = Limits((Window(20, 60.0, reserved=5),), BLOCK_S, LONGEST_BODY, "bot")


@dataclass(frozen=True)
class DingTalk:
    """`token` is the robot's access_token; `secret` that of its security setting "sign" (加签), None for a robot that
    is held by a key word or by addresses. `keyword` is put before texts that lack it."""

    token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    keyword: str = ""
    mention: bool = True
    home: str = HOME
    kind: str = "dingtalk"
    title: str = "钉钉机器人 / the DingTalk robot"
    limits: Limits = LIMITS
    repeatable: bool = False

    def scope(self, message: Message) -> str:
        """The robot."""
        return f"{self.kind}:{fingerprint(self.token)}"

    def reaches(self, person: Person) -> bool:
        """Everybody: whoever reads the group."""
        return True

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One message in markdown where it is written so, else one text or its parts."""
        url = f"{self.home}/robot/send?access_token={quote_plus(self.token)}{self._signature(at)}"
        user = mentionable(message, self.kind) if self.mention else None
        if message.markdown:
            text = self._with_keyword(message.markdown) + (f"\n\n@{user}" if user else "")
            body = _body("markdown", {"title": cut_characters(subject_of(message), TITLE), "text": text}, user)
            if len(body) <= LONGEST_BODY:
                return [Request(url, body)]
        room = LONGEST_BODY - len(_body("text", {"content": ""}, user)) - in_json(self.keyword) - 1
        parts = fit(whole(message), room, message.link, message.to.language, in_json)
        return [Request(url, _body("text", {"content": self._with_keyword(part)}, user)) for part in parts]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """errcode 0 alone is accepted."""
        judge_status(self.title, answer, at)
        found = document(answer)
        code = found.get("errcode") if found is not None else None
        if found is None or not isinstance(code, int):
            raise no_verdict(self.title, answer)
        if code == 0:
            return Accepted(str(found.get("messageId", "")))
        said, shown = said_code(self.title, code, found.get("errmsg", "")), str(code)
        if code in _TOO_MANY:
            raise RateLimited(said, BLOCK_S, everyone=True, code=shown)
        if code in _BAD_KEY:
            raise BadCredential(said, code=shown)
        if code in _TOO_LARGE:
            raise TooLarge(said, code=shown)
        if code == -1:
            raise TryLater(said, code=shown)
        raise Refused(said, code=shown)

    def _with_keyword(self, text: str) -> str:
        return text if self.keyword in text else f"{self.keyword} {text}"

    def _signature(self, at: datetime) -> str:
        """Made anew for each attempt: it is good for an hour."""
        if self.secret is None:
            return ""
        timestamp = int(at.timestamp() * 1000)
        return f"&timestamp={timestamp}&sign={quote_plus(sign(timestamp, self.secret))}"


def _body(kind: str, said: Mapping[str, object], user: str | None) -> bytes:
    found: dict[str, object] = {"msgtype": kind, kind: said}
    if user:
        mobile = user.lstrip("+").isdigit()
        found["at"] = {"atMobiles" if mobile else "atUserIds": [user], "isAtAll": False}
    return orjson.dumps(found)


def sign(timestamp_ms: int, secret: str) -> str:
    """base64(HMAC-SHA256(key = secret, message = timestamp, line end, secret)), not yet quoted for a URL."""
    told = f"{timestamp_ms}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), told, hashlib.sha256).digest()).decode()
