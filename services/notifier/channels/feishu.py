"""PURE: a Feishu (飞书) or Lark bot: a signed rich text to a group, with the person mentioned whose page it is."""

from __future__ import annotations

import base64
import hashlib
import hmac
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
from services.notifier.channels.fitting import cut_characters, fit, in_json
from services.notifier.channels.limits import Limits, Window
from services.notifier.channels.provider import Answer, Request, document, judge_status, no_verdict, said_code
from services.notifier.channels.saying import mentionable, subject_of, text_of
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

FEISHU = "https://open.feishu.cn"
LARK = "https://open.larksuite.com"
LONGEST_BODY = 20_000
"""Of 20 KB, by whichever of the two the provider counts them."""
TITLE = 500
"""Characters."""
LIMITS = Limits((Window(5, 1.0, reserved=1), Window(100, 60.0, reserved=20)), 60.0, LONGEST_BODY, "bot")

# 19001: no such bot. 19021: the sign or its hour. 19022: our address. 19024: the key word it wants.
_BAD_KEY = frozenset({19001, 19021, 19022, 19024})
_TOO_MANY = frozenset({11232, 11233, 11247, 99991400})
_BUSY = frozenset({1500, 11000, 190005, 230020})


@dataclass(frozen=True)
class Feishu:
    """`token` ends the webhook's address; `secret` is that of its signature, None when the bot has none. `keyword`
    stands before subjects that lack it."""

    token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    keyword: str = ""
    mention: bool = True
    home: str = FEISHU
    kind: str = "feishu"
    title: str = "飞书机器人 / the Feishu bot"
    limits: Limits = LIMITS
    repeatable: bool = False

    def scope(self, message: Message) -> str:
        """The bot."""
        return f"{self.kind}:{fingerprint(self.token)}"

    def reaches(self, person: Person) -> bool:
        """Everybody: whoever reads the group."""
        return True

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """One card where the message is written in markdown, else one rich text or its parts."""
        url = f"{self.home}/open-apis/bot/v2/hook/{self.token}"
        if message.markdown:
            card = self._body(self._card(message), at)
            if len(card) <= LONGEST_BODY:
                return [Request(url, card)]
        room = LONGEST_BODY - len(self._body(self._post("", message), at))
        parts = fit(text_of(message), room, message.link, message.to.language, in_json)
        return [Request(url, self._body(self._post(part, message), at)) for part in parts]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """`code` 0 alone is accepted; errors come with any HTTP status."""
        found = document(answer)
        code = found.get("code", found.get("StatusCode")) if found is not None else None
        if found is None or not isinstance(code, int):
            judge_status(self.title, answer, at)
            raise no_verdict(self.title, answer)
        if code == 0:
            judge_status(self.title, answer, at)
            return Accepted("")
        words = str(found.get("msg", ""))
        raise _refusal(self.title, code, words)

    def _body(self, said: Mapping[str, object], at: datetime) -> bytes:
        return orjson.dumps({**self._signature(at), **said})

    def _card(self, message: Message) -> dict[str, object]:
        user = self._mentioned(message)
        text = message.markdown + (f"\n<at id={user}></at>" if user else "")
        header = {"title": {"tag": "plain_text", "content": self._title(message)}}
        return {
            "msg_type": "interactive",
            "card": {"header": header, "elements": [{"tag": "markdown", "content": text}]},
        }

    def _post(self, text: str, message: Message) -> dict[str, object]:
        # The elements of a rich text are told as they are: no name in them can mention anybody.
        line: list[dict[str, str]] = [{"tag": "text", "text": text}]
        if user := self._mentioned(message):
            line.insert(0, {"tag": "at", "user_id": user})
        post = {"title": self._title(message), "content": [line]}
        language = "zh_cn" if message.to.language == "zh" else "en_us"
        return {"msg_type": "post", "content": {"post": {language: post}}}

    def _mentioned(self, message: Message) -> str | None:
        return mentionable(message, self.kind) if self.mention else None

    def _title(self, message: Message) -> str:
        subject = cut_characters(subject_of(message), TITLE)
        return subject if self.keyword in subject else f"{self.keyword} {subject}"

    def _signature(self, at: datetime) -> dict[str, str]:
        if self.secret is None:
            return {}
        timestamp = int(at.timestamp())
        return {"timestamp": str(timestamp), "sign": sign(timestamp, self.secret)}


def sign(timestamp_s: int, secret: str) -> str:
    """base64(HMAC-SHA256(key = timestamp, line end, secret; no message)): unlike DingTalk's, the text is the key."""
    return base64.b64encode(hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


def _refusal(title: str, code: int, words: str) -> Exception:
    said, shown = said_code(title, code, words), str(code)
    low = words.lower()
    if code in _TOO_MANY or (code == 9499 and "bad request" not in low and "large" not in low):
        return RateLimited(said, LIMITS.block_s, everyone=True, code=shown)
    if code in _BAD_KEY:
        return BadCredential(said, code=shown)
    if "too large" in low or "too long" in low or "exceed" in low:
        return TooLarge(said, code=shown)
    return TryLater(said, code=shown) if code in _BUSY else Refused(said, code=shown)
