"""Any program's webhook: a JSON POST, signed, judged by the HTTP status."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import orjson

from services.common.clock import Now
from services.notifier.channels.addresses import PUBLIC_ONLY, Guard, networks
from services.notifier.channels.base import Accepted, BadAddress, Message
from services.notifier.channels.courier import DEADLINE_S, Courier
from services.notifier.channels.limits import UNLIMITED, Limits
from services.notifier.channels.posting import Posting
from services.notifier.channels.provider import Answer, Request, judge_status, said_status
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

SIGNATURE = "X-Bellwether-Signature"


@dataclass(frozen=True)
class Webhook:
    """POSTs each message to `url`; without one, to the address that the person has for this channel.

    The header X-Bellwether-Signature is `t=<unix seconds>,v1=<hex>`, the HMAC-SHA256 of "<t>.<body>" under the shared
    secret; refuse old timestamps against replays. Idempotency-Key is the same for every attempt at one message.
    """

    url: str | None = field(repr=False)
    secret: str = field(repr=False)
    kind: str = "webhook"
    title: str = "Webhook / the webhook"
    limits: Limits = UNLIMITED
    repeatable: bool = False

    def scope(self, message: Message) -> str:
        """One for each address."""
        return f"{self.kind}:{fingerprint(self._address(message) or '')}"

    def reaches(self, person: Person) -> bool:
        """Everybody when there is a common address, else who has one."""
        return self.url is not None or person.reached_by(self.kind) is not None

    def requests(self, message: Message, at: datetime) -> Sequence[Request]:
        """The document and its signature."""
        url = self._address(message)
        if url is None or not is_web(url):
            raise BadAddress(f"没有可用的 Webhook 地址 / no usable webhook address: {message.to.id}", code="no_address")
        body = orjson.dumps(_document(message))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": hashlib.sha256(message.key.encode()).hexdigest(),
            SIGNATURE: sign(self.secret.encode(), int(at.timestamp()), body),
        }
        return [Request(url, body, headers)]

    def judge(self, answer: Answer, at: datetime) -> Accepted:
        """2xx is accepted; 401 and 403 wait for a better secret; 408, 429 and 5xx are tried later; all else is refused
        for good."""
        if answer.status in (404, 410):
            raise BadAddress(said_status(self.title, answer), code=str(answer.status))
        judge_status(self.title, answer, at)
        return Accepted(answer.headers.get("x-request-id", ""))

    def _address(self, message: Message) -> str | None:
        # Never both: an address of the directory must not profit from what is allowed to the operator's.
        return self.url or message.to.reached_by(self.kind)


class WebhookChannel(Posting):
    """The webhook of BELLWETHER_WEBHOOK_URL. An address that stands there in digits was chosen by whoever runs the
    notifier, so it may be a private one; names have to lead to public addresses or into what the guard allows."""

    def __init__(
        self,
        url: str,
        secret: str,
        now: Now,
        guard: Guard = PUBLIC_ONLY,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        allowed = Guard((*guard.allowed, *networks(_digits(url))))
        webhook = Webhook(url, secret)
        super().__init__("webhook", webhook, Courier(webhook.title, allowed, deadline_s=deadline_s), now)


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of X-Bellwether-Signature; receivers compute it again and compare."""
    digest = hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def is_web(url: str) -> bool:
    """Whether it is an http or https URL with a host."""
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and " " not in url
        return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _digits(url: str) -> list[str]:
    """The host, when it is an address; never one of the machine's own link, where clouds keep their secrets."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return []
    return [] if address.is_link_local else [str(address)]


def _document(message: Message) -> dict[str, object]:
    to = {"id": message.to.id, "name": message.to.name}
    text = {"subject": message.subject, "text": message.text}
    return {"version": 1, "id": message.key, "to": to, "case_id": message.case_id, **text, **message.data}
