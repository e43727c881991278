"""WeCom: the group bot, and the application with its tokens."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.support.providers.server import Asked, Counter, Now, ProviderServer, Reply

BLOCK_S = 600.0


class WecomBotServer(ProviderServer):
    """POST /cgi-bin/webhook/send?key=…; answers 200 to everything it understands, and refuses in the body."""

    def __init__(self, now: Now, key: str = "bot-key") -> None:
        self.key = key
        self.longest_text = 2048
        self._counter = Counter(20, 60, BLOCK_S)
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if asked.path != "/cgi-bin/webhook/send":
            return Reply("not found", 404)
        if asked.query.get("key") != self.key:
            return said(93000, "invalid webhookurl, key expired")
        if not self._counter.takes(self.now()):
            self.broken_limits += 1
            return said(45009, "api freq out of limit")
        message = asked.json
        kind = message.get("msgtype")
        if kind not in ("text", "markdown"):
            return said(40008, "invalid message type")
        most = self.longest_text * (2 if kind == "markdown" else 1)
        if len(message[kind]["content"].encode()) > most:
            return said(40058, f"{kind}.content exceed max length {most}")
        self.accepted.append(message)
        return said(0, "ok")


def said(code: int, words: str, **more: object) -> Reply:
    return Reply({"errcode": code, "errmsg": words, **more})


class WecomAppServer(ProviderServer):
    """GET /cgi-bin/gettoken, then POST /cgi-bin/message/send; what goes over a member's limit is dropped silently.
    `lenient`: ok is said to whom nobody got as well, and they are named as invalid."""

    def __init__(self, now: Now, corp: str = "ww-corp", secret: str = "app-secret", agent: int = 1000002) -> None:
        self.corp, self.secret, self.agent = corp, secret, agent
        self.members = {"WangQiang", "LiNa"}
        self.longest_text = 2048
        self.dropped = 0
        self.lenient = False
        self.truncated = 0
        self.tokens: dict[str, datetime] = {}
        self.expired: set[str] = set()
        self._counters: dict[str, list[Counter]] = {}
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if asked.path == "/cgi-bin/gettoken":
            return self._token(asked)
        if asked.path != "/cgi-bin/message/send":
            return Reply("not found", 404)
        token = asked.query.get("access_token", "")
        if token not in self.tokens:
            return said(40014, "invalid access_token")
        if token in self.expired or self.now() >= self.tokens[token]:
            return said(42001, "access_token expired")
        return self._send(asked)

    def expire(self) -> None:
        """Every token that was handed out, before its time."""
        self.expired |= set(self.tokens)

    def _token(self, asked: Asked) -> Reply:
        if asked.query.get("corpid") != self.corp:
            return said(40013, "invalid corpid")
        if asked.query.get("corpsecret") != self.secret:
            return said(40001, "invalid credential")
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = self.now() + timedelta(seconds=7200)
        return said(0, "ok", access_token=token, expires_in=7200)

    def _send(self, asked: Asked) -> Reply:
        message = asked.json
        if message.get("agentid") != self.agent:
            return said(40056, "invalid agentid")
        wanted = message["touser"].split("|")
        known = [one for one in wanted if one in self.members or one == "@all"]
        if not known and self.lenient:
            return said(0, "ok", invaliduser="|".join(wanted))
        if not known:
            return said(81013, "user & party & tag all invalid", invaliduser="|".join(wanted))
        if len(message[message["msgtype"]]["content"].encode()) > self.longest_text:
            self.truncated += 1
        fresh = [Counter(30, 60), Counter(1000, 3600)]
        took = [counter.takes(self.now()) for counter in self._counters.setdefault(known[0], fresh)]
        if all(took):
            self.accepted.append(message)
        else:
            self.dropped += 1
            self.broken_limits += 1
        left_out = [one for one in wanted if one not in known]
        return said(0, "ok", msgid=f"m-{len(self.asked)}", invaliduser="|".join(left_out))
