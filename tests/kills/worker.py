"""The product's notifier with fault points: `python -m tests.kills.worker`, told by KILLS_* where to end itself."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from schemas import warnings as wire
from services.common.database import Database
from services.common.settings import read_settings
from services.notifier import group_reader, service
from services.notifier.channels.base import Accepted, Channel, Message, TakesMany
from services.notifier.claims import Parcel
from services.notifier.clerk import Clerk
from services.notifier.config import read_notifier_settings
from services.notifier.dispatcher import Dispatcher
from services.notifier.outcomes import Recorder
from services.notifier.publisher import Publisher
from services.notifier.tables import SCHEMA
from tests.chaos.points import Grave, parse_point
from tests.kills.tape import EmptyConsumer, TapeConsumer, TapeProducer

T = TypeVar("T")

_DOING: contextvars.ContextVar[str] = contextvars.ContextVar("doing", default="")
"""What the thread is at: the database names its fault points by it."""

LONGEST_TEAR_S = 0.02


class Fate:
    """One grave for all threads."""

    def __init__(self, grave: Grave) -> None:
        self._grave, self._lock = grave, threading.Lock()
        self.chance = grave.rng

    def pass_(self, stage: str, place: str) -> None:
        """Does not return at the fatal passing."""
        with self._lock:
            self._grave.pass_(stage, place)

    def is_at(self, stage: str, place: str) -> bool:
        """Whether this passing is the fatal one."""
        with self._lock:
            return self._grave.is_at(stage, place)

    def die(self) -> None:
        """At once."""
        with self._lock:
            self._grave.die()


FATE: Fate


def doing(place: str, act: Callable[[], T]) -> T:
    """Whatever the database does meanwhile passes under that name."""
    token = _DOING.set(place)
    try:
        return act()
    finally:
        _DOING.reset(token)


class MortalDatabase(Database):
    """Dies with a transaction's work done and not committed (inside), or committed (after)."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See Database."""
        with super().writing() as tx:
            yield tx
            _inside()
        _after()

    @contextmanager
    def claiming(self) -> Iterator[Connection]:
        """See Database."""
        with super().claiming() as tx:
            yield tx
            _inside()
        _after()


def _inside() -> None:
    if _DOING.get():
        FATE.pass_("inside", _DOING.get())


def _after() -> None:
    if _DOING.get():
        FATE.pass_("after", _DOING.get())


class MortalClerk(Clerk):
    """Dies before, in or after the transaction that files warnings."""

    def file(self, warnings: Sequence[wire.Warning]) -> Any:
        """See Clerk."""
        if not warnings:
            return super().file(warnings)
        FATE.pass_("before", "file")
        return doing("file", lambda: super(MortalClerk, self).file(warnings))


class MortalRecorder(Recorder):
    """Dies in or after the transaction that writes down what became of messages."""

    def record(self, outcomes: list[Any]) -> None:
        """See Recorder."""
        if outcomes:
            doing(self.place, lambda: super(MortalRecorder, self).record(outcomes))

    place = "record"


class MortalDispatcher(Dispatcher):
    """Dies with pages claimed, in hand, sent, written down, or judged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recorder.__class__ = MortalRecorder
        self._inbox = self._channel.name == "inbox"
        self._recorder.place = "record-inbox" if self._inbox else "record"  # type: ignore[attr-defined]

    def _claim(self, room: int) -> list[Parcel]:
        return doing("claim-inbox" if self._inbox else "claim", lambda: super(MortalDispatcher, self)._claim(room))

    def _judge(self, left: Any, sent: bool | None) -> None:
        doing("judge", lambda: super(MortalDispatcher, self)._judge(left, sent))


class MortalPublisher(Publisher):
    """Writes to a file, and dies with events acknowledged that the database still has to send."""

    def _connect(self) -> Any:
        self._producer = producer = TapeProducer(Path(os.environ["KILLS_FOLDER"]) / "events", FATE.pass_)  # type: ignore[assignment]
        return producer

    def _publish(self) -> bool:
        return doing("publish", super()._publish)


class MortalInbox:
    """Dies in or after the transaction by which the inbox has some messages."""

    def __init__(self, channel: TakesMany) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def send_all(self, messages: Sequence[Message]) -> Sequence[Accepted]:
        """See TakesMany."""
        return doing("inbox", lambda: self._channel.send_all(messages))


class MortalChannel:
    """Dies before the message leaves, while it is on its way, or when the provider has it and nobody knows."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def send(self, message: Message) -> Accepted:
        """See Channel."""
        FATE.pass_("before", "send")
        if FATE.is_at("torn", "send"):
            threading.Thread(target=self._channel.send, args=(message,), daemon=True).start()
            threading.Event().wait(FATE.chance.uniform(0, LONGEST_TEAR_S))
            FATE.die()
        accepted = self._channel.send(message)
        FATE.pass_("after", "send")
        return accepted


def mortal_channels(make: Callable[..., Iterator[Channel]]) -> Callable[..., Iterator[Any]]:
    """The channels of the product: the inbox dies with its transaction, the others beside their sends."""

    def made(*args: Any) -> Iterator[Any]:
        for channel in make(*args):
            yield MortalInbox(channel) if isinstance(channel, TakesMany) else MortalChannel(channel)

    return made


def main() -> None:
    """Serve as the product does, on a tape instead of Kafka."""
    global FATE  # noqa: PLW0603 one process, one fate
    folder = Path(os.environ["KILLS_FOLDER"])
    index, readers = int(os.environ["KILLS_INDEX"]), int(os.environ["KILLS_READERS"])
    point = parse_point(os.environ.get("KILLS_POINT", ""))
    FATE = Fate(Grave(point, int(os.environ["KILLS_SEED"]), folder / "graves"))

    def consumer_of(topic: str, **_: object) -> TapeConsumer | EmptyConsumer:
        # On all other topics nothing ever comes: whose the customers are stands in the file.
        return (
            TapeConsumer(folder / "tape", index, readers, FATE.pass_)
            if topic.endswith(".warnings")
            else EmptyConsumer()
        )

    for module, name, ours in (
        (group_reader, "KafkaConsumer", consumer_of),
        (service, "Clerk", MortalClerk),
        (service, "Dispatcher", MortalDispatcher),
        (service, "Publisher", MortalPublisher),
        (service, "open_database", lambda url: MortalDatabase(url, SCHEMA)),
        (service, "_channels", mortal_channels(service._channels)),
    ):
        assert hasattr(module, name), f"the product has no {name} there any more"
        setattr(module, name, ours)
    settings = read_settings(os.environ)
    service.serve(settings, read_notifier_settings(os.environ, settings))


if __name__ == "__main__":
    main()
