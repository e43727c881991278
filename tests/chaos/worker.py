"""The product's worker with fault points: `python -m tests.chaos.worker`, told by CHAOS_* what to do to itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from schemas.topics import Topics
from services.common.settings import Settings, read_settings
from services.rules import stream
from services.rules.build import build_core
from services.rules.compiling import Rule
from services.rules.host import Host
from services.rules.port import Core, Outgoing
from services.rules.producer import RecordProducer
from services.rules.reference import Reference
from services.rules.stream_parts import FaustCursor
from services.rules.worker import run_worker
from tests.chaos.fragile import FragileCore
from tests.chaos.points import Grave, parse_point


class MortalProducer(RecordProducer):
    """Dies beside, after or in the middle of a send."""

    def __init__(self, grave: Grave, names: Mapping[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._grave = grave
        self._names = names

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        """See RecordProducer."""
        place = self._names.get(topic)
        if place is None or not records:
            return await super().send(topic, partition, records)
        self._grave.pass_("before", place)
        cut = self._cut(records)
        if cut and self._grave.is_at("torn", place):
            await super().send(topic, partition, records[:cut])
            self._grave.die()
        if self._grave.is_at("unacknowledged", place):
            sending = asyncio.create_task(super().send(topic, partition, records))
            await asyncio.wait([sending], timeout=self._grave.rng.uniform(0, 0.01))
            self._grave.die()
        last = await super().send(topic, partition, records)
        self._grave.pass_("after", place)
        return last

    def _cut(self, records: Sequence[Outgoing]) -> int:
        """Where to tear: between two records of one customer if there are such."""
        owners = [(record.key or b"").partition(b"\x1f")[0] for record in records]
        within = [number for number in range(1, len(records)) if owners[number] == owners[number - 1]]
        return self._grave.rng.choice(within or range(1, len(records))) if len(records) > 1 else 0


class MortalCursor(FaustCursor):
    """Dies beside a commit."""

    grave: Grave

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """See FaustCursor."""
        self.grave.pass_("before", "commit")
        done = await super().commit(positions)
        self.grave.pass_("after", "commit")
        return done


def names_of(topics: Topics) -> dict[str, str]:
    """The topics to which a worker writes, by their place."""
    return {
        topics.dead_letters: "dead_letters",
        topics.events: "events",
        topics.customers: "customers",
        topics.changelog: "changelog",
        topics.warnings: "warnings",
    }


def make_mortal(grave: Grave, topics: Topics) -> None:
    """Puts the fault points where the product would put its own parts."""
    changed = cast("Any", stream)
    changed.RecordProducer = partial(MortalProducer, grave, names_of(topics))
    MortalCursor.grave = grave
    changed.FaustCursor = MortalCursor
    restore = Host.restore

    def mortal_restore(self: Host, number: int, records: Sequence[Any]) -> None:
        grave.pass_("before", "restore")
        restore(self, number, records)
        grave.pass_("after", "restore")

    cast("Any", Host).restore = mortal_restore


def build(settings: Settings, grave: Grave, rules: list[Rule], reference: Reference) -> Core:
    """The real core, that breaks at poison and where it is told."""
    return FragileCore(build_core(settings, rules, reference), grave)


def main() -> None:
    """A worker until SIGTERM, or until its hour has come."""
    from services.rules.logs import configure_logging

    configure_logging()
    settings = read_settings(os.environ)
    point = parse_point(os.environ.get("CHAOS_POINT", ""))
    grave = Grave(point, int(os.environ.get("CHAOS_SEED", "0")), Path(os.environ["CHAOS_GRAVES"]))
    make_mortal(grave, settings.topics)
    run_worker(settings, partial(build, settings, grave), float(os.environ.get("CHAOS_SESSION_S", "4")))


if __name__ == "__main__":
    main()
