"""Slack: an incoming webhook, which answers in words, and chat.postMessage, which answers 200 and refuses."""

from __future__ import annotations

from typing import Any

from tests.support.providers.server import Asked, Counter, Now, ProviderServer, Reply

HOOK = "/services/T000/B000/hook-secret"


class SlackServer(ProviderServer):
    """One message a second for each channel; over it 429 with Retry-After."""

    def __init__(self, now: Now, token: str = "xoxb-token") -> None:
        self.token = token
        self.channels = {"C-sales", "U-wang"}
        self.longest_text = 3000
        self._counters: dict[str, Counter] = {}
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if asked.path == HOOK:
            return self._hook(asked)
        if asked.path == "/api/chat.postMessage":
            return self._post_message(asked)
        return Reply("no_service", 404)

    def _hook(self, asked: Asked) -> Reply:
        if late := self._too_fast(HOOK):
            return late
        if wrong := self._wrong(asked.json):
            return Reply(wrong, 400)
        self.accepted.append(asked.json)
        return Reply("ok", 200, {"Content-Type": "text/html"})

    def _post_message(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply({"ok": False, "error": "invalid_auth"})
        message = asked.json
        if message.get("channel") not in self.channels:
            return Reply({"ok": False, "error": "channel_not_found"})
        if late := self._too_fast(message["channel"]):
            return late
        if wrong := self._wrong(message):
            return Reply({"ok": False, "error": wrong})
        self.accepted.append(message)
        return Reply({"ok": True, "channel": message["channel"], "ts": "1503435956.000247"})

    def _too_fast(self, channel: str) -> Reply | None:
        counter = self._counters.setdefault(channel, Counter(1, 1))
        if counter.takes(self.now()):
            return None
        self.broken_limits += 1
        wait = {"Retry-After": str(counter.seconds_left(self.now()))}
        return Reply({"ok": False, "error": "ratelimited"}, 429, wait)

    def _wrong(self, message: dict[str, Any]) -> str | None:
        blocks = message.get("blocks", [])
        if len(blocks) > 50:
            return "invalid_blocks"
        for block in blocks:
            text = block.get("text", {}).get("text", "-")
            most = 150 if block["type"] == "header" else self.longest_text
            if not 1 <= len(text) <= most:
                return "msg_too_long" if most < 3000 else "invalid_blocks"
        return None if message.get("text") else "no_text"
