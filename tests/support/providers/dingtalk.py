"""The DingTalk group robot with its signature; goes silent for ten minutes for whoever sends too fast."""

from __future__ import annotations

import base64
import hashlib
import hmac

from tests.support.providers.server import Asked, Counter, Now, ProviderServer, Reply
from tests.support.providers.wecom import said

HOUR_MS = 3_600_000


class DingTalkServer(ProviderServer):
    """POST /robot/send?access_token=…&timestamp=…&sign=…"""

    def __init__(self, now: Now, token: str = "robot-token", secret: str | None = "SECrobot") -> None:
        self.token = token
        self.secret = secret
        self.keyword = ""
        self.longest_body = 20_000
        self._counter = Counter(20, 60, 600)
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if asked.query.get("access_token") != self.token:
            return said(300005, "token is not exist")
        if self.secret is not None and not self._signed(asked):
            return said(310000, "sign not match, more: [https://ding-doc.dingtalk.com/doc]")
        if not self._counter.takes(self.now()):
            self.broken_limits += 1
            return said(130101, "send too fast, exceed 20 times per minute")
        if len(asked.raw) > self.longest_body:
            return said(460101, "message too long, exceed 20000 bytes")
        return self._take(asked)

    def _take(self, asked: Asked) -> Reply:
        message = asked.json
        kind = str(message.get("msgtype"))
        if kind == "markdown" and not message["markdown"].get("title"):
            return said(40035, "缺少参数 title")
        content = message[kind]["content" if kind == "text" else "text"]
        if self.keyword not in content:
            return said(310000, "keywords not in content")
        self.accepted.append(message)
        return said(0, "ok")

    def _signed(self, asked: Asked) -> bool:
        timestamp = asked.query.get("timestamp", "")
        if not timestamp.isdigit() or abs(int(timestamp) - self.now().timestamp() * 1000) > HOUR_MS:
            return False
        assert self.secret is not None
        text = timestamp + "\n" + self.secret
        digest = hmac.new(self.secret.encode("utf-8"), text.encode("utf-8"), digestmod=hashlib.sha256).digest()
        return asked.query.get("sign") == base64.b64encode(digest).decode("ascii")
