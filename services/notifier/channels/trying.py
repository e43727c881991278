"""The test button: one message to one person or address by one channel, and what became of it, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.notifier.channels.base import (
    Accepted,
    BadAddress,
    BadCredential,
    Channel,
    FateUnknown,
    Message,
    NotSent,
    RateLimited,
    TryLater,
)
from services.notifier.people import Language, Method, Person

Outcome = Literal[
    "accepted", "unverified", "bad_address", "bad_credential", "rate_limited", "later", "refused", "unknown"
]

_SUBJECT = {"zh": "【测试】Bellwether 通知渠道 {name}", "en": "[Test] Bellwether, channel {name}"}
_TEXT = {
    "zh": "这是一条测试消息，收到即表示该渠道可用，无需处理。\n渠道：{name}（{kind}）\n时间：{at}",
    "en": "This is a test. That you read it says that the channel works; nothing is to be done.\n"
    "Channel: {name} ({kind})\nTime: {at}",
}
_LINK = {"zh": "控制台", "en": "Console"}
_CODE = {"zh": "验证码：{code}", "en": "Code: {code}"}


@dataclass(frozen=True)
class Tried:
    """What became of a test. `said` is the provider's word, or ours, in Chinese / in English; never a secret."""

    channel: str
    outcome: Outcome
    said: str

    @property
    def sent(self) -> bool:
        """Whether the provider has it, as far as is known."""
        return self.outcome in ("accepted", "unverified")


def try_channel(channel: Channel, to: Person, at: datetime, console_url: str = "", code: str | None = None) -> Tried:
    """Sends a test; with `code`, the one by which a person shows that an address is theirs. Never raises NotSent."""
    try:
        accepted = channel.send(letter(channel, to, at, console_url, code))
    except NotSent as reason:
        return Tried(channel.name, _outcome(reason), str(reason))
    return Tried(channel.name, "accepted" if accepted.verified else "unverified", _said(accepted))


def somebody(channel: Channel, address: str, language: Language = "zh") -> Person:
    """Whoever is at an address that the directory does not know, or has not verified yet."""
    email = address if channel.kind == "email" else None
    methods = () if email else (Method(channel.kind, address, verified=True),)
    return Person("test", "Bellwether", "", language, None, email, methods)


def at_address(channel: Channel, person: Person, address: str) -> Person:
    """The person with that address for the channel before all others: to verify it, or to see whether it works."""
    if channel.kind == "email":
        return replace(person, email=address, methods=())
    return replace(person, methods=(Method(channel.kind, address, verified=True), *person.methods))


def letter(channel: Channel, to: Person, at: datetime, console_url: str = "", code: str | None = None) -> Message:
    """What a test says."""
    words = {"name": channel.name, "kind": channel.kind, "at": at.isoformat(timespec="seconds")}
    text = _TEXT[to.language].format(**words)
    if code is not None:
        text += "\n" + _CODE[to.language].format(code=code)
    if console_url:
        text += f"\n{_LINK[to.language]}: {console_url}"
    html = "<p>" + text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>") + "</p>"
    key = f"test/{channel.name}/{at.isoformat()}"
    data: dict[str, object] = {"kind": "test", "severity": "low"}
    return Message(key, to, _SUBJECT[to.language].format(**words), text, html, None, data, console_url or None)


def _outcome(reason: NotSent) -> Outcome:
    match reason:
        case BadAddress():
            return "bad_address"
        case BadCredential():
            return "bad_credential"
        case RateLimited():
            return "rate_limited"
        case TryLater():
            return "later"
        case FateUnknown():
            return "unknown"
    return "refused"


def _said(accepted: Accepted) -> str:
    if accepted.verified:
        return f"已被接受 / accepted: {accepted.provider_id}"
    return "已交出，未经对方确认 / handed over; the provider's own word is not known"
