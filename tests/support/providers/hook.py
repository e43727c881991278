"""Somebody's program behind the signed webhook: checks the signature, its age, and that no page comes twice."""

from __future__ import annotations

import hashlib
import hmac

from tests.support.providers.server import Asked, Counter, Now, ProviderServer, Reply


class HookServer(ProviderServer):
    """POST anything; a receiver that takes `counter` messages a minute."""

    def __init__(self, now: Now, secret: str = "hook-secret") -> None:
        self.secret = secret
        self.longest_body = 1_000_000
        self.counter = Counter(1000, 60)
        super().__init__(now)

    def reply(self, asked: Asked) -> Reply:
        if not self._signed(asked):
            return Reply({"error": "signature"}, 401)
        if len(asked.raw) > self.longest_body:
            return Reply({"error": "too large"}, 413)
        if not self.counter.takes(self.now()):
            self.broken_limits += 1
            return Reply({"error": "slow down"}, 429, {"Retry-After": "30"})
        self.accepted.append(asked.json)
        return Reply({}, 202)

    def _signed(self, asked: Asked) -> bool:
        parts = dict(part.split("=", 1) for part in asked.headers.get("X-Bellwether-Signature", "t=0,v1=").split(","))
        if abs(self.now().timestamp() - int(parts["t"])) > 300:
            return False
        wanted = hmac.new(self.secret.encode(), parts["t"].encode() + b"." + asked.raw, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, parts["v1"])
