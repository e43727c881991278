"""Any program's webhook: a JSON POST, signed, judged by the HTTP status."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx
import orjson

from services.common.clock import Now
from services.notifier.channels.base import Accepted, FateUnknown, Message, Refused, TryLater
from services.notifier.channels.limits import Limits

TIMEOUT_S = 10.0
DEADLINE_S = 20.0
"""For all of one attempt: a receiver that lets its answer trickle in holds up nobody for longer."""
BODY_DEADLINE_S = 2.0
LONGEST_BODY = 4096
"""Bytes read of an answer; only its beginning is kept, to say why a page was refused."""
LONGEST_RETRY_AFTER_S = 3600.0
SIGNATURE = "X-Bellwether-Signature"


class WebhookChannel:
    """POSTs each message to `url`.

    The header X-Bellwether-Signature is `t=<unix seconds>,v1=<hex>`, the HMAC-SHA256 of "<t>.<body>" under the shared
    secret; refuse old timestamps against replays. Idempotency-Key is the same for every attempt at one message.
    """

    name = "webhook"
    kind = "webhook"
    limits = Limits()

    def __init__(self, url: str, secret: str, now: Now) -> None:
        self._url = url
        self._secret = secret.encode()
        self._now = now
        self._tls = httpx.create_ssl_context()

    def scope(self, message: Message) -> str:
        """One for all."""
        return self.name

    def cost(self, message: Message) -> int:
        """One message is one."""
        return 1

    def has_sent(self, key: str) -> bool | None:
        """Nobody can be asked."""
        return None

    def send(self, message: Message) -> Accepted:
        """2xx is accepted; 408, 429 and 5xx are tried later; everything else is refused."""
        now = self._now()
        body = orjson.dumps(_document(message))
        headers = {
            "Content-Type": "application/json",
            # What is kept of an answer is read as it came: nothing to unpack, nothing that unpacks to gigabytes.
            "Accept-Encoding": "identity",
            "Idempotency-Key": hashlib.sha256(message.key.encode()).hexdigest(),
            SIGNATURE: sign(self._secret, int(now.timestamp()), body),
        }
        try:
            answer = asyncio.run(self._post(body, headers))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TryLater(f"Webhook 无法连接 / the webhook cannot be reached: {error}", everyone=True) from None
        except (httpx.RequestError, TimeoutError) as error:
            raise FateUnknown(
                f"未收到 Webhook 的答复 / the webhook's answer was lost: {type(error).__name__} {error}"
            ) from None
        return _judge(answer, message, now)

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> _Answer:
        async with (
            asyncio.timeout(DEADLINE_S),
            httpx.AsyncClient(verify=self._tls, timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", self._url, content=body, headers=headers) as answer,
        ):
            # An acceptance is one without its body.
            text = "" if answer.is_success else await _beginning(answer)
            return _Answer(answer.status_code, answer.headers, text)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


async def _beginning(answer: httpx.Response) -> str:
    """The status has decided: how the body ends changes nothing."""
    found = bytearray()
    with contextlib.suppress(httpx.RequestError, TimeoutError):
        async with asyncio.timeout(BODY_DEADLINE_S):
            async for chunk in answer.aiter_raw(LONGEST_BODY):
                found += chunk
                if len(found) >= LONGEST_BODY:
                    break
    return found[:LONGEST_BODY].decode(errors="replace")


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of X-Bellwether-Signature; receivers compute it again and compare."""
    digest = hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def _document(message: Message) -> dict[str, object]:
    to = {"id": message.to.id, "name": message.to.name}
    text = {"subject": message.subject, "text": message.text}
    return {"version": 1, "id": message.key, "to": to, "case_id": message.case_id, **text, **message.data}


def _judge(answer: _Answer, message: Message, now: datetime) -> Accepted:
    status = answer.status
    if 200 <= status < 300:
        return Accepted(answer.headers.get("X-Request-Id") or message.key)
    said = f"Webhook 答复 / the webhook answered {status}: {answer.text[:200]}"
    if status == 408 or status == 429 or status >= 500:
        after_s = _retry_after_s(answer.headers.get("Retry-After"), now)
        raise TryLater(said, after_s, everyone=status == 429 or status == 503)
    raise Refused(said)


def _retry_after_s(header: str | None, now: datetime) -> float:
    """Seconds or an HTTP date; what cannot be read counts as 0, and the outbox's own backoff applies."""
    if header is None:
        return 0.0
    if header.isascii() and header.isdigit():
        return min(float(header), LONGEST_RETRY_AFTER_S)
    try:
        after = (parsedate_to_datetime(header) - now).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, min(after, LONGEST_RETRY_AFTER_S))
