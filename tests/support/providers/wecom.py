"""WeCom: the group bot, and the application with its tokens."""

from __future__ import annotations

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
        if message.get("msgtype") != "text":
            return said(40008, "invalid message type")
        if len(message["text"]["content"].encode()) > self.longest_text:
            return said(40058, "text.content exceed max length 2048")
        self.accepted.append(message)
        return said(0, "ok")


def said(code: int, words: str, **more: object) -> Reply:
    return Reply({"errcode": code, "errmsg": words, **more})
