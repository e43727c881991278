"""PURE: what every channel is: `send` returns when the provider has accepted, or raises what is to be done instead.

limits.py has how often a channel may be used, and the arithmetic of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from services.notifier.channels.limits import Limits
from services.notifier.people import Person

Action = Literal["trigger", "acknowledge", "resolve"]
"""What a channel that keeps incidents of its own does with that of the case."""


@dataclass(frozen=True)
class Message:
    """One message to one person. `key` is the same for every attempt at it; `case_id` threads the messages of a case.

    `data` is for programs: what the message says, by name. It carries no contact details. `link` is where all of it
    can be read, for what is too long for a channel. `action` is for PagerDuty and its like; others tell all three.
    `markdown` is the text in the flavour of the channel, within its bytes, empty where there is none; `summary`
    says it in a line of at most 500 bytes. In both what comes from outside is escaped already. `reply_to` is where an
    answer by e-mail goes, when it is to go to somebody.
    """

    key: str
    to: Person
    subject: str
    text: str
    html: str
    case_id: str | None = None
    data: dict[str, object] = field(default_factory=dict)
    link: str | None = None
    action: Action = "trigger"
    markdown: str = ""
    summary: str = ""
    reply_to: str | None = None


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the message over, under this id. `verified`: by its own word, not merely a library's."""

    provider_id: str
    verified: bool = True


class NotSent(Exception):
    """Base of why there is no Accepted; the message says it in Chinese / in English, with the provider's own words and
    without secrets. `code` is the provider's: an errcode, an HTTP status, a word."""

    def __init__(self, reason: str, *, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class TryLater(NotSent):
    """Not now: again in `after_s` seconds at the earliest. `everyone`: nobody is reached through this channel now."""

    def __init__(self, reason: str, after_s: float = 0.0, *, everyone: bool = False, code: str = "") -> None:
        super().__init__(reason, code=code)
        self.after_s = after_s
        self.everyone = everyone


class RateLimited(TryLater):
    """Too many for the provider, who takes nothing of this scope for `after_s`: tell `limits.blocked`."""


class BadCredential(TryLater):
    """Our key, token or password is refused: nobody is reached until somebody mends the settings."""

    def __init__(self, reason: str, after_s: float = 0.0, *, code: str = "") -> None:
        super().__init__(reason, after_s, everyone=True, code=code)


class Refused(NotSent):
    """Never: the same message would be refused again."""


class BadAddress(Refused):
    """The person cannot be reached by this address; another channel may."""


class TooLarge(Refused):
    """The provider finds the message too long, although it was made to fit."""


class FateUnknown(NotSent):
    """The message had been handed over when the answer was lost. It may have arrived."""


class Channel(Protocol):
    """A way to reach people; `name` is what settings, pages and metrics call it, `kind` is what it is ("wecom_bot")."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    def scope(self, message: Message) -> str:
        """What the limits are counted for: the bot, the member or the key, without its secret. Two channels that use
        one bot have one scope."""
        ...

    def cost(self, message: Message) -> int:
        """As how many messages the provider counts it."""
        ...

    def reaches(self, person: Person) -> bool:
        """Whether there is a way to the person: a verified address of theirs, where the channel needs one."""
        ...

    def has_sent(self, key: str) -> bool | None:
        """Whether the message of that key has gone out; None when the channel cannot tell, as most cannot."""
        ...

    def send(self, message: Message) -> Accepted:
        """Blocks for a bounded time. Raises TryLater, Refused or FateUnknown, or what is under them."""
        ...


@runtime_checkable
class TakesMany(Channel, Protocol):
    """A channel without limits that has all of some messages or none of them, and can tell which: it is given whatever
    is due at once."""

    def send_all(self, messages: Sequence[Message]) -> Sequence[Accepted]:
        """One for each, in their order. What it raises is true of them all: none of them was sent."""
        ...
