"""A channel whose provider is asked by HTTP: posts what the provider's description says, and lets it judge."""

from __future__ import annotations

from services.common.clock import Now
from services.notifier.channels.base import Accepted, FateUnknown, Message, NotSent, TryLater
from services.notifier.channels.courier import Courier
from services.notifier.channels.limits import Limits
from services.notifier.channels.provider import Provider, Request
from services.notifier.people import Person


class Posting:
    """`name` is what the settings call this one; there may be several of a kind."""

    def __init__(self, name: str, provider: Provider, courier: Courier, now: Now) -> None:
        self.name = name
        self._provider = provider
        self._courier = courier
        self._now = now

    @property
    def kind(self) -> str:
        """The provider's."""
        return self._provider.kind

    @property
    def limits(self) -> Limits:
        """The provider's."""
        return self._provider.limits

    def scope(self, message: Message) -> str:
        """The provider's."""
        return self._provider.scope(message)

    def cost(self, message: Message) -> int:
        """One for each request; one for what will be refused before any."""
        try:
            return len(self._provider.requests(message, self._now()))
        except NotSent:
            return 1

    def reaches(self, person: Person) -> bool:
        """The provider's."""
        return self._provider.reaches(person)

    def has_sent(self, key: str) -> bool | None:
        """Nobody can be asked."""
        return None

    def send(self, message: Message) -> Accepted:
        """Every part in turn. What goes wrong after the first leaves the fate unknown: some of it has arrived."""
        sent: list[str] = []
        for request in self._provider.requests(message, self._now()):
            try:
                sent.append(self._post(request))
            except NotSent as reason:
                if not sent or self._provider.repeatable:
                    raise
                said = f"只送出了 {len(sent)} 段 / only {len(sent)} parts were sent: {reason}"
                raise FateUnknown(said, code=reason.code) from None
        return Accepted(" ".join(sent) or message.key)

    def _post(self, request: Request) -> str:
        try:
            answer = self._courier.carry(request)
        except FateUnknown as lost:
            if self._provider.repeatable:
                raise _again(lost) from None
            raise
        return self._provider.judge(answer, self._now()).provider_id

    def close(self) -> None:
        """Ends what is kept open."""
        self._courier.close()


def _again(lost: FateUnknown) -> TryLater:
    """The provider takes a repeated request for one, so it is simply sent again."""
    return TryLater(str(lost), code=lost.code)
