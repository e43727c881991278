"""The Feishu / Lark group bot: 100 a minute and 5 a second, errors in `code`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.support.providers.server import Asked, Counter, Now, ProviderServer, Reply


class FeishuServer(ProviderServer):
    """POST /open-apis/bot/v2/hook/TOKEN"""

    def __init__(self, now: Now, token: str = "hook-token", secret: str | None = "feishu-secret") -> None:
        self.token = token
        self.secret = secret
        self.keyword = ""
        self.longest_body = 20 * 1024
        self.allowed = True
        self._counters = [Counter(5, 1), Counter(100, 60)]
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        refusal = self._closed(asked) or self._wrong(asked.json) or self._too_fast()
        if refusal:
            return refusal
        self.accepted.append(asked.json)
        return Reply({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})

    def _closed(self, asked: Asked) -> Reply | None:
        if asked.path != f"/open-apis/bot/v2/hook/{self.token}":
            return said(19001, "param invalid: incoming webhook access token invalid")
        if not self.allowed:
            return said(19022, "Ip Not Allowed")
        if len(asked.raw) > self.longest_body:
            return said(9499, "Bad Request: request body too large")
        return None

    def _wrong(self, message: dict[str, Any]) -> Reply | None:
        if self.secret is not None and not self._signed(message):
            return said(19021, "sign match fail or timestamp is not within one hour from current time")
        if message.get("msg_type") not in ("text", "post", "interactive"):
            return said(9499, "Bad Request")
        if self.keyword and self.keyword not in json.dumps(message, ensure_ascii=False):
            return said(19024, "Key Words Not Found")
        return None

    def _too_fast(self) -> Reply | None:
        took = [counter.takes(self.now()) for counter in self._counters]
        if all(took):
            return None
        self.broken_limits += 1
        return said(9499, "too many request")

    def _signed(self, message: dict[str, Any]) -> bool:
        timestamp = str(message.get("timestamp", ""))
        if not timestamp.isdigit() or abs(int(timestamp) - self.now().timestamp()) > 3600:
            return False
        # The documentation's own sample: the text is the key, and nothing is signed.
        string_to_sign = f"{timestamp}\n{self.secret}"
        digest = hmac.new(string_to_sign.encode("utf-8"), digestmod=hashlib.sha256).digest()
        return message.get("sign") == base64.b64encode(digest).decode("utf-8")


def said(code: int, words: str) -> Reply:
    return Reply({"code": code, "msg": words, "data": {}})
