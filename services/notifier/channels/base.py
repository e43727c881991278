"""What every channel is: `send` returns when the provider has accepted, or raises what is to be done instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from services.notifier.people import Person


@dataclass(frozen=True)
class Message:
    """One message to one person. `key` is the same for every attempt at it; `case_id` threads the messages of a case.

    `data` is for programs: what the message says, by name. It carries no contact details.
    """

    key: str
    to: Person
    subject: str
    text: str
    html: str
    case_id: str | None = None
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the message over, under this id."""

    provider_id: str


class NotSent(Exception):
    """Base of why there is no Accepted; the message says it in Chinese / in English, with the provider's own words."""


class TryLater(NotSent):
    """Not now: again in `after_s` seconds at the earliest. `everyone`: nobody is reached through this channel now."""

    def __init__(self, reason: str, after_s: float = 0.0, *, everyone: bool = False) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.everyone = everyone


class Refused(NotSent):
    """Never: the same message would be refused again."""


class FateUnknown(NotSent):
    """The message had been handed over when the answer was lost. It may have arrived."""


class Channel(Protocol):
    """A way to reach people; `name` is what settings, pages and metrics call it."""

    @property
    def name(self) -> str: ...

    def has_sent(self, key: str) -> bool | None:
        """Whether the message of that key has gone out; None when the channel cannot tell, as most cannot."""
        ...

    def send(self, message: Message) -> Accepted:
        """Blocks for a bounded time. Raises TryLater, Refused or FateUnknown."""
        ...
